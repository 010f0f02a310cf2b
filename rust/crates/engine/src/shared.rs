//! What the commanding thread and the workers share.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use rustix::event::{EventfdFlags, epoll, eventfd};

use trunkline_dtls::Identity;

use crate::allowance::Allowance;
use crate::association::handshake_allowance;
use crate::config::Config;
use crate::egress::EgressCell;
use crate::events::EventQueue;
use crate::extension::Written;
use crate::kernel::Kernel;
use crate::mailbox::Mailbox;
use crate::reports::Sent;
use crate::security::Seal;
use crate::sockets::Sockets;
use crate::statistics::Counts;

/// The token under which a worker's own wake-up is watched.
pub const WAKE: u64 = u64::MAX;

/// Which socket of a slot a readiness token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The RTP socket.
    Rtp,
    /// The guard beside it.
    Guard,
    /// The RTCP socket.
    Rtcp,
}

impl Channel {
    /// The readiness token of this socket of a slot.
    pub fn token(self, slot: u32) -> u64 {
        u64::from(slot) << 2 | self as u64
    }

    /// What a token means.
    pub fn of_token(token: u64) -> (u32, Self) {
        let channel = match token & 3 {
            0 => Self::Rtp,
            1 => Self::Guard,
            _ => Self::Rtcp,
        };
        ((token >> 2) as u32, channel)
    }
}

/// One pair of ports: its sockets stay bound for as long as the engine runs.
///
/// The order is kept: a packet needs the first three lines of the cache, one for what it is judged and sent by.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Slot {
    /// Where packets for this port's peer go.
    pub egress: EgressCell,
    /// Set when the pair is used for the first time.
    pub sockets: OnceLock<Sockets>,
    /// What this port counts.
    pub counts: Counts,
    /// The key of what goes to this port's peer; taken only when [`crate::egress::Egress::sealed`] is set.
    pub seal: Mutex<Option<Box<Seal>>>,
    /// The header extension of what goes to this port's peer; taken only when it is wanted.
    pub written: Mutex<Option<Box<Written>>>,
    /// What was sent to this port's peer, for reports.
    pub sent: Sent,
    /// The worker that owns the slot.
    pub worker: usize,
    /// The last use that the worker has let go of.
    pub released: AtomicU32,
    /// Keys that wait to be sent: the commander adds, the worker takes away.
    pub keys: AtomicU32,
}

impl Slot {
    /// Something of what the next packet counts and is sent by, read so that it is in the cache by then.
    pub fn touch(&self) -> u64 {
        let fd = self.sockets.get().map_or(0, |sockets| sockets.rtp.as_raw_fd());
        self.counts.touch() ^ fd as u64
    }
}

/// Figures of one worker.
#[derive(Debug, Default)]
pub struct WorkerCounts {
    /// Times the worker woke up.
    pub wakeups: AtomicU64,
    /// RTP and RTCP packets passed on.
    pub relayed: AtomicU64,
    /// Datagrams that came to closed ports.
    pub stray: AtomicU64,
    /// Packets that the system did not take.
    pub unsent: AtomicU64,
}

/// Where a worker is reached.
#[derive(Debug)]
pub struct Post {
    /// Messages to the worker.
    pub mailbox: Mailbox,
    /// The worker's sockets.
    pub epoll: OwnedFd,
    /// Interrupts its wait.
    pub wake: OwnedFd,
    /// What it counts.
    pub counts: WorkerCounts,
    /// What handshakes may cost the worker; nobody else takes of it.
    pub handshakes: Mutex<Allowance>,
}

impl Post {
    fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        Ok(Self {
            mailbox: Mailbox::default(),
            epoll,
            wake,
            counts: WorkerCounts::default(),
            handshakes: Mutex::new(handshake_allowance()),
        })
    }

    /// Makes the worker look at its mailbox now.
    pub fn wake_up(&self) {
        // It fails only when the counter is full, and then the worker has been woken already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }
}

/// Everything that outlives a single call.
#[derive(Debug)]
pub struct Shared {
    /// The settings.
    pub config: Config,
    /// Every port pair: those of the first address, then those of the second.
    pub slots: Box<[Slot]>,
    /// One for each worker.
    pub posts: Box<[Post]>,
    /// Events on their way out.
    pub events: EventQueue,
    /// Who the engine is in DTLS, once it was told.
    pub identity: OnceLock<Identity>,
    /// Whether the workers shall end.
    pub stopping: AtomicBool,
    /// The fast path.
    pub kernel: Kernel,
    epoch: Instant,
}

impl Shared {
    /// Prepares the slots and posts; binds no port yet.
    pub fn new(config: Config) -> io::Result<Self> {
        let pairs = config.pairs();
        let slots: Box<[Slot]> = (0..pairs * config.addresses.len())
            .map(|slot| Slot { worker: (slot % pairs) * config.workers / pairs, ..Slot::default() })
            .collect();
        let kernel = Kernel::start(config.kernel.as_ref(), &config.addresses, config.first_port, slots.len());
        let posts = (0..config.workers).map(|_| Post::new()).collect::<io::Result<_>>()?;
        Ok(Self {
            slots,
            posts,
            events: EventQueue::new(config.event_queue)?,
            identity: OnceLock::new(),
            stopping: AtomicBool::new(false),
            kernel,
            epoch: Instant::now(),
            config,
        })
    }

    /// Nanoseconds since the engine started.
    pub fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// A slot by its number.
    pub fn slot(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }

    /// The worker of a slot.
    pub fn post_of(&self, slot: u32) -> &Post {
        &self.posts[self.slot(slot).worker]
    }

    /// Asks every worker to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.posts.iter().for_each(Post::wake_up);
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::time::Duration;

    /// What one worker with two port pairs has, none of them bound.
    pub fn shared() -> Shared {
        let config = Config {
            addresses: vec!["127.0.0.1".parse().unwrap()],
            first_port: 20_000,
            last_port: 20_003,
            workers: 1,
            inactivity: Duration::ZERO,
            quarantine: Duration::ZERO,
            learn: Duration::ZERO,
            relearn: Duration::ZERO,
            coalesce: Duration::ZERO,
            event_queue: 8,
            kernel: None,
        };
        Shared::new(config).unwrap()
    }

    #[test]
    fn tokens_tell_slot_and_channel() {
        for channel in [Channel::Rtp, Channel::Guard, Channel::Rtcp] {
            assert_eq!(Channel::of_token(channel.token(70_001)), (70_001, channel));
        }
    }
}
