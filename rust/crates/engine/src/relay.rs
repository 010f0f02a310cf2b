//! The way of a packet through a port: judged, counted, passed on. Nothing here allocates or locks, except
//! that an event may be told.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::net::{SendFlags, send, sendto};
use trunkline_dsp::Law;
use trunkline_rtp::srtp::{Opener, Sealer};
use trunkline_rtp::{RtcpPacket, RtpPacket, is_rtcp};

use crate::association::Kind;
use crate::egress::Egress;
use crate::events::Event;
use crate::extension::extended;
use crate::latch::Verdict;
use crate::mailbox::{Peer, Task};
use crate::mouth::{MOST_SAMPLES, Mouth, Sound, speech_of};
use crate::overlay::{self, law_heard};
use crate::playback::Next;
use crate::port::{Context, Job, Port};
use crate::security::sealed;
use crate::shared::Slot;
use crate::tone;
use crate::voice::Voice;

/// Comfort noise (RFC 3389) is sent now and then, with a timestamp that says nothing about the network.
const COMFORT_NOISE: u8 = 13;

impl Port {
    /// A datagram came to the RTP port. `source` is absent when the socket is connected to the peer.
    pub fn on_rtp_port(&mut self, context: &Context<'_>, bytes: &mut [u8], source: Option<SocketAddr>) {
        if self.passage.is_handed() {
            self.catch_up(context);
        }
        let mut bytes = bytes;
        let mut source = source;
        if self.association.is_some() {
            let Some(from) = source.or(self.latch.locked()) else { return };
            match Kind::of(bytes) {
                Kind::Stun => return self.on_stun(context, bytes, from),
                Kind::Dtls => return self.on_dtls(context, bytes, from),
                Kind::Other => return self.slot(context).counts.invalid(),
                Kind::Media => {}
            }
            match self.is_on_path(from) {
                Some(false) => return self.slot(context).counts.foreign(),
                // Who answered a check needs no latch.
                Some(true) => source = None,
                None => {}
            }
        }
        if self.security.is_some() {
            // Before all else: who is not authentic is not judged, not learnt and not counted as the peer.
            let muxed = self.is_muxed() && is_rtcp(bytes);
            let with = if muxed { Opener::open_rtcp } else { Opener::open_rtp };
            let Some(length) = self.open(context, bytes, with) else { return };
            bytes = &mut bytes[..length];
        }
        if self.remote.is_some_and(|remote| remote.opaque) {
            self.on_opaque(context, bytes, source);
            return;
        }
        if self.is_muxed() && is_rtcp(bytes) {
            self.on_muxed_rtcp(context, bytes, source);
            return;
        }
        let counts = &self.slot(context).counts;
        let Ok(packet) = RtpPacket::parse(bytes) else {
            counts.invalid();
            return;
        };
        match source {
            None => self.latch.heard(context.now_ns, Some(packet.ssrc())),
            Some(source) => {
                let (ssrc, sequence) = (Some(packet.ssrc()), packet.sequence());
                if !self.is_peer(context, source, ssrc, sequence) {
                    return;
                }
            }
        }
        let is_key = self.account(context, &packet, bytes.len());
        if self.watched.is_some() {
            self.observe_extension(context, bytes);
        }
        if self.receive {
            let attends = self.attends(context.now_ns);
            if attends && self.taps.is_some() {
                self.record_heard(context, &packet);
            }
            if attends && self.ear.is_some() {
                self.listen(context, &packet);
            }
            let hides = attends && self.hearing.is_some() && self.detect(context, &packet);
            if is_key && self.withholds_keys() {
                return;
            }
            if hides {
                let Some(length) = self.hide(bytes) else { return };
                bytes = &mut bytes[..length];
            }
            self.pass_on(context, bytes);
        }
    }

    /// A datagram of a protocol that is not read here: UDPTL (ITU-T T.38), which begins with a sequence number.
    fn on_opaque(&mut self, context: &Context<'_>, bytes: &[u8], source: Option<SocketAddr>) {
        let &[high, low, ..] = bytes else {
            self.slot(context).counts.invalid();
            return;
        };
        match source {
            None => self.latch.heard(context.now_ns, None),
            Some(source) => {
                if !self.is_peer(context, source, None, u16::from_be_bytes([high, low])) {
                    return;
                }
            }
        }
        self.alive(context);
        self.slot(context).counts.received_opaque(bytes.len(), context.now_ns);
        if self.receive {
            self.relay(context, bytes);
        }
    }

