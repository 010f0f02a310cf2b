//! What a port says itself, in the codec of its peer: tones, files, a room, a program.

use trunkline_dsp::{Codec, Encoder, Law, Rates};
use trunkline_rtp::packet::{HEADER, write_header};

use crate::convert::{LONGEST_PAYLOAD, frame_of, samples_to_units};
use crate::formats::{Content, Format, Speech, fixed};
use crate::rates::append;
use crate::voice::Voice;

/// From this rate on sound is encoded at its own, by a codec that has a choice: what has less is small work anyway.
const WIDE_HZ: u32 = 16_000;
/// Samples of 20 ms at the highest rate.
pub const MOST_SAMPLES: usize = 960;

/// 20 ms of sound, or less at its end.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a> {
    /// Linear samples.
    pub samples: &'a [i16],
    /// How many of them are a second: 8000, 16000, 24000 or 48000.
    pub rate_hz: u32,
}

/// Speaks in a codec: the port's own stream of packets, 10 to 60 ms each.
#[derive(Debug)]
pub struct Mouth {
    speech: Speech,
    encoder: Option<Encoder>,
    rates: Option<Rates>,
    waiting: Vec<i16>,
    packet: Box<[u8; HEADER + LONGEST_PAYLOAD]>,
}

/// How a peer is spoken to that never told: G.711, 20 ms a packet.
pub fn plain(law: Law) -> Speech {
    let payload_type = law.payload_type();
    Speech { payload_type, codec: Codec::G711(law), ptime_ms: 20 }
}

impl Mouth {
    /// A mouth that has said nothing.
    pub fn new(speech: Speech) -> Self {
        Self {
            speech,
            encoder: None,
            rates: None,
            waiting: Vec::with_capacity(4 * MOST_SAMPLES),
            packet: Box::new([0; HEADER + LONGEST_PAYLOAD]),
        }
    }

    /// Another codec, payload type or packet length, from the next packet on.
    pub fn turn_to(&mut self, speech: Speech) {
        if self.speech == speech {
            return;
        }
        if self.speech.codec != speech.codec {
            (self.encoder, self.rates) = (None, None);
        }
        self.waiting.clear();
        self.speech = speech;
    }

    /// Says the next 20 ms; calls `each` with every packet that becomes full. The first after a pause is marked
    /// (RFC 3551 §4.1), and the pause is in its timestamp.
    pub fn say(
        &mut self,
        (now_ns, first): (u64, bool),
        voice: &mut Voice,
        sound: Sound<'_>,
        each: &mut dyn FnMut(&[u8]),
    ) {
        let codec = self.speech.codec;
        if first {
            voice.count_pause(now_ns, codec.clock_hz());
            self.waiting.clear();
            voice.mark();
        }
        self.bring(sound);
        let frame = self.frame();
        while frame > 0 && self.waiting.len() >= frame {
            self.encode(now_ns, voice, frame, each);
        }
    }

    /// Says the next packet in the peer's codec already.
    pub fn pass(
        &mut self,
        (now_ns, first): (u64, bool),
        voice: &mut Voice,
        payload: &[u8],
        each: &mut dyn FnMut(&[u8]),
    ) {
        let codec = self.speech.codec;
        if first {
            voice.count_pause(now_ns, codec.clock_hz());
            voice.mark();
        }
        self.waiting.clear();
        // What the peer hears meanwhile it knows nothing of: it would go on where nobody is.
        self.encoder = None;
        let Some(place) = self.packet.get_mut(HEADER..HEADER + payload.len()) else { return };
        place.copy_from_slice(payload);
        self.send(now_ns, voice, payload.len(), each);
    }

    /// The sound is over: says what is left, with silence behind it.
    pub fn finish(&mut self, now_ns: u64, voice: &mut Voice, each: &mut dyn FnMut(&[u8])) {
        if !self.waiting.is_empty() {
            let frame = self.frame();
            self.waiting.resize(frame, 0);
            self.encode(now_ns, voice, frame, each);
        }
    }

    /// What waits was not said: a key took its place.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }

    /// Samples of a packet, as the encoder takes them.
    fn frame(&self) -> usize {
        self.encoder.as_ref().map_or(0, Encoder::rate_hz) as usize * self.speech.ptime_ms as usize / 1000
    }

    /// An encoder for sound of this rate; the rate that it takes.
    fn encoder_for(&mut self, rate_hz: u32) -> Option<u32> {
        let codec = self.speech.codec;
        let to_hz = if rate_hz < WIDE_HZ { codec.rate_hz() } else { codec.nearest_rate_hz(rate_hz) };
        if self.encoder.as_ref().is_none_or(|encoder| encoder.rate_hz() != to_hz) {
            self.encoder = Encoder::at(codec, to_hz).ok();
            self.rates = None;
            self.waiting.clear();
        }
        self.encoder.as_ref().map(Encoder::rate_hz)
    }

    fn bring(&mut self, sound: Sound<'_>) {
        let Some(to_hz) = self.encoder_for(sound.rate_hz) else { return };
        if sound.rate_hz == to_hz {
            self.waiting.extend_from_slice(sound.samples);
            return;
        }
        if self.rates.as_ref().is_none_or(|rates| rates.from_hz() != sound.rate_hz) {
            self.rates = Rates::new(sound.rate_hz, to_hz);
        }
        if let Some(rates) = &mut self.rates {
            append(rates, sound.samples, &mut self.waiting);
        }
    }

    fn encode(&mut self, now_ns: u64, voice: &mut Voice, frame: usize, each: &mut dyn FnMut(&[u8])) {
        let payload = &mut self.packet[HEADER..];
        let encoded = self.encoder.as_mut().map(|encoder| encoder.encode(&self.waiting[..frame], payload));
        self.waiting.drain(..frame);
        if let Some(Ok(octets)) = encoded {
            self.send(now_ns, voice, octets, each);
        }
    }

    fn send(&mut self, now_ns: u64, voice: &mut Voice, octets: usize, each: &mut dyn FnMut(&[u8])) {
        let (marker, sequence, timestamp, ssrc) = voice.next();
        let (header, _) = self.packet.split_at_mut(HEADER);
        if let Ok(header) = header.try_into() {
            write_header(header, marker, self.speech.payload_type, sequence, timestamp, ssrc);
        }
        each(&self.packet[..HEADER + octets]);
        voice.pass(now_ns, samples_to_units(frame_of(self.speech), self.speech.codec));
    }
}

/// How a port speaks of its own: as its peer told, else in the law that a command named.
pub fn speech_of(send: Option<Speech>, law: Law) -> Speech {
    send.unwrap_or_else(|| plain(law))
}

/// The codec of what a port sends of its own under this payload type.
pub fn said_format(speech: Option<Speech>, payload_type: u8) -> Option<Format> {
    let told = speech.filter(|speech| speech.payload_type == payload_type);
    let told = told.map(|speech| Format {
        payload_type,
        content: Content::Sound(speech.codec),
        clock_hz: speech.codec.clock_hz(),
    });
    told.or_else(|| fixed(payload_type))
}

#[cfg(test)]
mod tests;
