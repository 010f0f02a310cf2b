//! Encryption at a port: what its peer sends is opened before anything looks at it, what goes to the peer is sealed
//! last of all. From the first [`Port::close_to_plain`] or [`Port::secure`] on nothing passes in the clear, in either
//! direction, and without keys nothing passes at all.

use std::cell::RefCell;
use std::sync::PoisonError;

use trunkline_rtp::srtp::{MasterKey, OVERHEAD, Opener, Refused, Sealer};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::mailbox::Order;
use crate::port::{Context, Port};
use crate::shared::Slot;
use crate::worker::LARGEST;

/// How long packets under the key of before are taken, in nanoseconds: they were on their way when it changed.
const FORMER_KEY_NS: u64 = 2_000_000_000;

/// What a port opens its peer's packets with.
#[derive(Debug, Default)]
pub struct Security {
    current: Option<Hearing>,
    former: Option<(Hearing, u64)>,
}

/// A key, and what was heard under it.
#[derive(Debug)]
struct Hearing {
    opener: Opener,
    key: MasterKey,
}

impl Hearing {
    fn new(key: MasterKey) -> Option<Self> {
        Some(Self { opener: Opener::new(&key)?, key })
    }
}

impl Security {
    /// The same key keeps what was heard under it. Another one begins anew, and the one before goes on for a while.
    fn hear(&mut self, key: MasterKey, now_ns: u64) {
        if self.current.as_ref().is_some_and(|current| current.key == key) {
            return;
        }
        let returned = self.former.take_if(|(former, until_ns)| former.key == key && now_ns < *until_ns);
        let next = returned.map(|(former, _)| former).or_else(|| Hearing::new(key));
        self.former =
            std::mem::replace(&mut self.current, next).map(|before| (before, now_ns + FORMER_KEY_NS));
    }

    /// Opens a packet in place; what is refused stays as it was.
    fn open(
        &mut self,
        now_ns: u64,
        bytes: &mut [u8],
        with: fn(&mut Opener, &mut [u8]) -> Result<usize, Refused>,
    ) -> Result<usize, Refused> {
        let Some(current) = &mut self.current else { return Err(Refused::NotAuthentic) };
        let result = with(&mut current.opener, bytes);
        match &mut self.former {
            Some((former, until_ns)) if result.is_err() && now_ns < *until_ns => {
                with(&mut former.opener, bytes)
            }
            _ => result,
        }
    }

    /// Something of the key, read so that it is in the cache when a packet needs it.
    pub fn touch(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.opener.touch())
    }

    /// Forgets the key of before when its time is over.
    pub fn tick(&mut self, now_ns: u64) {
        self.former.take_if(|(_, until_ns)| now_ns >= *until_ns);
    }
}

/// What a slot seals packets to its peer with: its own worker and those of linked ports use it.
#[derive(Debug)]
pub struct Seal {
    generation: u32,
    sealer: Sealer,
    key: MasterKey,
}

thread_local! {
    /// Where a worker seals: one place for all ports stays in the cache.
    static BUFFER: RefCell<Box<[u8; LARGEST + OVERHEAD]>> = RefCell::new(Box::new([0; LARGEST + OVERHEAD]));
}

impl Seal {
    fn new(generation: u32, key: MasterKey) -> Option<Box<Self>> {
        let sealer = Sealer::new(&key)?;
        Some(Box::new(Self { generation, key, sealer }))
    }

    fn seal<'a>(
        &mut self,
        buffer: &'a mut [u8],
        bytes: &[u8],
        with: fn(&mut Sealer, &mut [u8], usize) -> Result<usize, Refused>,
    ) -> Option<&'a [u8]> {
        buffer.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let length = with(&mut self.sealer, buffer, bytes.len()).ok()?;
        buffer.get(..length)
    }
}

