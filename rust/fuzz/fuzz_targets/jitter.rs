//! The jitter buffer under streams that no sender would send: it never gives more than there is, and always ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_dsp::jitter::{Jitter, Pull};

fuzz_target!(|data: &[u8]| {
    let mut jitter = Jitter::new(8000);
    let (mut now_us, mut sequence, mut timestamp) = (0u64, 0u16, 0u32);
    for step in data.chunks_exact(6) {
        let &[what, a, b, c, d, e] = step else { break };
        now_us += u64::from(e) * 1000;
        match what & 7 {
            0 => jitter.restart(if a & 1 == 0 { 8000 } else { 48_000 }),
            1 => jitter.pass(now_us, u16::from_be_bytes([a, b])),
            2 => {
                sequence = u16::from_be_bytes([a, b]);
                timestamp = u32::from_be_bytes([a, b, c, d]);
                jitter.push(now_us, sequence, timestamp, 0, d & 1 == 1, &[0; 160]);
            }
            3..=5 => {
                sequence = sequence.wrapping_add(u16::from(a >> 6) + 1);
                timestamp = timestamp.wrapping_add(160 + (u32::from(b) << (c % 25)));
                jitter.push(now_us, sequence, timestamp, 0, false, &[0; 160]);
            }
            _ => {
                for _ in 0..8 {
                    match jitter.pull(now_us) {
                        Pull::Wait => break,
                        Pull::Packet { packet, .. } => {
                            assert!(!packet.payload.is_empty());
                            jitter.played(u32::from(c) * 4);
                        }
                        Pull::Lost { ticks, .. } | Pull::Pause { ticks } | Pull::Dry { ticks } => {
                            assert!((1..=48_000).contains(&ticks));
                        }
                    }
                }
            }
        }
    }
});
