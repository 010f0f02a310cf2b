//! The fast path: calls that need nothing but forwarding are handed to a program in the kernel, one direction
//! at a time, and taken back the moment anything else is needed.
//!
//! User space stays able to serve a port that has been handed over: whatever the program lets through is
//! relayed as ever. To take a direction back is therefore to remove it from the program's tables, which
//! whoever leaves an order for a port does at once ([`Kernel::cut`]); its worker then reads what was counted.

mod interfaces;
mod leg;
mod passage;
mod program;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};

use crate::mailbox::Peer;
use crate::statistics::Statistics;

use leg::Key;
pub use leg::{Flow, Leg, Passed};
pub use passage::Passage;
use program::{Hanging, Program, has_links};

/// Nobody.
const NONE: u32 = u32::MAX;

/// What is wanted of the fast path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelWish {
    /// The compiled program.
    pub program: PathBuf,
    /// The interfaces that it shall sit on; none: those that carry the media addresses.
    pub interfaces: Vec<String>,
    /// Whether it hangs on filters of a queueing discipline as before Linux 6.6, whatever this system has.
    pub by_filters: bool,
}

#[derive(Debug)]
struct Handed {
    arrival: Key,
    departure: Key,
    to: Peer,
    open: bool,
    /// What the counts of the ports have already.
    told: (u64, u64),
}

#[derive(Debug)]
struct State {
    program: Option<Program>,
    handed: Box<[Option<Handed>]>,
    /// By target: whose packets go there.
    from: Box<[u32]>,
}

/// The fast path of one engine.
#[derive(Debug)]
pub struct Kernel {
    state: Mutex<State>,
    text: String,
    on: bool,
    /// Whether packets between programs of this machine may be handed over too.
    pub loopback: bool,
    /// Directions handed over now.
    pub ports: AtomicUsize,
    /// Packets passed on since the start.
    pub packets: AtomicU64,
}

/// What a worker learns about a direction of its own.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Everything counted since it was handed over.
    pub passed: Passed,
    /// Packets and octets since the last time.
    pub fresh: (u64, u64),
    /// Where they went.
    pub to: Peer,
    /// Whether it is still handed over.
    pub open: bool,
}

impl Kernel {
    /// Starts the program, if it is wanted and possible; [`Self::text`] says what came of it.
    pub fn start(wish: Option<&KernelWish>, addresses: &[IpAddr], first_port: u16, slots: usize) -> Self {
        let attached = attach(wish, addresses, first_port, slots);
        let (program, text, loopback) = match attached {
            Ok((program, interfaces)) => {
                let loopback = interfaces.iter().any(|name| name == "lo");
                (Some(program), format!("on: {}", interfaces.join(", ")), loopback)
            }
            Err(why) => (None, format!("off: {why}"), false),
        };
        let on = program.is_some();
        let size = if on { slots } else { 0 };
        let handed = (0..size).map(|_| None).collect();
        let state = State { program, handed, from: vec![NONE; size].into() };
        Self {
            state: Mutex::new(state),
            text,
            on,
            loopback,
            ports: AtomicUsize::new(0),
            packets: AtomicU64::new(0),
        }
    }

