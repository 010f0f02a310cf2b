//! A header extension in what a port sends, keep-alives with it, and the peer's observed: for radios (ED-137) and
//! whatever else signals beside the sound.

use std::sync::PoisonError;

use trunkline_rtp::extension::{Extension, GROWTH, LONGEST};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::events::Event;
use crate::mailbox::Order;
use crate::port::{Context, Port};
use crate::relay::send_rtp;
use crate::shared::Slot;
use crate::voice::{FRAME_NS, Voice};
use crate::worker::LARGEST;

/// Between two keep-alives, in milliseconds.
const PERIOD_MS: std::ops::RangeInclusive<u32> = 20..=10_000;
/// The longest silence of the peer's, in milliseconds.
const LONGEST_TIMEOUT_MS: u32 = 600_000;

/// What is written and observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signalling {
    /// Where in the packet, and with which value.
    pub extension: Extension,
    /// A packet without sound is sent with it so often while nothing else is; 0: never.
    pub period_ms: u32,
    /// The payload type of those packets.
    pub payload_type: u8,
    /// After so long without the peer's an event tells; 0: never.
    pub timeout_ms: u32,
}

/// What the port's peer is known to signal.
#[derive(Debug)]
pub struct Watched {
    signalling: Signalling,
    seen: Option<Box<[u8]>>,
    heard_ns: u64,
    lost: bool,
}

/// What a slot writes into packets to its peer.
#[derive(Debug)]
pub struct Written {
    generation: u32,
    extension: Extension,
    buffer: Box<[u8; LARGEST + GROWTH]>,
}

/// Hands a packet with the slot's extension in it to `send`; as it is where that cannot be.
pub fn extended<R>(slot: &Slot, generation: u32, bytes: &[u8], send: impl FnOnce(&[u8]) -> R) -> R {
    let mut place = slot.written.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(written) = place.as_mut().filter(|written| written.generation == generation) else {
        return send(bytes);
    };
    match written.extension.write(bytes, &mut written.buffer[..]) {
        Some(length) => send(&written.buffer[..length]),
        None => send(bytes),
    }
}

impl Port {
    /// Writes and observes from now on, or no more. What is known of the peer's stays while the place is the same.
    pub fn set_extension(&mut self, context: &Context<'_>, signalling: Option<Signalling>) {
        let generation = self.egress().generation;
        let written = signalling.as_ref().map(|wanted| {
            let buffer = Box::new([0; LARGEST + GROWTH]);
            Box::new(Written { generation, extension: wanted.extension, buffer })
        });
        *self.slot(context).written.lock().unwrap_or_else(PoisonError::into_inner) = written;
        let before = self.watched.take();
        self.watched = signalling.map(|signalling| {
            let same = |old: &Watched| old.signalling.extension.is_in_the_place_of(&signalling.extension);
            let known = before.filter(|old| same(old)).map(|old| (old.seen, old.heard_ns, old.lost));
            let (seen, heard_ns, lost) = known.unwrap_or((None, context.now_ns, false));
            Box::new(Watched { signalling, seen, heard_ns, lost })
        });
        self.publish(context);
    }

    /// Whether the beat has something to do for the extension.
    pub fn is_keeping_alive(&self) -> bool {
        let timed = |watched: &Watched| watched.signalling.period_ms > 0 || watched.signalling.timeout_ms > 0;
        self.watched.as_deref().is_some_and(timed)
    }

    /// A packet of the peer came: tells what changed.
    pub fn observe_extension(&mut self, context: &Context<'_>, bytes: &[u8]) {
        let Some(watched) = &mut self.watched else { return };
        let Some(value) = watched.signalling.extension.read(bytes) else { return };
        let value = &value[..value.len().min(LONGEST)];
        watched.heard_ns = context.now_ns;
        let back = std::mem::take(&mut watched.lost);
        let mut data = None;
        if watched.seen.as_deref() != Some(value) {
            watched.seen = Some(value.into());
            data = Some(value.iter().map(|octet| format!("{octet:02x}")).collect::<String>());
        }
        if back {
            self.tell(context, Event::KeepAliveBack);
        }
        if let Some(data) = data {
            self.tell(context, Event::Extension { data: data.into() });
        }
    }

    /// What is due on the beat: a keep-alive, or word that the peer's have stopped.
    pub fn keep_alive(&mut self, context: &Context<'_>) {
        let Some(watched) = &mut self.watched else { return };
        let Signalling { period_ms, payload_type, timeout_ms, .. } = watched.signalling;
        let silent_ms = context.now_ns.saturating_sub(watched.heard_ns) / 1_000_000;
        if timeout_ms > 0 && !watched.lost && silent_ms >= timeout_ms.into() {
            watched.lost = true;
            self.tell(context, Event::KeepAliveLost { silence_ms: silent_ms as u32 });
        }
        let slot = self.slot(context);
        let due_ns = slot.sent.at_ns() + u64::from(period_ms) * 1_000_000;
        let is_due = slot.sent.at_ns() == 0 || context.now_ns + FRAME_NS / 2 >= due_ns;
        if period_ms > 0 && is_due {
            let clock_hz = self.remote.map_or(8000, |remote| remote.clock_hz);
            let seed = self.seed;
            let voice = self.voice.get_or_insert_with(|| Box::new(Voice::new(seed)));
            let packet = voice.bare(context.now_ns, clock_hz, payload_type);
            send_rtp(context, slot, &self.egress(), &packet);
        }
    }
}

impl Engine {
    /// Writes a header extension into what a port sends, and observes the peer's; `None` ends that.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`]; [`EngineError::Argument`] for times out of their range.
    pub fn set_extension(&self, id: &str, signalling: Option<Signalling>) -> Result<(), EngineError> {
        if let Some(wanted) = &signalling {
            check(wanted).map_err(EngineError::Argument)?;
        }
        let slot = self.control().find(id)?.slot;
        self.order(slot, Order::SetExtension(signalling.map(Box::new)));
        // Nothing else may wake the worker: no packet needs to come.
        self.shared.post_of(slot).wake_up();
        Ok(())
    }
}

fn check(wanted: &Signalling) -> Result<(), String> {
    if wanted.period_ms != 0 && !PERIOD_MS.contains(&wanted.period_ms) {
        return Err(format!("keep-alives need a period of 20 to 10000 ms or 0, got {}", wanted.period_ms));
    }
    if wanted.timeout_ms > LONGEST_TIMEOUT_MS {
        return Err(format!("keep-alives need a timeout of 0 to 600000 ms, got {}", wanted.timeout_ms));
    }
    if wanted.payload_type > 127 {
        return Err(format!("keep-alives need a payload type of 0 to 127, got {}", wanted.payload_type));
    }
    Ok(())
}
