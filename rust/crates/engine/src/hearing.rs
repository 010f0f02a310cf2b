//! What a port listens for in the sound of its peer: keys, voices, the network's signals, machines.
//!
//! Packets are listened to as they come, without waiting for what is late: detectors want to know soon, and a packet
//! that is missing is invented or silence.

use trunkline_dsp::codec::LONGEST;
use trunkline_dsp::keys::KeyHeard;
use trunkline_dsp::listen::{Listener, News, Wanted};
use trunkline_dsp::{Codec, Decoder, Encoder, Rates};
use trunkline_rtp::RtpPacket;

use crate::convert::scaled;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::events::Event;
use crate::formats::{Content, Format, fixed};
use crate::mailbox::{Order, Task};
use crate::port::{Context, Job, Port};
use crate::rates::append;

/// Samples a second that detectors want.
const RATE_HZ: u32 = 8000;
/// What is missing and shorter than this is invented, so that a key goes on through it.
const INVENTED_MS: u32 = 60;
/// A pause that is longer is not listened to in full: nothing is learnt from it.
const LONGEST_PAUSE_S: u32 = 2;
/// After so long without a packet silence is what is heard.
const IDLE_NS: u64 = 300_000_000;
/// Silences that end a voice, in milliseconds.
const VOICE_END_MS: std::ops::RangeInclusive<u32> = 100..=60_000;
/// Silence, a look of it at a time.
const SILENCE: [i16; 160] = [0; 160];

/// Where the peer's stream is.
#[derive(Clone, Copy, Debug)]
struct Source {
    ssrc: u32,
    sequence: u16,
    /// The timestamp behind the last sound.
    next: u32,
}

/// Listens to what a port hears. It lies apart from the port, because most have none.
#[derive(Debug)]
pub struct Hearing {
    listener: Listener,
    decoder: Option<(u8, Decoder)>,
    rates: Option<Rates>,
    source: Option<Source>,
    heard_ns: u64,
    /// Whether silence is what has been heard since.
    idle: bool,
    /// Whether the peer has ever sent keys as telephone events: those in its sound are the same ones.
    events: bool,
    news: Vec<News>,
    sound: Box<[i16; LONGEST]>,
    narrow: Vec<i16>,
    /// Says nothing in the codec of the peer, where a key is taken out of its sound.
    hush: Option<Encoder>,
}

impl Hearing {
    /// Listens for this from now on.
    pub fn new(now_ns: u64, wanted: Wanted) -> Self {
        Self {
            listener: Listener::new(wanted),
            decoder: None,
            rates: None,
            source: None,
            heard_ns: now_ns,
            idle: true,
            events: false,
            news: Vec::with_capacity(16),
            sound: Box::new([0; LONGEST]),
            narrow: Vec::with_capacity(LONGEST),
            hush: None,
        }
    }

    /// Takes a packet of the peer, whose payload type means this.
    pub fn take(&mut self, now_ns: u64, packet: &RtpPacket<'_>, format: Format) {
        let Some((lost, pause)) = self.follow(packet) else { return };
        match (format.content, packet.payload()) {
            (Content::Keys, _) => self.events = true,
            (Content::Sound(codec), Some(payload)) if !payload.is_empty() => {
                self.heard_ns = now_ns;
                if self.make_ready(packet.payload_type(), codec) {
                    self.fill(lost, pause, codec);
                    self.hear(packet, payload, codec);
                }
            }
            _ => {}
        }
    }

    /// Nothing came for a while: that is silence.
    pub fn tick(&mut self, now_ns: u64) {
        let silent_ns = now_ns.saturating_sub(self.heard_ns);
        if silent_ns >= IDLE_NS || self.idle {
            (self.idle, self.heard_ns) = (true, now_ns);
            self.be_silent((silent_ns / 1000 * u64::from(RATE_HZ) / 1_000_000) as u32);
        }
    }

