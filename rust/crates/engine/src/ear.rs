//! What a port hears, as even sound: packets in as they come, 20 ms of samples at each beat.

use trunkline_dsp::codec::LONGEST;
use trunkline_dsp::jitter::{Jitter, Pull};
use trunkline_dsp::noise::ComfortNoise;
use trunkline_dsp::stretch::Stretch;
use trunkline_dsp::{Codec, Decoder};
use trunkline_rtp::RtpPacket;

use crate::convert::scaled;
use crate::formats::{Content, Format};
use crate::mouth::{MOST_SAMPLES, Sound};

/// Pulls at one beat: packets of 2.5 ms and losses between them.
const MOST_PULLS: usize = 32;
/// Beats without any packet after which nothing is invented any more: 0.2 s.
const TIRED: u32 = 10;
/// The same for the noise of a pause that the peer told of: a minute.
const DESERTED: u32 = 3000;
/// Octets of an Opus packet that says nothing but that there is nothing to say (RFC 7587 §3.1.3).
const OPUS_PAUSE: usize = 2;
/// Of what is ready, so much may be made shorter or longer at once; milliseconds.
const CHANGED_MS: usize = 20;

/// What is heard in 20 ms.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Always 20 ms, at the rate that was asked for or that of the peer's codec: another one when that changes.
    pub sound: Sound<'a>,
    /// Whether any of it came from the peer, or stands in for what was lost of it; otherwise it is silence because
    /// nothing came.
    pub heard: bool,
    /// Packets that were invented in it; the noise of a pause is not.
    pub concealed: u32,
    /// Packets that came too late since the frame before.
    pub late: u32,
}

/// Who makes the sound of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Comfort noise as the peer described it (RFC 3389).
    Noise,
    /// The decoder, which knows how it was between the words.
    Decoder,
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
    /// The rate at which the sound is wanted, for a codec that has a choice.
    wanted_hz: u32,
    stretch: Option<(u32, Stretch)>,
    noise: ComfortNoise,
    /// How the peer's pause sounds, since it told of one; and the timestamp of the sound that ends it, once that came.
    pause: Option<Pause>,
    resumes: Option<u32>,
    ready: Vec<i16>,
    frame: Box<[i16; MOST_SAMPLES]>,
    sound: Box<[i16; LONGEST]>,
    late: u64,
    /// Beats without a packet, in a row; comfort noise is one.
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
            wanted_hz: 0,
            stretch: None,
            noise: ComfortNoise::default(),
            pause: None,
            resumes: None,
            ready: Vec::with_capacity(2 * LONGEST),
            frame: Box::new([0; MOST_SAMPLES]),
            sound: Box::new([0; LONGEST]),
            late: 0,
            idle: 0,
        }
    }
}

impl Ear {
    /// The rate at which the sound is wanted: the next decoder gives it so if it can, as that of Opus.
    pub fn prefer(&mut self, rate_hz: u32) {
        self.wanted_hz = rate_hz;
    }

