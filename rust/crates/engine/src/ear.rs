//! What a port hears, as even sound: packets in as they come, 20 ms of samples at each beat.

use trunkline_dsp::codec::LONGEST;
use trunkline_dsp::jitter::{Jitter, Pull};
use trunkline_dsp::mix::energy;
use trunkline_dsp::speakers::SILENCE;
use trunkline_dsp::{Codec, Decoder};
use trunkline_rtp::RtpPacket;

use crate::convert::scaled;
use crate::formats::{Content, Format};
use crate::mouth::{MOST_SAMPLES, Sound};

/// Pulls at one beat: packets of 2.5 ms and losses between them.
const MOST_PULLS: usize = 32;
/// Beats without any packet after which nothing is invented any more: 0.2 s.
const TIRED: u32 = 10;

/// What is heard in 20 ms.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Always 20 ms, at the rate of the peer's codec: another one when that changes.
    pub sound: Sound<'a>,
    /// Whether any of it came from the peer, or stands in for what was lost of it; otherwise it is silence because
    /// nothing came.
    pub heard: bool,
    /// Packets that were invented in it.
    pub concealed: u32,
    /// Packets that came too late since the frame before.
    pub late: u32,
}

/// A jitter buffer, a decoder, and what is left of a packet for the next beat.
#[derive(Debug)]
pub struct Ear {
    jitter: Option<Jitter>,
    clock_hz: u32,
    ssrc: u32,
    /// What payload types mean.
    codecs: Vec<(u8, Codec)>,
    decoder: Option<(u8, Decoder)>,
    ready: Vec<i16>,
    frame: Box<[i16; MOST_SAMPLES]>,
    sound: Box<[i16; LONGEST]>,
    late: u64,
    /// Beats without a packet, in a row.
    idle: u32,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            jitter: None,
            clock_hz: 8000,
            ssrc: 0,
            codecs: Vec::new(),
            decoder: None,
            ready: Vec::with_capacity(2 * LONGEST),
            frame: Box::new([0; MOST_SAMPLES]),
            sound: Box::new([0; LONGEST]),
            late: 0,
            idle: 0,
        }
    }
}

impl Ear {
    /// Takes a packet of the peer, whose payload type means this.
    pub fn push(&mut self, now_ns: u64, packet: &RtpPacket<'_>, format: Format) {
        let (now_us, payload_type) = (now_ns / 1000, packet.payload_type());
        let Content::Sound(codec) = format.content else {
            if let Some(jitter) = self.jitter.as_mut().filter(|_| self.ssrc == packet.ssrc()) {
                jitter.pass(now_us, packet.sequence());
            }
            return;
        };
        let Some(payload) = packet.payload().filter(|payload| !payload.is_empty()) else { return };
        self.know(payload_type, codec);
        let jitter = self.jitter.get_or_insert_with(|| Jitter::new(codec.clock_hz()));
        if self.ssrc != packet.ssrc() || self.clock_hz != codec.clock_hz() {
            jitter.restart(codec.clock_hz());
            (self.ssrc, self.clock_hz) = (packet.ssrc(), codec.clock_hz());
        }
        jitter.push(now_us, packet.sequence(), packet.timestamp(), payload_type, packet.marker(), payload);
    }

    fn know(&mut self, payload_type: u8, codec: Codec) {
        match self.codecs.iter_mut().find(|(known, _)| *known == payload_type) {
            Some((_, known)) => *known = codec,
            // A payload type is one of 128.
            None => self.codecs.push((payload_type, codec)),
        }
    }

    fn rate_hz(&self) -> u32 {
        self.decoder.as_ref().map_or(8000, |(_, decoder)| decoder.codec().rate_hz())
    }