    /// Judges a packet by its source; one that is not the peer's is counted.
    pub fn is_peer(
        &mut self,
        context: &Context<'_>,
        source: SocketAddr,
        ssrc: Option<u32>,
        sequence: u16,
    ) -> bool {
        match self.latch.judge(context.now_ns, source, ssrc, sequence) {
            Verdict::Accept => {}
            Verdict::Lock => self.locked(context, source),
            Verdict::Foreign => {
                self.slot(context).counts.foreign();
                return false;
            }
        }
        true
    }

    /// A datagram came to the RTCP port.
    pub fn on_rtcp_port(&mut self, context: &Context<'_>, bytes: &mut [u8], source: SocketAddr) {
        if self.path().is_some() {
            return self.slot(context).counts.foreign(); // ICE has found a path for the RTP port alone
        }
        let Some(length) = self.open(context, bytes, Opener::open_rtcp) else { return };
        let bytes = &bytes[..length];
        let counts = &self.slot(context).counts;
        if RtcpPacket::parse(bytes).is_err() {
            counts.invalid();
        } else if self.accepts_rtcp(context, source) {
            self.pass_rtcp_on(context, bytes);
        } else {
            counts.foreign();
        }
    }

    /// Sends the next packet of a key, a tone or a file; returns whether more may follow.
    pub fn speak(&mut self, context: &Context<'_>) -> bool {
        let replaced = self.keys.is_some() && self.press(context);
        let replaced = replaced || self.overlay.is_some() && self.interject(context);
        let says = self.say(context, replaced);
        let keeps = self.is_keeping_alive();
        if keeps {
            self.keep_alive(context);
        }
        says || keeps || self.keys.is_some() || self.overlay.is_some() || self.ear.is_some()
    }

    /// Sends the next packet of a tone or a file, unless a key takes its place: its time passes all the same.
    fn say(&mut self, context: &Context<'_>, replaced: bool) -> bool {
        let slot = self.slot(context);
        let mut samples = [0; MOST_SAMPLES];
        let (law, first, rate_hz) = match &mut self.job {
            Job::Plain(_) | Job::Convert(_) => return false,
            Job::Seat(_) => {
                self.speak_of_room(context, replaced);
                return true;
            }
            Job::Audio(_) => {
                self.speak_of_program(context, replaced);
                return true;
            }
            Job::Tone(source) => {
                let first = source.is_fresh();
                if !source.next(&mut samples[..tone::SAMPLES]) {
                    self.fall_silent(context, Event::ToneEnded);
                    return false;
                }
                (source.tone.law, first, tone::RATE_HZ)
            }
            Job::Signal(source) => {
                let first = source.is_fresh();
                if !source.next(&mut samples[..overlay::SAMPLES]) {
                    self.fall_silent(context, Event::ToneEnded);
                    return false;
                }
                (law_heard(context, slot), first, overlay::RATE_HZ)
            }
            Job::Play(playback) => {
                let first = playback.is_fresh();
                match playback.next(&mut samples) {
                    Next::Wait => return true,
                    Next::Sound => (playback.law, first, playback.rate_hz),
                    Next::Over => {
                        let event = playback.ended();
                        self.fall_silent(context, event);
                        return false;
                    }
                }
            }
        };
        if replaced {
            if let Some(mouth) = self.mouth.as_mut().filter(|_| self.overlay.is_none()) {
                mouth.forget();
            }
            return true;
        }
        let samples = &samples[..(rate_hz / 50) as usize];
        self.turn_mouth(law);
        self.with_mouth(context, |mouth, voice, each| {
            mouth.say((context.now_ns, first), voice, Sound { samples, rate_hz }, each);
        });
        true
    }

    /// Makes the mouth ready to speak as the peer wants; in this law when it never told.
    pub fn turn_mouth(&mut self, law: Law) {
        let speech = speech_of(self.formats.as_ref().and_then(|formats| formats.send), law);
        match &mut self.mouth {
            Some(mouth) => mouth.turn_to(speech),
            None => self.mouth = Some(Box::new(Mouth::new(speech))),
        }
    }

