//! A relay between peers that share no codec: what one says is decoded and spoken to the other, packet by packet.
//!
//! Nothing waits here for what may come late: a packet goes on when it comes, and what is missing before it is
//! concealed. The outgoing stream has its own source, numbers and timestamps; a pause stays a pause in it.

use trunkline_dsp::codec::{Decoder, Encoder, LONGEST};
use trunkline_dsp::{Codec, Rates};
use trunkline_rtp::RtpPacket;
use trunkline_rtp::packet::{HEADER, write_header};

use crate::allowance::Allowance;
use crate::formats::{Content, Format, Formats, Speech, fixed};
use crate::mailbox::Peer;
use crate::port::Context;
use crate::rates::append;
use crate::relay::{send_rtp, way_to};
use crate::shared::Slot;

/// The longest payload that is sent: 60 ms of linear samples at 48000 Hz.
pub const LONGEST_PAYLOAD: usize = 2 * 2880;
/// What is missing for longer than this is a pause: no sound can be invented for it.
const MOST_CONCEALED_MS: u32 = 120;
/// A step of the timestamps beyond this is no pause, but a stream that begins anew: an hour.
const LONGEST_PAUSE_S: u32 = 3600;
/// Sound that is converted in a row; more comes in no faster than twice as fast as it is heard. To encode what a peer
/// sends as fast as it can would leave no time for others.
const MOST_AT_ONCE_NS: u64 = 2_000_000_000;
/// Octets of a telephone event.
const EVENT: usize = 4;

/// What became of a packet, for the figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Converted {
    /// Packets whose sound was invented.
    pub concealed: u32,
    /// Whether the packet came when its time was over.
    pub late: bool,
}

/// One direction of such a relay; it belongs to the port that hears.
#[derive(Debug)]
pub struct Convert {
    /// Whose peer is spoken to.
    pub peer: Peer,
    ears: Option<(u8, Decoder)>,
    tongue: Option<Tongue>,
    source: Option<Source>,
    out: Outgoing,
    allowance: Allowance,
    sound: Box<[i16; LONGEST]>,
}

/// The stream that comes in.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    sequence: u16,
    clock_hz: u32,
    /// The timestamp behind what was heard last.
    next: u32,
    heard_ns: u64,
    /// The key that is pressed: its timestamp as it came in, and as it goes out.
    key: Option<(u32, u32)>,
}

/// How it is spoken.
#[derive(Debug)]
struct Tongue {
    speech: Speech,
    encoder: Encoder,
    from_hz: u32,
    rates: Option<Rates>,
}

/// The stream that goes out.
#[derive(Debug)]
struct Outgoing {
    ssrc: u32,
    sequence: u16,
    /// The timestamp behind everything that waits.
    next: u32,
    marker: bool,
    waiting: Vec<i16>,
    packet: Box<[u8; HEADER + LONGEST_PAYLOAD]>,
}

impl Outgoing {
    fn send(
        &mut self,
        (payload_type, marker): (u8, bool),
        timestamp: u32,
        octets: usize,
        each: &mut impl FnMut(&[u8]),
    ) {
        let (header, _) = self.packet.split_at_mut(HEADER);
        if let Ok(header) = header.try_into() {
            write_header(header, marker, payload_type, self.sequence, timestamp, self.ssrc);
        }
        self.sequence = self.sequence.wrapping_add(1);
        each(&self.packet[..HEADER + octets]);
    }

    fn put(&mut self, payload: &[u8]) -> bool {
        let place = self.packet.get_mut(HEADER..HEADER + payload.len());
        place.map(|place| place.copy_from_slice(payload)).is_some()
    }
}

impl Convert {
    /// A relay that has heard nothing; `seed` gives the random start of its stream (RFC 3550 §5.1).
    pub fn new(peer: Peer, seed: u64) -> Self {
        Self {
            peer,
            ears: None,
            tongue: None,
            source: None,
            allowance: Allowance::new(MOST_AT_ONCE_NS, 2),
            out: Outgoing {
                ssrc: seed as u32,
                sequence: (seed >> 48) as u16,
                next: (seed >> 16) as u32,
                marker: true,
                waiting: Vec::with_capacity(2 * LONGEST),
                packet: Box::new([0; HEADER + LONGEST_PAYLOAD]),
            },
            sound: Box::new([0; LONGEST]),
        }
    }