/// Seals a packet for the peer of a slot and hands it to `send`; returns what that returns. Nothing is sent, and
/// `None` returned, when there is no key, or the slot has begun another use.
pub fn sealed<R>(
    slot: &Slot,
    generation: u32,
    bytes: &[u8],
    with: fn(&mut Sealer, &mut [u8], usize) -> Result<usize, Refused>,
    send: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    let mut place = slot.seal.lock().unwrap_or_else(PoisonError::into_inner);
    let seal = place.as_mut().filter(|seal| seal.generation == generation)?;
    BUFFER.with_borrow_mut(|buffer| seal.seal(&mut buffer[..], bytes, with).map(send))
}

impl Slot {
    /// Something of the keys of what goes to its peer, read so that it is in the cache when a packet needs it.
    pub fn touch_seal(&self) -> u64 {
        // Whoever has it just now has it in a cache.
        self.seal.try_lock().ok().and_then(|seal| seal.as_ref().map(|seal| seal.sealer.touch())).unwrap_or(0)
    }
}

impl Port {
    /// From now on nothing passes in the clear; what had keys goes on.
    pub fn close_to_plain(&mut self, context: &Context<'_>) {
        self.security.get_or_insert_default();
        self.publish(context);
    }

    /// Installs keys: `send` seals what goes to the peer, `receive` opens what it sends. A key that is installed
    /// already keeps its roll-over counters and replay windows. Without `receive` one that was installed stays, and
    /// if none was, all that the peer sends is dropped until it is known.
    pub fn secure(&mut self, context: &Context<'_>, send: MasterKey, receive: Option<MasterKey>) {
        let generation = self.egress().generation;
        let slot = self.slot(context);
        {
            let mut place = slot.seal.lock().unwrap_or_else(PoisonError::into_inner);
            if place.as_ref().is_none_or(|seal| seal.generation != generation || seal.key != send) {
                *place = Seal::new(generation, send);
            }
        }
        let security = self.security.get_or_insert_default();
        if let Some(key) = receive {
            security.hear(key, context.now_ns);
        }
        self.publish(context);
    }

    /// Forgets every key: nothing passes until there are others.
    pub fn lose_keys(&mut self, context: &Context<'_>) {
        self.security = Some(Box::default());
        self.publish(context);
        self.forget_seal(context);
    }

    /// Encrypts no more: keys are forgotten, and RTP passes as it is.
    pub fn set_plain(&mut self, context: &Context<'_>) {
        self.security = None;
        self.forget_handshake();
        self.publish(context);
        self.forget_seal(context);
    }

    /// Forgets the key of what goes to the peer.
    pub fn forget_seal(&self, context: &Context<'_>) {
        *self.slot(context).seal.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Opens a packet of a port that has security; returns its length in the clear. What is refused is counted.
    pub fn open(
        &mut self,
        context: &Context<'_>,
        bytes: &mut [u8],
        with: fn(&mut Opener, &mut [u8]) -> Result<usize, Refused>,
    ) -> Option<usize> {
        let Some(security) = &mut self.security else { return Some(bytes.len()) };
        let opened = security.open(context.now_ns, bytes, with);
        if opened.is_err() {
            self.slot(context).counts.refused();
        }
        opened.ok()
    }
}

impl Engine {
    /// Encrypts a port: `send` for what it sends, `receive` for what it hears, if that is known by now.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn set_keys(&self, id: &str, send: MasterKey, receive: Option<MasterKey>) -> Result<(), EngineError> {
        self.order_now(id, Order::SetKeys(Box::new((send, receive))))
    }

    /// Encrypts a port no more.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn set_plain(&self, id: &str) -> Result<(), EngineError> {
        self.order_now(id, Order::SetPlain)
    }

    pub(crate) fn order_now(&self, id: &str, order: Order) -> Result<(), EngineError> {
        let control = self.control();
        let slot = control.find(id)?.slot;
        self.order(slot, order);
        self.wake_across(&control, slot);
        Ok(())
    }
}