    /// Lets the mouth speak, if there is one; its packets are sent, and recorded where that is wanted.
    pub fn with_mouth(
        &mut self,
        context: &Context<'_>,
        speak: impl FnOnce(&mut Mouth, &mut Voice, &mut dyn FnMut(&[u8])),
    ) {
        let Some(mut mouth) = self.mouth.take() else { return };
        let mut voice = self.voice.take().unwrap_or_else(|| Box::new(Voice::new(self.seed)));
        speak(&mut mouth, &mut voice, &mut |packet| {
            send_rtp(context, self.slot(context), &self.egress(), packet);
            if self.taps.is_some() {
                self.record_said(context, packet);
            }
        });
        (self.mouth, self.voice) = (Some(mouth), Some(voice));
    }

    fn fall_silent(&mut self, context: &Context<'_>, event: Event) {
        self.with_mouth(context, |mouth, voice, each| mouth.finish(context.now_ns, voice, each));
        self.job = Job::Plain(Task::Idle);
        self.tell(context, event);
    }

    fn on_muxed_rtcp(&mut self, context: &Context<'_>, bytes: &[u8], source: Option<SocketAddr>) {
        let counts = &self.slot(context).counts;
        if RtcpPacket::parse(bytes).is_err() {
            counts.invalid();
            return;
        }
        // RFC 5761 shares the port, hence the latch: RTCP alone never moves it.
        let peer = self.latch.locked().or(self.remote.and_then(|remote| remote.rtp));
        if source.is_some() && source != peer {
            counts.foreign();
            return;
        }
        self.pass_rtcp_on(context, bytes);
    }

    /// Lays a packet ready for the next beat.
    fn listen(&mut self, context: &Context<'_>, packet: &RtpPacket<'_>) {
        let format = self.format_of(packet.payload_type());
        if let (Some(format), Some(ear)) = (format, &mut self.ear) {
            ear.push(context.now_ns, packet, format);
        }
    }

    /// Counts a packet; whether it is one of a key.
    fn account(&mut self, context: &Context<'_>, packet: &RtpPacket<'_>, octets: usize) -> bool {
        self.alive(context);
        let counts = &self.slot(context).counts;
        let payload_type = packet.payload_type();
        counts.received(octets, context.now_ns, packet.ssrc(), payload_type);
        let now_us = context.now_ns / 1000;
        let is_event = self.remote.is_some_and(|remote| remote.dtmf_payload_type == Some(payload_type));
        let clock = (!is_event && payload_type != COMFORT_NOISE).then(|| self.clock_hz(payload_type));
        self.reception.on_packet(packet, now_us, clock);
        if clock.is_some() {
            self.follow(context, packet.ssrc(), payload_type);
        }
        counts.quality(self.reception.lost(), self.reception.jitter());
        if is_event
            && let Some(payload) = packet.payload()
            && let Some(digit) = self.dtmf.on_payload(packet.timestamp(), payload, now_us)
        {
            self.pressed(context, digit);
        }
        is_event
    }

    /// T-22: a peer that takes no telephone events gets none; it has been told what it takes.
    fn withholds_keys(&self) -> bool {
        let relays = matches!(self.job, Job::Plain(Task::Relay(_)));
        relays && self.other.as_ref().is_some_and(|other| other.send_keys.is_none())
    }

    /// The RTP clock of a payload type: RFC 3551 §6 fixes those below 35, an SDP maps the others.
    pub fn clock_hz(&self, payload_type: u8) -> u32 {
        if let Some(format) = self.formats.as_ref().and_then(|formats| formats.heard(payload_type)) {
            return format.clock_hz;
        }
        match payload_type {
            0..=5 | 7..=9 | 12 | 13 | 15 | 18 => 8000,
            6 => 16_000,
            10 | 11 => 44_100,
            16 => 11_025,
            17 => 22_050,
            14 | 25..=34 => 90_000,
            _ => self.remote.map_or(8000, |remote| remote.clock_hz),
        }
    }

    fn pass_on(&mut self, context: &Context<'_>, bytes: &mut [u8]) {
        let is_pressing = self.is_pressing();
        match &mut self.job {
            Job::Plain(Task::Relay(_)) => self.relay(context, bytes),
            Job::Convert(convert) => {
                let other = self.other.as_deref();
                convert.convert(
                    context,
                    (self.formats.as_deref(), other),
                    context.shared.slot(self.slot),
                    bytes,
                );
            }
            Job::Plain(Task::Echo) if !is_pressing && self.overlay.is_none() => {
                // RFC 3550 §8.2: a source that met its own identifier would take it for a loop.
                let mask = (self.seed as u32 | 1).to_be_bytes();
                bytes[8..12].iter_mut().zip(mask).for_each(|(octet, bits)| *octet ^= bits);
                send_rtp(context, self.slot(context), &self.egress(), bytes);
                if self.taps.is_some() {
                    self.record_said(context, bytes);
                }
            }
            _ => {}
        }
    }