    /// Takes a packet; calls `each` with every packet that follows from it.
    pub fn take(
        &mut self,
        now_ns: u64,
        packet: &RtpPacket<'_>,
        (heard, other): (Option<&Formats>, &Formats),
        mut each: impl FnMut(&[u8]),
    ) -> Converted {
        let payload_type = packet.payload_type();
        let format = heard.and_then(|formats| formats.heard(payload_type)).or_else(|| fixed(payload_type));
        let (Some(format), Some(payload)) = (format, packet.payload()) else { return Converted::default() };
        if payload.is_empty() {
            return Converted::default();
        }
        match format.content {
            Content::Sound(codec) => self.on_sound(now_ns, packet, payload, codec, other, &mut each),
            Content::Keys => self.on_key(now_ns, packet, payload, format, other, &mut each),
            Content::Noise => self.on_noise(now_ns, packet, payload, format, other, &mut each),
        }
    }

    fn on_sound(
        &mut self,
        now_ns: u64,
        packet: &RtpPacket<'_>,
        payload: &[u8],
        codec: Codec,
        other: &Formats,
        each: &mut impl FnMut(&[u8]),
    ) -> Converted {
        let Some(speech) = other.send else { return Converted::default() };
        if !self.listen(packet.payload_type(), codec) || !self.speak(speech, codec.rate_hz(), each) {
            return Converted::default();
        }
        let Some(samples) = self.ears.as_ref().and_then(|(_, decoder)| decoder.samples(payload)) else {
            return Converted::default();
        };
        let lasts_ns = samples as u64 * 1_000_000_000 / u64::from(codec.rate_hz());
        if !self.allowance.take(now_ns, lasts_ns) {
            return Converted { concealed: 0, late: true };
        }
        let clock_hz = codec.clock_hz();
        let Some((lost, pause)) = self.follow(now_ns, packet, clock_hz) else {
            return Converted { concealed: 0, late: true };
        };
        let mut concealed = 0;
        if pause > 0 && lost > 0 && pause <= clock_hz * MOST_CONCEALED_MS / 1000 && !self.is_straight(codec) {
            self.conceal(payload, samples, units_to_samples(pause, codec), each);
            concealed = u32::from(lost);
        } else if pause > 0 {
            self.flush(each);
            self.out.next = self.out.next.wrapping_add(scaled(pause, clock_hz, speech.codec.clock_hz()));
            self.out.sequence = self.out.sequence.wrapping_add(lost);
            self.out.marker |= lost == 0;
        }
        self.out.marker |= packet.marker();
        let units = samples_to_units(samples, codec);
        if let Some(source) = &mut self.source {
            (source.next, source.key) = (packet.timestamp().wrapping_add(units), None);
        }
        if self.is_straight(codec) && self.out.waiting.is_empty() && fits(samples, codec, speech) {
            self.pass(payload, units, speech, each);
        } else {
            self.decode(payload, samples, each);
        }
        Converted { concealed, late: false }
    }

    /// Whether the codec is the other's own, so that packets of its length need no change.
    fn is_straight(&self, codec: Codec) -> bool {
        let Some(tongue) = &self.tongue else { return false };
        match (codec, tongue.speech.codec) {
            (Codec::Opus { .. }, Codec::Opus { .. }) => true,
            (one, other) => one == other,
        }
    }

    fn pass(&mut self, payload: &[u8], units: u32, speech: Speech, each: &mut impl FnMut(&[u8])) {
        let at = self.out.next;
        self.out.next = at.wrapping_add(units);
        if self.out.put(payload) {
            let marker = std::mem::take(&mut self.out.marker);
            self.out.send((speech.payload_type, marker), at, payload.len(), each);
        }
    }

