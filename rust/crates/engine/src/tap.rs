//! What a port that is recorded passes to the writer: a copy of each packet, never waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use trunkline_dsp::Codec;
use trunkline_rtp::RtpPacket;

use crate::formats::{Content, Format};
use crate::mouth::said_format;
use crate::port::{Context, Port};

/// The longest payload that is recorded: 60 ms of linear samples at 48000 Hz.
pub const LONGEST: usize = 5760;
/// Comfort noise (RFC 3389) stands for silence.
const COMFORT_NOISE: u8 = 13;

/// A packet on its way into a recording.
#[derive(Debug)]
pub struct Parcel {
    /// The recording's number.
    pub recording: u64,
    /// The channel, from 0.
    pub channel: usize,
    /// When it came.
    pub at_ns: u64,
    /// What its payload type means, if that is known.
    pub format: Option<Format>,
    /// As in its header.
    pub payload_type: u8,
    /// As in its header.
    pub ssrc: u32,
    /// As in its header.
    pub sequence: u16,
    /// As in its header.
    pub timestamp: u32,
    /// What it says.
    pub payload: Box<[u8]>,
}

/// What both ends of a tap know.
#[derive(Debug, Default)]
pub struct TapState {
    /// Whether the recording has ended: the tap is not needed any more.
    pub over: AtomicBool,
    /// Packets that found no room.
    pub overrun: AtomicU64,
}

/// Copies what a port hears, or says, to a recording.
#[derive(Debug)]
pub struct Tap {
    /// To the writer; it has room for a while.
    pub parcels: SyncSender<Parcel>,
    /// The recording's number.
    pub recording: u64,
    /// The channel for what the port hears.
    pub heard: usize,
    /// The channel for what it says, if anybody wants that.
    pub said: Option<usize>,
    /// Shared with the writer.
    pub state: Arc<TapState>,
}

impl Tap {
    fn pass(&self, context: &Context<'_>, channel: usize, packet: &RtpPacket<'_>, format: Option<Format>) {
        let payload = packet.payload().filter(|payload| payload.len() <= LONGEST).unwrap_or_default();
        let parcel = Parcel {
            recording: self.recording,
            channel,
            at_ns: context.now_ns,
            format,
            payload_type: packet.payload_type(),
            ssrc: packet.ssrc(),
            sequence: packet.sequence(),
            timestamp: packet.timestamp(),
            payload: payload.into(),
        };
        self.hand_over(parcel);
    }

    /// Passes sound that was never in a packet: 20 ms, the n-th.
    pub fn pass_sound(&self, now_ns: u64, number: u32, rate_hz: u32, samples: &[i16]) {
        let parcel = Parcel {
            recording: self.recording,
            channel: self.heard,
            at_ns: now_ns,
            format: Some(Format {
                payload_type: 0,
                content: Content::Sound(Codec::L16 { rate_hz, channels: 1 }),
                clock_hz: rate_hz,
            }),
            payload_type: 0,
            ssrc: 0,
            sequence: number as u16,
            timestamp: number.wrapping_mul(rate_hz / 50),
            payload: samples.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
        };
        self.hand_over(parcel);
    }

    fn hand_over(&self, parcel: Parcel) {
        if let Err(TrySendError::Full(_)) = self.parcels.try_send(parcel) {
            self.state.overrun.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether its recording has ended.
    pub fn is_over(&self) -> bool {
        self.state.over.load(Ordering::Relaxed)
    }
}

/// The taps of a port. They lie apart from it, because nearly no port has any.
#[derive(Debug, Default)]
pub struct Taps(Vec<Tap>);

impl Taps {
    /// One more. Those that are over are forgotten now: a port that hears nothing would gather them.
    pub fn add(&mut self, tap: Tap) {
        self.0.retain(|tap| !tap.is_over());
        self.0.push(tap);
    }
}

impl Port {
    /// Passes a packet of the peer to every recording.
    pub fn record_heard(&mut self, context: &Context<'_>, packet: &RtpPacket<'_>) {
        let key = self.remote.and_then(|remote| remote.dtmf_payload_type);
        let format = self.format_of(packet.payload_type());
        let silent = format.is_some_and(|format| !matches!(format.content, Content::Sound(_)));
        if packet.payload_type() == COMFORT_NOISE || key == Some(packet.payload_type()) || silent {
            return;
        }
        for tap in self.live_taps() {
            tap.pass(context, tap.heard, packet, format);
        }
    }

    /// Passes a packet to the peer to every recording that wants it.
    pub fn record_said(&mut self, context: &Context<'_>, bytes: &[u8]) {
        let Ok(packet) = RtpPacket::parse(bytes) else { return };
        let format =
            said_format(self.formats.as_ref().and_then(|formats| formats.send), packet.payload_type());
        for tap in self.live_taps() {
            if let Some(channel) = tap.said {
                tap.pass(context, channel, &packet, format);
            }
        }
    }

    /// The taps whose recordings go on; the others are forgotten.
    fn live_taps(&mut self) -> &[Tap] {
        if let Some(taps) = &mut self.taps {
            taps.0.retain(|tap| !tap.is_over());
        }
        if self.taps.as_ref().is_some_and(|taps| taps.0.is_empty()) {
            self.taps = None;
        }
        self.taps.as_ref().map_or(&[], |taps| &taps.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn recordings_that_are_over_do_not_gather_at_a_silent_port() {
        let (parcels, _waiting) = sync_channel(1);
        let mut taps = Taps::default();
        for recording in 0..100 {
            let state = Arc::new(TapState::default());
            taps.add(Tap {
                parcels: parcels.clone(),
                recording,
                heard: 0,
                said: None,
                state: Arc::clone(&state),
            });
            state.over.store(true, Ordering::Relaxed);
        }
        assert_eq!(taps.0.len(), 1);
    }
}
