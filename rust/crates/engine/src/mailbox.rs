//! Messages to a worker: left without waking it, found before its next packet.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use trunkline_dsp::Law;
use trunkline_dsp::listen::Wanted;
use trunkline_ice::Credentials;
use trunkline_rtp::srtp::MasterKey;

use crate::association::Partner;
use crate::extension::Signalling;
use crate::formats::Formats;
use crate::keys::Digits;
use crate::latch::Policy;
use crate::line::Line;
use crate::overlay::Sounding;
use crate::playback::Playback;
use crate::room::{Hall, Rights};
use crate::tap::Tap;

/// How many messages may lie there before the worker is woken for them.
const ENOUGH: usize = 256;

/// What an offer or answer tells about the peer of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Where it wants RTP; `None` if nowhere.
    pub rtp: Option<SocketAddr>,
    /// Where it wants RTCP; the port after RTP if nothing was signalled.
    pub rtcp: Option<SocketAddr>,
    /// Whether RTCP shares the RTP port (RFC 5761).
    pub mux: bool,
    /// Whose packets are taken.
    pub policy: Policy,
    /// The payload type of telephone events that the peer sends.
    pub dtmf_payload_type: Option<u8>,
    /// The RTP clock of the peer's dynamic payload types and telephone events.
    pub clock_hz: u32,
    /// Whether what comes is no RTP, but datagrams to be relayed as they are (UDPTL).
    pub opaque: bool,
}

/// A tone to be sent to the peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Frequency in hertz.
    pub frequency_hz: f64,
    /// Level in dBov, at most 0.
    pub level_dbov: f64,
    /// How it is encoded.
    pub law: Law,
    /// For how long, in milliseconds; `None`: until told otherwise.
    pub duration_ms: Option<u64>,
}

/// A port of either worker, and which use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The slot.
    pub slot: u32,
    /// The use of the slot.
    pub generation: u32,
}

/// What a port does with what it receives and sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    /// Nothing.
    Idle,
    /// Pass it on to another port.
    Relay(Peer),
    /// Pass it on to another port, in the codec of its peer.
    Convert(Peer),
    /// Send it back.
    Echo,
    /// Send a tone.
    Tone(Tone),
}

/// An order to a worker about one of its slots.
#[derive(Debug)]
pub enum Order {
    /// A new use of the slot begins; `seed` is random.
    Open {
        /// The use.
        generation: u32,
        /// Random bits for what the port itself sends.
        seed: u64,
    },
    /// An offer or answer arrived.
    SetRemote(Remote),
    /// What the peer sends and takes.
    SetFormats(Arc<Formats>),
    /// What the peer of the linked port sends and takes.
    Counterpart(Arc<Formats>),
    /// Another task.
    Work(Task),
    /// Another task: to play files.
    Play(Box<Playback>),
    /// A seat in a conference room, or other rights there.
    Join(Arc<Hall>, Rights),
    /// A room to be led by this worker; of no port.
    Lead(Arc<Hall>),
    /// A program that listens, and speaks if so told.
    Audio(Box<Line>, bool),
    /// The port belongs to this owner from now on.
    Adopt(Arc<str>),
    /// The end of this playback, if it is what the port does.
    StopPlay(String),
    /// A signal, as the port's task or over it.
    Sound(Box<Sounding>),
    /// What to listen for.
    Listen(Wanted),
    /// Keys to be pressed, whatever else the port does.
    Press(Box<Digits>),
    /// A recording of the port begins.
    Tap(Box<Tap>),
    /// Hold and resume: whether the port may send to its peer, and pass on what it hears.
    SetDirection {
        /// To the peer.
        send: bool,
        /// From the peer.
        receive: bool,
    },
    /// Keys to seal with and, if the peer's is known, to open with.
    SetKeys(Box<(MasterKey, Option<MasterKey>)>),
    /// Connectivity checks are answered.
    SetIce(Box<Credentials>),
    /// Keys are agreed on by DTLS.
    SetDtls(Box<Partner>),
    /// Encryption ends.
    SetPlain,
    /// A header extension to write and observe, or none any more.
    SetExtension(Option<Box<Signalling>>),
    /// The use ends.
    Close,
    /// The worker meets a fault.
    #[cfg(test)]
    Fail,
}

/// Orders on their way to one worker.
#[derive(Debug, Default)]
pub struct Mailbox {
    pending: AtomicBool,
    orders: Mutex<Vec<(u32, Order)>>,
}

impl Mailbox {
    /// Leaves an order; returns whether so many lie there that the worker should be woken.
    pub fn leave(&self, slot: u32, order: Order) -> bool {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.push((slot, order));
        self.pending.store(true, Ordering::Release);
        orders.len() == ENOUGH
    }

    /// Whether an order lies there; costs one load.
    pub fn is_waiting(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Swaps what lies there with an empty list; costs one load when nothing does.
    pub fn fetch(&self, into: &mut Vec<(u32, Order)>) {
        if self.pending.load(Ordering::Acquire) {
            let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            self.pending.store(false, Ordering::Relaxed);
            std::mem::swap(&mut *orders, into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_fetched_once_and_in_turn() {
        let mailbox = Mailbox::default();
        mailbox.leave(3, Order::Close);
        mailbox.leave(4, Order::Work(Task::Echo));
        let mut orders = Vec::new();
        mailbox.fetch(&mut orders);
        assert!(matches!(orders[..], [(3, Order::Close), (4, Order::Work(Task::Echo))]));
        orders.clear();
        mailbox.fetch(&mut orders);
        assert!(orders.is_empty());
    }

    #[test]
    fn the_worker_is_woken_when_many_orders_lie_there() {
        let mailbox = Mailbox::default();
        let woken: Vec<_> = (0..600).filter(|&n| mailbox.leave(n, Order::Close)).collect();
        assert_eq!(woken, [255]);
    }
}