    fn relay(&self, context: &Context<'_>, bytes: &[u8]) {
        if let Job::Plain(Task::Relay(peer)) = self.job
            && let Some((slot, egress)) = way_to(context, peer)
            && !egress.occupied
        {
            send_rtp(context, slot, &egress, bytes);
        }
    }

    /// RTCP goes on while a call is on hold (RFC 3264 §8.4), whatever the direction of RTP is.
    fn pass_rtcp_on(&mut self, context: &Context<'_>, bytes: &[u8]) {
        self.alive(context);
        self.slot(context).counts.received_rtcp();
        self.read_reports(context, bytes);
        if let Job::Plain(Task::Relay(peer)) = self.job
            && let Some((slot, egress)) = way_to(context, peer)
        {
            send_rtcp(context, slot, &egress, bytes);
        }
    }
}

/// The slot of a linked port and its way out, while that still serves the same call.
pub fn way_to<'a>(context: &Context<'a>, peer: Peer) -> Option<(&'a Slot, Egress)> {
    let slot = context.shared.slot(peer.slot);
    let egress = slot.egress.load();
    (egress.generation == peer.generation).then_some((slot, egress))
}

/// Sends a packet to the peer of a slot, if it may be sent.
pub fn send_rtp(context: &Context<'_>, slot: &Slot, egress: &Egress, bytes: &[u8]) {
    let (true, Some(to), Some(sockets)) = (egress.sends, egress.rtp, slot.sockets.get()) else { return };
    let to = (!egress.connected).then_some(to);
    let send = |bytes: &[u8]| transmit(&sockets.rtp, bytes, to);
    let secure = |bytes: &[u8]| {
        if egress.sealed {
            sealed(slot, egress.generation, bytes, Sealer::seal_rtp, send)
        } else {
            Some(send(bytes))
        }
    };
    let sent = if egress.extended { extended(slot, egress.generation, bytes, secure) } else { secure(bytes) };
    let Some(sent) = sent else { return };
    if sent {
        if egress.reporting || egress.extended {
            slot.sent.note(bytes, context.now_ns);
        }
        slot.counts.sent(bytes.len());
        context.post.counts.relayed.fetch_add(1, Ordering::Relaxed);
    } else {
        context.post.counts.unsent.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends an RTCP datagram to the peer of a slot.
pub fn send_rtcp(context: &Context<'_>, slot: &Slot, egress: &Egress, bytes: &[u8]) {
    let Some(sockets) = slot.sockets.get() else { return };
    let (socket, to) = match (egress.mux, egress.rtp, egress.rtcp) {
        (true, Some(to), _) => (&sockets.rtp, (!egress.connected).then_some(to)),
        (false, _, Some(to)) => (&sockets.rtcp, Some(to)),
        _ => return,
    };
    slot.sent.note_report(bytes, context.now_ns);
    let send = |bytes: &[u8]| transmit(socket, bytes, to);
    let sent = if egress.sealed {
        sealed(slot, egress.generation, bytes, Sealer::seal_rtcp, send).unwrap_or(false)
    } else {
        send(bytes)
    };
    if sent {
        slot.counts.sent_rtcp();
        context.post.counts.relayed.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn transmit(socket: &OwnedFd, bytes: &[u8], to: Option<SocketAddr>) -> bool {
    // Twice at most: the first try may report an ICMP error that an earlier packet met.
    (0..2).any(|_| {
        let result = match to {
            None => send(socket, bytes, SendFlags::DONTWAIT),
            Some(to) => sendto(socket, bytes, SendFlags::DONTWAIT, &to),
        };
        result != Err(Errno::CONNREFUSED) && result.is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::tests::shared;

    #[test]
    fn a_port_that_serves_another_call_by_now_is_no_way_out() {
        let shared = shared();
        let context = Context { shared: &shared, post: &shared.posts[0], now_ns: 0 };
        shared.slot(1).egress.store(&Egress { generation: 2, sends: true, ..Egress::default() });
        assert!(way_to(&context, Peer { slot: 1, generation: 1 }).is_none());
        assert!(way_to(&context, Peer { slot: 1, generation: 2 }).is_some());
    }
}