    fn decode(&mut self, payload: &[u8], samples: usize, each: &mut impl FnMut(&[u8])) {
        let Some((_, decoder)) = &mut self.ears else { return };
        let decoded = match decoder.decode(payload, &mut self.sound[..]) {
            Ok(decoded) => decoded,
            Err(_) => decoder.conceal(samples, &mut self.sound[..]),
        };
        self.say(decoded, each);
    }

    /// Invents so many samples before a packet; what the packet itself says of them is used (Opus).
    fn conceal(&mut self, payload: &[u8], frame: usize, missing: usize, each: &mut impl FnMut(&[u8])) {
        let mut left = missing;
        while left > frame {
            let Some((_, decoder)) = &mut self.ears else { return };
            let made = decoder.conceal(frame.min(left - frame), &mut self.sound[..]);
            if made == 0 {
                break;
            }
            left -= made.min(left);
            self.say(made, each);
        }
        let Some((_, decoder)) = &mut self.ears else { return };
        let made = decoder.decode_fec(payload, left, &mut self.sound[..]);
        self.say(made, each);
    }

    /// Brings the first samples of `sound` to the other's rate, and sends the packets that become full.
    fn say(&mut self, samples: usize, each: &mut impl FnMut(&[u8])) {
        let (Some(tongue), out) = (&mut self.tongue, &mut self.out) else { return };
        let before = out.waiting.len();
        match &mut tongue.rates {
            None => out.waiting.extend_from_slice(&self.sound[..samples]),
            Some(rates) => append(rates, &self.sound[..samples], &mut out.waiting),
        }
        let codec = tongue.speech.codec;
        out.next = out.next.wrapping_add(samples_to_units(out.waiting.len() - before, codec));
        let frame = frame_of(tongue.speech);
        while out.waiting.len() >= frame {
            tongue.send(out, frame, each);
        }
    }

    /// Sends what waits, with silence behind it.
    fn flush(&mut self, each: &mut impl FnMut(&[u8])) {
        let (Some(tongue), out) = (&mut self.tongue, &mut self.out) else { return };
        if !out.waiting.is_empty() {
            let frame = frame_of(tongue.speech);
            let missing = frame.saturating_sub(out.waiting.len());
            out.waiting.resize(frame, 0);
            out.next = out.next.wrapping_add(samples_to_units(missing, tongue.speech.codec));
            tongue.send(out, frame, each);
            // The pause behind it is measured from where the sound ended.
            out.next = out.next.wrapping_sub(samples_to_units(missing, tongue.speech.codec));
        }
    }

    /// Makes ready for this codec; whether it can be heard.
    fn listen(&mut self, payload_type: u8, codec: Codec) -> bool {
        let known = self.ears.as_ref();
        if known.is_none_or(|(of, decoder)| *of != payload_type || decoder.codec() != codec) {
            self.ears = Decoder::new(codec).ok().map(|decoder| (payload_type, decoder));
        }
        self.ears.is_some()
    }

    /// Makes ready to speak in this codec what comes at this rate; whether it can be spoken.
    fn speak(&mut self, speech: Speech, from_hz: u32, each: &mut impl FnMut(&[u8])) -> bool {
        let known = self.tongue.as_ref();
        if known.is_some_and(|tongue| tongue.speech == speech && tongue.from_hz == from_hz) {
            return true;
        }
        self.flush(each);
        self.out.waiting.clear();
        let rates = |tongue: &mut Tongue| {
            let to_hz = speech.codec.rate_hz();
            (tongue.from_hz, tongue.rates) =
                (from_hz, Rates::new(from_hz, to_hz).filter(|_| from_hz != to_hz));
        };
        match &mut self.tongue {
            Some(tongue) if tongue.speech == speech => rates(tongue),
            _ => {
                self.tongue = Encoder::new(speech.codec).ok().map(|encoder| {
                    let mut tongue = Tongue { speech, encoder, from_hz, rates: None };
                    rates(&mut tongue);
                    tongue
                });
            }
        }
        self.tongue.is_some()
    }