    /// Whether the fast path works, and if not, why: `on: eth0` or `off: reason`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether directions can be handed over.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Hands one direction over, unless `busy` says that an order waits; returns whether that was done.
    ///
    /// Orders are left first and cut then, both before the commander goes on: with the lock held, either the
    /// order is seen here or the cut comes later.
    pub fn hand_over(&self, slot: u32, to: Peer, leg: &Leg, busy: impl FnOnce() -> bool) -> bool {
        let (Some(arrival), Some(departure)) = (leg.comes.key(), leg.leaves.key()) else { return false };
        let mut state = self.lock();
        let State { program: Some(program), handed, from } = &mut *state else { return false };
        let (entry, back) = (&mut handed[slot as usize], &mut from[to.slot as usize]);
        if entry.is_some() || *back != NONE {
            return false;
        }
        self.ports.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if busy() || program.enter(slot, arrival, departure, leg.words()).is_err() {
            self.ports.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        *entry = Some(Handed { arrival, departure, to, open: true, told: (0, 0) });
        *back = slot;
        true
    }

    /// Takes back what comes to a port and what goes to its peer: once this returns, user space has it.
    pub fn cut(&self, slot: u32) {
        // Pairs with `hand_over`: either this sees that something is handed over, or that sees the order.
        fence(Ordering::SeqCst);
        if self.ports.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut state = self.lock();
        let other = state.from.get(slot as usize).copied().unwrap_or(NONE);
        for slot in [slot, other] {
            if state.close(slot) {
                self.ports.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// What has passed since the last time, which `count` adds to the figures of the ports; forgets a
    /// direction that was taken back. `None`: not handed over.
    pub fn tell(&self, slot: u32, count: impl FnOnce(&Told)) -> Option<Told> {
        let mut state = self.lock();
        let State { program: Some(program), handed, from } = &mut *state else { return None };
        let place = &mut handed[slot as usize];
        let entry = place.as_mut()?;
        let passed = program.read(slot);
        let fresh = entry.untold(&passed);
        entry.told = (entry.told.0 + fresh.0, entry.told.1 + fresh.1);
        let told = Told { passed, fresh, to: entry.to, open: entry.open };
        count(&told);
        if !entry.open {
            from[entry.to.slot as usize] = NONE;
            *place = None;
        }
        self.packets.fetch_add(fresh.0, Ordering::Relaxed);
        Some(told)
    }

    /// The figures of a port: what it has `counted`, and what passed in the kernel since it looked there.
    pub fn complete(&self, slot: u32, counted: impl FnOnce() -> Statistics) -> Statistics {
        if !self.on {
            return counted();
        }
        let state = self.lock();
        let mut figures = counted();
        let (heard, last_ns) = state.untold(slot);
        let (sent, _) = state.untold(state.from[slot as usize]);
        figures.packets_in += heard.0;
        figures.bytes_in += heard.1;
        figures.kernel_packets += heard.0;
        figures.packets_out += sent.0;
        figures.bytes_out += sent.1;
        if heard.0 > 0 {
            figures.last_heard_s = Some(monotonic_ns().saturating_sub(last_ns) as f64 / 1e9);
        }
        figures.kernel = state.handed[slot as usize].as_ref().is_some_and(|entry| entry.open);
        figures
    }

    /// Leaves the interfaces.
    pub fn stop(&self) {
        self.lock().program = None;
        self.ports.store(0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self, slot: u32) -> bool {
        let Self { program: Some(program), handed, .. } = self else { return false };
        let Some(Some(entry)) = handed.get_mut(slot as usize) else { return false };
        if entry.open {
            program.remove(entry.arrival, entry.departure);
        }
        std::mem::take(&mut entry.open)
    }

    fn untold(&self, slot: u32) -> ((u64, u64), u64) {
        let entry = self.handed.get(slot as usize).and_then(Option::as_ref);
        let (Some(entry), Some(program)) = (entry, &self.program) else { return ((0, 0), 0) };
        let passed = program.read(slot);
        (entry.untold(&passed), passed.heard_ns)
    }
}

impl Handed {
    fn untold(&self, passed: &Passed) -> (u64, u64) {
        (passed.packets.saturating_sub(self.told.0), passed.octets.saturating_sub(self.told.1))
    }
}

/// Nanoseconds of the clock that the program reads.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn attach(
    wish: Option<&KernelWish>,
    addresses: &[IpAddr],
    first_port: u16,
    slots: usize,
) -> Result<(Program, Vec<String>), String> {
    let wish = wish.ok_or("not wanted")?;
    let interfaces =
        if wish.interfaces.is_empty() { interfaces::carrying(addresses) } else { wish.interfaces.clone() };
    if interfaces.is_empty() {
        return Err("no interface but the loopback carries the media addresses".into());
    }
    let ipv6 = addresses.iter().any(IpAddr::is_ipv6);
    let slots = u32::try_from(slots).map_err(|_| "too many ports")?;
    let hanging = if wish.by_filters || !has_links() {
        Hanging::filters(addresses, first_port)
    } else {
        Hanging::Links
    };
    Ok((Program::start(&wish.program, hanging, &interfaces, slots, ipv6)?, interfaces))
}