    /// The next 20 ms.
    pub fn pull(&mut self, now_ns: u64) -> Frame<'_> {
        let (mut concealed, mut heard, mut came) = (0, !self.ready.is_empty(), false);
        for _ in 0..MOST_PULLS {
            if self.ready.len() >= self.rate_hz() as usize / 50 {
                break;
            }
            match self.listen(now_ns) {
                Some(Step::Packet) => (came, heard) = (true, true),
                Some(Step::Invented) => (concealed, heard) = (concealed + 1, true),
                Some(Step::Silence) => {}
                None => break,
            }
        }
        self.idle = if came { 0 } else { self.idle.saturating_add(1) };
        let rate_hz = self.rate_hz();
        let length = rate_hz as usize / 50;
        let there = self.ready.len().min(length);
        self.frame[..there].copy_from_slice(&self.ready[..there]);
        self.frame[there..length].fill(0);
        self.ready.drain(..there);
        let all_late = self.jitter.as_ref().map_or(0, |jitter| jitter.figures().late);
        let late = (all_late - std::mem::replace(&mut self.late, all_late)) as u32;
        let sound = Sound { samples: &self.frame[..length], rate_hz };
        Frame { sound, heard: heard && there > 0, concealed, late }
    }

    /// Gets more to hear ready; `None` when there is nothing.
    fn listen(&mut self, now_ns: u64) -> Option<Step> {
        let Self { jitter, decoder, codecs, ready, sound, clock_hz, idle, .. } = self;
        let (jitter, clock_hz) = (jitter.as_mut()?, *clock_hz);
        let rate_hz = decoder.as_ref().map_or(8000, |(_, decoder)| decoder.codec().rate_hz());
        let at_us = now_ns / 1000 + ready.len() as u64 * 1_000_000 / u64::from(rate_hz);
        let samples = |ticks: u32| (scaled(ticks, clock_hz, rate_hz) as usize).min(LONGEST);
        match jitter.pull(at_us) {
            Pull::Wait => None,
            Pull::Packet { packet, surplus_us } => {
                let codec = codecs.iter().find(|(known, _)| *known == packet.payload_type)?.1;
                let of = packet.payload_type;
                if decoder.as_ref().is_none_or(|(known, old)| *known != of || old.codec() != codec) {
                    let before = decoder.as_ref().map(|(_, decoder)| decoder.codec().rate_hz());
                    if before != Some(codec.rate_hz()) {
                        ready.clear();
                    }
                    *decoder = Decoder::new(codec).ok().map(|decoder| (of, decoder));
                }
                let (_, decoder) = decoder.as_mut()?;
                let made = match decoder.decode(packet.payload, &mut sound[..]) {
                    Ok(made) => made,
                    Err(_) => decoder.conceal(samples(clock_hz / 50), &mut sound[..]),
                };
                jitter.played(scaled(made as u32, codec.rate_hz(), clock_hz));
                fit(&sound[..made], surplus_us, codec.rate_hz(), ready);
                Some(Step::Packet)
            }
            Pull::Lost { ticks, next } => {
                let (_, decoder) = decoder.as_mut()?;
                let wanted = samples(ticks);
                let made = match next {
                    Some(next) => decoder.decode_fec(next.payload, wanted, &mut sound[..]),
                    None => decoder.conceal(wanted, &mut sound[..]),
                };
                ready.extend_from_slice(&sound[..made]);
                ready.resize(ready.len() + wanted.saturating_sub(made), 0);
                Some(Step::Invented)
            }
            Pull::Pause { ticks } => {
                ready.resize(ready.len() + samples(ticks).max(1), 0);
                Some(Step::Silence)
            }
            Pull::Dry { ticks } => {
                let wanted = samples(ticks).max(1);
                let (_, decoder) = decoder.as_mut().filter(|_| *idle < TIRED)?;
                let made = decoder.conceal(wanted, &mut sound[..]);
                ready.extend_from_slice(&sound[..made]);
                ready.resize(ready.len() + wanted.saturating_sub(made), 0);
                Some(Step::Invented)
            }
        }
    }
}

enum Step {
    Packet,
    Invented,
    Silence,
}

/// Appends sound, shorter or longer by what it is delayed too much or too little, where nobody hears that: in silence.
fn fit(sound: &[i16], surplus_us: i64, rate_hz: u32, ready: &mut Vec<i16>) {
    if surplus_us == 0 || energy(sound) >= SILENCE {
        ready.extend_from_slice(sound);
        return;
    }
    let apart = (surplus_us.unsigned_abs() * u64::from(rate_hz) / 1_000_000) as usize;
    let apart = apart.min(sound.len() / 2);
    if surplus_us > 0 {
        ready.extend_from_slice(&sound[apart..]);
    } else {
        ready.extend_from_slice(&sound[..apart]);
        ready.extend_from_slice(sound);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixed;
    use trunkline_rtp::packet::{HEADER, write_header};

    fn push(ear: &mut Ear, now_ms: u64, sequence: u16) {
        let mut header = [0; HEADER];
        write_header(&mut header, false, 0, sequence, u32::from(sequence) * 160, 7);
        let bytes = [&header[..], &[0x90; 160]].concat();
        ear.push(now_ms * 1_000_000, &RtpPacket::parse(&bytes).unwrap(), fixed(0).unwrap());
    }

    #[test]
    fn nothing_is_heard_before_anything_came() {
        let mut ear = Ear::default();
        let frame = ear.pull(0);
        assert_eq!((frame.heard, frame.sound.samples.len(), frame.sound.rate_hz), (false, 160, 8000));
    }

    #[test]
    fn every_beat_has_its_packet_and_a_loss_is_invented() {
        let mut ear = Ear::default();
        let mut concealed = 0;
        let mut heard = 0;
        for n in 0..100u16 {
            if n != 50 {
                push(&mut ear, u64::from(n) * 20, n);
            }
            let frame = ear.pull((u64::from(n) * 20 + 7) * 1_000_000);
            concealed += frame.concealed;
            heard += u32::from(frame.heard);
        }
        assert!((90..=100).contains(&heard), "{heard}");
        assert!((1..=2).contains(&concealed), "{concealed}");
    }

    #[test]
    fn who_falls_silent_is_silent_after_a_while() {
        let mut ear = Ear::default();
        (0..20).for_each(|n| {
            push(&mut ear, u64::from(n) * 20, n);
            ear.pull(u64::from(n) * 20_000_000 + 1);
        });
        let later: Vec<bool> = (20..60).map(|n| ear.pull(n * 20_000_000 + 1).heard).collect();
        assert!(later[0] && !later[39]);
    }
}