    /// Where a packet of sound stands behind the one before: how many are missing, and how much time; `None` when its
    /// time is over.
    fn follow(&mut self, now_ns: u64, packet: &RtpPacket<'_>, clock_hz: u32) -> Option<(u16, u32)> {
        let (ssrc, sequence, timestamp) = (packet.ssrc(), packet.sequence(), packet.timestamp());
        let fresh = Source { ssrc, sequence, clock_hz, next: timestamp, heard_ns: now_ns, key: None };
        let Some(source) = &mut self.source else {
            self.source = Some(fresh);
            return Some((0, 0));
        };
        let behind = sequence.wrapping_sub(source.sequence);
        let silent_us = now_ns.saturating_sub(source.heard_ns) / 1000;
        // After a while of nothing a stream may begin anew with other numbers.
        if source.ssrc == ssrc && (behind as i16) <= 0 && silent_us < 2_000_000 {
            return None;
        }
        let pause = timestamp.wrapping_sub(source.next);
        let continues = source.ssrc == ssrc && source.clock_hz == clock_hz;
        if continues && pause <= clock_hz.saturating_mul(LONGEST_PAUSE_S) {
            (source.sequence, source.heard_ns) = (sequence, now_ns);
            // Numbers that went back after a while say nothing of what is missing.
            let lost = if (behind as i16) > 0 { behind - 1 } else { 0 };
            return Some((lost, pause));
        }
        // Another source, or a timestamp that says nothing: the time that went by is all that is known.
        if let Some(decoder) = self.ears.as_mut().filter(|_| source.ssrc != ssrc) {
            decoder.1.reset();
        }
        *source = fresh;
        let units = silent_us.saturating_sub(20_000).min(u64::from(LONGEST_PAUSE_S) * 1_000_000)
            * u64::from(clock_hz)
            / 1_000_000;
        self.out.marker = true;
        Some((0, units as u32))
    }

    /// A telephone event keeps its place, its duration is counted by the other's clock; T-22: there is no doubt
    /// which digit is meant, because nothing of it is in the sound.
    fn on_key(
        &mut self,
        now_ns: u64,
        packet: &RtpPacket<'_>,
        payload: &[u8],
        format: Format,
        other: &Formats,
        each: &mut impl FnMut(&[u8]),
    ) -> Converted {
        let (Some(keys), Some(event)) = (other.send_keys, payload.get(..EVENT)) else {
            self.pass_over(packet);
            return Converted::default();
        };
        if self.source.is_none() {
            // A key may be the first that is heard of a stream.
            self.follow(now_ns, packet, format.clock_hz);
        }
        self.flush(each);
        self.out.waiting.clear();
        let at = self.key_time(packet, format.clock_hz, other);
        self.pass_over(packet);
        let duration = u32::from(u16::from_be_bytes([event[2], event[3]]));
        let duration = scaled(duration, format.clock_hz, keys.clock_hz).min(0xffff) as u16;
        let [high, low] = duration.to_be_bytes();
        if self.out.put(&[event[0], event[1], high, low]) {
            self.out.send((keys.payload_type, packet.marker()), at, EVENT, each);
        }
        Converted::default()
    }

    /// The outgoing timestamp of a key: all its packets have the one of its beginning (RFC 4733 §2.5.1.2).
    fn key_time(&mut self, packet: &RtpPacket<'_>, clock_hz: u32, other: &Formats) -> u32 {
        let (timestamp, next) = (packet.timestamp(), self.out.next);
        let Some(source) = &mut self.source else { return next };
        if let Some((_, out)) = source.key.filter(|(heard, _)| *heard == timestamp) {
            return out;
        }
        let to_hz = other.send.map_or(clock_hz, |speech| speech.codec.clock_hz());
        let pause = timestamp.wrapping_sub(source.next);
        let known = source.clock_hz == clock_hz && pause <= clock_hz.saturating_mul(LONGEST_PAUSE_S);
        let out = if known { next.wrapping_add(scaled(pause, clock_hz, to_hz)) } else { next };
        source.key = Some((timestamp, out));
        out
    }