    /// Packets and units of the RTP clock that are missing before a packet; `None` if it is late or comes again.
    fn follow(&mut self, packet: &RtpPacket<'_>) -> Option<(u16, u32)> {
        let (ssrc, sequence, timestamp) = (packet.ssrc(), packet.sequence(), packet.timestamp());
        let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) else {
            self.source = Some(Source { ssrc, sequence, next: timestamp });
            return Some((0, 0));
        };
        let ahead = sequence.wrapping_sub(source.sequence);
        if (ahead as i16) <= 0 && !self.idle {
            return None;
        }
        source.sequence = sequence;
        Some((ahead.wrapping_sub(1), timestamp.wrapping_sub(source.next)))
    }

    fn make_ready(&mut self, payload_type: u8, codec: Codec) -> bool {
        let known = self.decoder.as_ref();
        if known.is_none_or(|(of, decoder)| *of != payload_type || decoder.codec() != codec) {
            self.decoder = Decoder::new(codec).ok().map(|decoder| (payload_type, decoder));
            let rate_hz = codec.rate_hz();
            self.rates = if rate_hz == RATE_HZ { None } else { Rates::new(rate_hz, RATE_HZ) };
        }
        self.decoder.is_some()
    }

    /// Listens to what is missing: invented, or a pause.
    fn fill(&mut self, lost: u16, pause: u32, codec: Codec) {
        let (clock_hz, was_idle) = (codec.clock_hz(), std::mem::take(&mut self.idle));
        if was_idle || pause == 0 || pause > clock_hz.saturating_mul(3600) {
            return;
        }
        if lost == 0 || pause > clock_hz / 1000 * INVENTED_MS {
            self.be_silent(scaled(pause, clock_hz, RATE_HZ));
            return;
        }
        let wanted = (scaled(pause, clock_hz, codec.rate_hz()) as usize).min(LONGEST);
        if let Some((_, decoder)) = &mut self.decoder {
            let made = decoder.conceal(wanted, &mut self.sound[..]);
            self.listen(made);
        }
    }

    fn hear(&mut self, packet: &RtpPacket<'_>, payload: &[u8], codec: Codec) {
        let Some((_, decoder)) = &mut self.decoder else { return };
        let Ok(samples) = decoder.decode(payload, &mut self.sound[..]) else { return };
        if let Some(source) = &mut self.source {
            let units = scaled(samples as u32, codec.rate_hz(), codec.clock_hz());
            source.next = packet.timestamp().wrapping_add(units);
        }
        self.listen(samples);
    }

    /// Listens to the first samples of `sound`.
    fn listen(&mut self, samples: usize) {
        let news = &mut self.news;
        let tell = |one| keep(news, one);
        match &mut self.rates {
            None => self.listener.hear(&self.sound[..samples], tell),
            Some(rates) => {
                self.narrow.clear();
                append(rates, &self.sound[..samples], &mut self.narrow);
                self.listener.hear(&self.narrow, tell);
            }
        }
    }

    fn be_silent(&mut self, samples: u32) {
        let mut left = samples.min(LONGEST_PAUSE_S * RATE_HZ) as usize;
        while left > 0 {
            let now = left.min(SILENCE.len());
            let news = &mut self.news;
            self.listener.hear(&SILENCE[..now], |one| keep(news, one));
            left -= now;
        }
    }

    /// Puts silence into the place of a packet's sound; gives the packet's length then.
    fn silence(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let packet = RtpPacket::parse(bytes).ok()?;
        let payload = packet.payload()?;
        let begin = payload.as_ptr() as usize - bytes.as_ptr() as usize;
        let (of, decoder) = self.decoder.as_ref()?;
        if *of != packet.payload_type() {
            return None;
        }
        let (samples, end, codec) = (decoder.samples(payload)?, begin + payload.len(), decoder.codec());
        if self.hush.as_ref().is_none_or(|hush| hush.codec() != codec) {
            self.hush = Encoder::new(codec).ok();
        }
        self.sound.get_mut(..samples)?.fill(0);
        let written = self.hush.as_mut()?.encode(&self.sound[..samples], &mut bytes[begin..end]).ok()?;
        bytes[0] &= !0x20; // Padding, if there was any, is not sent.
        Some(begin + written)
    }
}

/// Between two looks of the port there is never more news than a few; what would be more is not told.
fn keep(news: &mut Vec<News>, one: News) {
    if news.len() < news.capacity() {
        news.push(one);
    }
}

impl Port {
    /// Listens for something else, or for nothing any more.
    pub fn listen_for(&mut self, context: &Context<'_>, wanted: Wanted) {
        self.hearing = (!wanted.is_nothing()).then(|| Box::new(Hearing::new(context.now_ns, wanted)));
    }

    /// Listens to a packet of the peer; whether its sound is to be hidden from the other party.
    pub fn detect(&mut self, context: &Context<'_>, packet: &RtpPacket<'_>) -> bool {
        let Some(mut hearing) = self.hearing.take() else { return false };
        let payload_type = packet.payload_type();
        let told = self.formats.as_ref().and_then(|formats| formats.heard(payload_type));
        let is_event = self.remote.is_some_and(|remote| remote.dtmf_payload_type == Some(payload_type));
        let event = Format { payload_type, content: Content::Keys, clock_hz: RATE_HZ };
        let format = told.or_else(|| is_event.then_some(event)).or_else(|| fixed(payload_type));
        if let Some(format) = format {
            hearing.take(context.now_ns, packet, format);
        }
        self.tell_news(context, &mut hearing);
        // T-22: the other party gets the key as an event, and shall not hear it a second time.
        let linked = matches!(self.job, Job::Plain(Task::Relay(_)) | Job::Convert(_));
        let takes_events = self.other.as_ref().is_some_and(|other| other.send_keys.is_some());
        let hides = linked && takes_events && hearing.listener.suspects_key();
        self.hearing = Some(hearing);
        hides
    }

    /// Takes a key out of the sound of a packet; gives the length of what is left of it.
    pub fn hide(&mut self, bytes: &mut [u8]) -> Option<usize> {
        self.hearing.as_mut()?.silence(bytes)
    }

    /// What is heard when nothing comes.
    pub fn hear_silence(&mut self, context: &Context<'_>) {
        let Some(mut hearing) = self.hearing.take() else { return };
        hearing.tick(context.now_ns);
        self.tell_news(context, &mut hearing);
        self.hearing = Some(hearing);
    }

    fn tell_news(&self, context: &Context<'_>, hearing: &mut Hearing) {
        for one in hearing.news.drain(..) {
            match one {
                News::Key(KeyHeard::Up(key, duration_ms)) if !hearing.events => {
                    self.tell(context, Event::Dtmf { key, duration_ms });
                }
                News::Key(_) => {}
                other => self.tell(context, Event::Heard(other)),
            }
        }
    }
}

impl Engine {
    /// Listens to what a port hears; replaces what it listened for before.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`]; [`EngineError::Argument`] for a silence that cannot end a voice.
    pub fn listen(&self, id: &str, wanted: Wanted) -> Result<(), EngineError> {
        if let Some(end_ms) = wanted.voice_end_ms.filter(|end_ms| !VOICE_END_MS.contains(end_ms)) {
            let text = format!("100 to 60000 ms of silence end a voice, got {end_ms}");
            return Err(EngineError::Argument(text));
        }
        let slot = self.control().find(id)?.slot;
        self.order(slot, Order::Listen(wanted));
        // A port that hears nothing listens too: to silence.
        self.shared.post_of(slot).wake_up();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
