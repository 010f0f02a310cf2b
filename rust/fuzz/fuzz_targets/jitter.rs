//! The jitter buffer under streams that no sender would send: it gives what came, in order, once, and always ends.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use trunkline_dsp::jitter::{Jitter, MOST_OCTETS, Pull};
use trunkline_fuzz::Script;

/// What was pushed, and what came of it.
struct Stream {
    jitter: Jitter,
    sequence: u16,
    timestamp: u32,
    pushed: u64,
    /// Packets that were no sound.
    passed: u64,
    /// The furthest sequence number, and that of the sound that was given last.
    front: Option<u16>,
    given: Option<u16>,
    /// No number was so far off that another stream may have begun.
    ordered: bool,
    /// The numbers of packets that were given.
    numbers: HashSet<u64>,
}

impl Stream {
    fn push(&mut self, now_us: u64, sequence: u16, timestamp: u32, octets: usize) {
        self.meet(sequence);
        (self.sequence, self.timestamp) = (sequence, timestamp);
        let mut payload =
            [&self.pushed.to_be_bytes()[..], &sequence.to_be_bytes(), &timestamp.to_be_bytes()].concat();
        payload.resize(octets.max(payload.len()), 0);
        self.pushed += 1;
        self.jitter.push(now_us, sequence, timestamp, 9, false, &payload);
    }

    fn meet(&mut self, sequence: u16) {
        let front = *self.front.get_or_insert(sequence);
        let apart = sequence.wrapping_sub(front) as i16;
        self.ordered &= (-200..=3000).contains(&apart);
        if apart > 0 {
            self.front = Some(sequence);
        }
    }

    fn restart(&mut self, clock_hz: u32) {
        self.jitter.restart(clock_hz);
        (self.front, self.given, self.ordered) = (None, None, true);
    }

    fn pull(&mut self, now_us: u64, played: u32) -> bool {
        match self.jitter.pull(now_us) {
            Pull::Wait => return false,
            Pull::Packet { packet, surplus_us } => {
                let number = u64::from_be_bytes(packet.payload[..8].try_into().expect("eight octets"));
                let sequence = u16::from_be_bytes([packet.payload[8], packet.payload[9]]);
                assert_eq!(packet.timestamp.to_be_bytes(), packet.payload[10..14]);
                assert_eq!((packet.payload_type, packet.payload.len() <= MOST_OCTETS), (9, true));
                assert!(number < self.pushed && self.numbers.insert(number), "given twice");
                assert!(surplus_us.unsigned_abs() < 1 << 50);
                if let Some(before) = self.given.replace(sequence).filter(|_| self.ordered) {
                    assert!((sequence.wrapping_sub(before) as i16) > 0, "{sequence} behind {before}");
                }
                self.jitter.played(played);
            }
            Pull::Lost { ticks, next } => {
                assert!((1..=48_000).contains(&ticks));
                assert!(next.is_none_or(|packet| !packet.payload.is_empty()));
            }
            Pull::Pause { ticks } | Pull::Dry { ticks } => assert!((1..=48_000).contains(&ticks)),
        }
        true
    }
}

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let (jitter, numbers) = (Jitter::new(8000), HashSet::new());
    let mut stream = Stream {
        jitter,
        sequence: 0,
        timestamp: 0,
        pushed: 0,
        passed: 0,
        front: None,
        given: None,
        ordered: true,
        numbers,
    };
    let mut now_us = 0u64;
    while let (Some(what), Some(how)) = (script.octet(), script.octet()) {
        match what & 7 {
            0 => {
                stream.restart(if how & 1 == 0 { 8000 } else { 48_000 });
            }
            1 => {
                let sequence = stream.sequence.wrapping_add(how.into());
                stream.passed += 1;
                stream.meet(sequence);
                stream.jitter.pass(now_us, sequence);
            }
            2 => {
                let (Some(sequence), Some(timestamp)) = (script.short(), script.word()) else { return };
                stream.push(now_us, sequence, timestamp, usize::from(how) * 24);
            }
            3 => {
                // Late, doubled, or a little ahead.
                let sequence = stream.sequence.wrapping_add(how.into()).wrapping_sub(128);
                let timestamp =
                    stream.timestamp.wrapping_add((u32::from(how).wrapping_sub(128)).wrapping_mul(160));
                stream.push(now_us, sequence, timestamp, 160);
            }
            4 => now_us += u64::from(how) << (what >> 3).min(22),
            5 => {
                // A sender as it should be, somebody who listens, and a network that delays.
                for _ in 0..=how >> 3 {
                    let (sequence, timestamp) =
                        (stream.sequence.wrapping_add(1), stream.timestamp.wrapping_add(160));
                    stream.push(now_us + u64::from(how & 7) * 1000, sequence, timestamp, 160);
                    now_us += 20_000;
                    stream.pull(now_us, 160);
                }
            }
            _ => {
                for _ in 0..=how >> 4 {
                    if !stream.pull(now_us, u32::from(what >> 3) * 180) {
                        break;
                    }
                }
            }
        }
        let figures = stream.jitter.figures();
        let heard = stream.numbers.len() as u64;
        assert!((heard..=stream.pushed + stream.passed).contains(&figures.received));
        assert!(figures.target_us == 0 || (20_000..=200_000).contains(&figures.target_us));
    }
});