    /// A packet that is no sound: the numbers go on, the time does not.
    fn pass_over(&mut self, packet: &RtpPacket<'_>) {
        if let Some(source) = &mut self.source
            && source.ssrc == packet.ssrc()
            && (packet.sequence().wrapping_sub(source.sequence) as i16) > 0
        {
            source.sequence = packet.sequence();
        }
    }

    fn on_noise(
        &mut self,
        now_ns: u64,
        packet: &RtpPacket<'_>,
        payload: &[u8],
        format: Format,
        other: &Formats,
        each: &mut impl FnMut(&[u8]),
    ) -> Converted {
        let (Some(noise), Some(speech)) = (other.noise(), other.send) else {
            self.pass_over(packet);
            return Converted::default();
        };
        if self.source.is_none() {
            // A pause may be the first that is heard of a stream: what follows it lies so much later.
            self.follow(now_ns, packet, format.clock_hz);
        }
        self.flush(each);
        self.out.waiting.clear();
        let source = self.source.as_ref().filter(|source| source.ssrc == packet.ssrc());
        let pause = source.map_or(0, |source| {
            let pause = packet.timestamp().wrapping_sub(source.next);
            let sane = pause <= source.clock_hz.saturating_mul(LONGEST_PAUSE_S);
            if sane { scaled(pause, source.clock_hz, speech.codec.clock_hz()) } else { 0 }
        });
        let at = self.out.next.wrapping_add(pause);
        self.pass_over(packet);
        if self.out.put(payload) {
            self.out.send((noise.payload_type, false), at, payload.len(), each);
        }
        Converted::default()
    }
}

impl Convert {
    /// Passes a packet on in the codec of the other party; `heard_by` is the slot of the port that heard it.
    pub fn convert(
        &mut self,
        context: &Context<'_>,
        (formats, other): (Option<&Formats>, Option<&Formats>),
        heard_by: &Slot,
        bytes: &[u8],
    ) {
        let (Some(other), Ok(packet)) = (other, RtpPacket::parse(bytes)) else { return };
        let way = way_to(context, self.peer);
        let done = self.take(context.now_ns, &packet, (formats, other), |packet| {
            if let Some((slot, egress)) = &way
                && !egress.occupied
            {
                send_rtp(context, slot, egress, packet);
            }
        });
        heard_by.counts.invented(done.concealed, u32::from(done.late));
    }
}

impl Tongue {
    fn send(&mut self, out: &mut Outgoing, frame: usize, each: &mut impl FnMut(&[u8])) {
        let codec = self.speech.codec;
        let at = out.next.wrapping_sub(samples_to_units(out.waiting.len(), codec));
        let encoded = self.encoder.encode(&out.waiting[..frame], &mut out.packet[HEADER..]);
        out.waiting.drain(..frame);
        if let Ok(octets) = encoded {
            let marker = std::mem::take(&mut out.marker);
            out.send((self.speech.payload_type, marker), at, octets, each);
        }
    }
}

/// Samples of a packet.
pub fn frame_of(speech: Speech) -> usize {
    speech.codec.rate_hz() as usize * speech.ptime_ms as usize / 1000
}

/// Whether a packet of so many samples is as long as the peer wants; of Opus any length is.
fn fits(samples: usize, codec: Codec, speech: Speech) -> bool {
    matches!(codec, Codec::Opus { .. }) || samples == frame_of(speech)
}

/// So many samples in units of the RTP clock.
pub fn samples_to_units(samples: usize, codec: Codec) -> u32 {
    scaled(samples as u32, codec.rate_hz(), codec.clock_hz())
}

fn units_to_samples(units: u32, codec: Codec) -> usize {
    scaled(units, codec.clock_hz(), codec.rate_hz()) as usize
}

/// A length of time, in units of one clock, in those of another.
pub fn scaled(units: u32, from_hz: u32, to_hz: u32) -> u32 {
    (u64::from(units) * u64::from(to_hz) / u64::from(from_hz.max(1))) as u32
}

#[cfg(test)]
mod tests;