    /// Takes a packet of the peer, whose payload type means this.
    pub fn push(&mut self, now_ns: u64, packet: &RtpPacket<'_>, format: Format) {
        let (now_us, payload_type) = (now_ns / 1000, packet.payload_type());
        let Content::Sound(codec) = format.content else {
            let is_known = self.jitter.is_none() || self.ssrc == packet.ssrc();
            if format.content == Content::Noise && is_known {
                self.noise.hear(packet.payload().unwrap_or_default());
                (self.pause, self.resumes) = (Some(Pause::Noise), None);
                self.idle = 0;
            }
            if let Some(jitter) = self.jitter.as_mut().filter(|_| is_known) {
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
            (self.pause, self.resumes) = (None, None);
        }
        // The first that is heard of a stream may be a pause.
        if matches!(codec, Codec::Opus { .. }) && payload.len() <= OPUS_PAUSE {
            (self.pause, self.resumes) = (Some(Pause::Decoder), None);
        } else if self.pause.is_some() {
            self.resumes.get_or_insert(packet.timestamp());
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
        self.decoder.as_ref().map_or(8000, |(_, decoder)| decoder.rate_hz())
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
                Some(Step::Pause) => heard = true,
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
        let Self { jitter, decoder, codecs, ready, sound, clock_hz, idle, stretch, pause, resumes, .. } =
            self;
        let (jitter, clock_hz, wanted_hz) = (jitter.as_mut()?, *clock_hz, self.wanted_hz);
        let rate_hz = decoder.as_ref().map_or(8000, |(_, decoder)| decoder.rate_hz());
        let at_us = now_ns / 1000 + ready.len() as u64 * 1_000_000 / u64::from(rate_hz);
        let samples = |ticks: u32| (scaled(ticks, clock_hz, rate_hz) as usize).clamp(1, LONGEST);
        match jitter.pull(at_us) {
            Pull::Wait => None,
            Pull::Packet { packet, surplus_us } => {
                let codec = codecs.iter().find(|(known, _)| *known == packet.payload_type)?.1;
                let of = packet.payload_type;
                if resumes.is_some_and(|end| packet.timestamp.wrapping_sub(end) as i32 >= 0) {
                    (*pause, *resumes) = (None, None);
                }
                if decoder.as_ref().is_none_or(|(known, old)| *known != of || old.codec() != codec) {
                    let before = decoder.as_ref().map(|(_, decoder)| decoder.rate_hz());
                    if before != Some(codec.nearest_rate_hz(wanted_hz)) {
                        ready.clear();
                    }
                    *decoder = Decoder::at(codec, wanted_hz).ok().map(|decoder| (of, decoder));
                }
                let (_, decoder) = decoder.as_mut()?;
                let made = match decoder.decode(packet.payload, &mut sound[..]) {
                    Ok(made) => made,
                    Err(_) => decoder.conceal(samples(clock_hz / 50), &mut sound[..]),
                };
                jitter.played(scaled(made as u32, decoder.rate_hz(), clock_hz));
                ready.extend_from_slice(&sound[..made]);
                fit(ready, surplus_us, decoder.rate_hz(), stretch);
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
            // The peer's timestamps say that there was nothing: what the background is like is known.
            Pull::Pause { ticks } => {
                let wanted = samples(ticks);
                self.pass_time(wanted);
                Some(Step::Pause)
            }
            Pull::Dry { ticks } => {
                let (wanted, paused) = (samples(ticks), pause.is_some());
                if *idle >= if paused { DESERTED } else { TIRED } {
                    return None;
                }
                self.pass_time(wanted);
                Some(if paused { Step::Pause } else { Step::Invented })
            }
        }
    }

    /// Makes so many samples of what is heard when nothing came: noise where the peer described it, else what the
    /// decoder takes for likely, which soon is the background alone.
    fn pass_time(&mut self, wanted: usize) {
        let Self { decoder, ready, sound, noise, pause, .. } = self;
        let made = match (pause, decoder) {
            (Some(Pause::Noise), _) => {
                noise.fill(&mut sound[..wanted]);
                wanted
            }
            (_, Some((_, decoder))) => decoder.conceal(wanted, &mut sound[..]),
            (_, None) => 0,
        };
        ready.extend_from_slice(&sound[..made]);
        ready.resize(ready.len() + wanted.saturating_sub(made), 0);
    }

    /// What became of the packets so far.
    #[cfg(test)]
    pub fn figures(&self) -> trunkline_dsp::jitter::Figures {
        self.jitter.as_ref().map(Jitter::figures).unwrap_or_default()
    }
}

enum Step {
    Packet,
    Invented,
    Pause,
}

/// Makes the end of what is ready shorter or longer, by what it is delayed too much or too little, where nobody hears
/// that. Packets of less than 15 ms change when there are two.
fn fit(ready: &mut Vec<i16>, surplus_us: i64, rate_hz: u32, stretch: &mut Option<(u32, Stretch)>) {
    let count = ready.len().min(rate_hz as usize * CHANGED_MS / 1000);
    if surplus_us == 0 || count == 0 {
        return;
    }
    if stretch.as_ref().is_none_or(|(known, _)| *known != rate_hz) {
        *stretch = Some((rate_hz, Stretch::new(rate_hz)));
    }
    let Some((_, stretch)) = stretch else { return };
    let from = ready.len() - count;
    // Room for a period, which is half of it at most.
    ready.resize(from + count + count / 2, 0);
    let changed = stretch.change(&mut ready[from..], count, surplus_us);
    ready.truncate(from + changed);
}

#[cfg(test)]
mod tests;
