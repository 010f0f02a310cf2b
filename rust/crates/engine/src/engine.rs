//! The engine as its commander sees it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::config::Config;
use crate::control::{Control, Family, OpenedPort};
use crate::error::EngineError;
use crate::events::{Event, PortEvent};
use crate::files::Files;
use crate::mailbox::{Order, Remote, Task, Tone};
use crate::pool::Bound;
use crate::shared::{Shared, WorkerCounts};
use crate::sockets::{self, Sockets};
use crate::statistics::{Statistics, impairment_of};
use crate::worker::{Worker, watch};

/// Figures of the whole engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Ports in use.
    pub ports_open: usize,
    /// Ports that could be opened now.
    pub ports_free: usize,
    /// Ports that rest after a call.
    pub ports_resting: usize,
    /// Packets passed on, echoed or generated since the start.
    pub packets_relayed: u64,
    /// Packets that the system did not take.
    pub packets_unsent: u64,
    /// Datagrams that came to closed ports.
    pub packets_stray: u64,
    /// Events dropped for want of room.
    pub events_dropped: u64,
    /// Times that workers woke up.
    pub wakeups: u64,
    /// Ports whose packets pass in the kernel now.
    pub kernel_ports: usize,
    /// Packets passed on there, of those relayed.
    pub kernel_packets: u64,
}

/// A running media engine. Dropping it stops it.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) files: Files,
    control: Mutex<Control>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
    /// Starts the workers.
    ///
    /// # Errors
    /// [`EngineError::Config`], [`EngineError::Address`] or [`EngineError::System`].
    pub fn start(config: Config) -> Result<Self, EngineError> {
        config.check()?;
        for &address in &config.addresses {
            sockets::check(address).map_err(|error| EngineError::Address(address, error))?;
        }
        let control = Mutex::new(Control::new(&config));
        let shared = Arc::new(Shared::new(config).map_err(|error| EngineError::System("epoll", error))?);
        let files = Files::start(&shared).map_err(|error| EngineError::System("thread", error))?;
        let engine = Self { shared, files, control, threads: Mutex::default() };
        for index in 0..engine.shared.config.workers {
            let worker = Worker::new(Arc::clone(&engine.shared), index);
            let thread = thread::Builder::new()
                .name(format!("media-{index}"))
                .spawn(move || worker.run())
                .map_err(|error| EngineError::System("thread", error))?;
            engine.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(engine)
    }

    /// Ends and joins every worker; the sockets close when the engine is dropped.
    pub fn stop(&self) {
        self.shared.stop();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A worker that panicked has nothing left to be stopped.
            let _ = thread.join();
        }
        self.files.stop();
        self.shared.kernel.stop();
        let mut control = self.control();
        for slot in control.open_slots() {
            control.close(self.shared.now_ns(), slot, self.shared.slot(slot).worker);
        }
    }

    /// Opens a port; with `wanted`, at this very RTP port.
    ///
    /// # Errors
    /// [`EngineError::PortsExhausted`], [`EngineError::PortTaken`], [`EngineError::Duplicate`],
    /// [`EngineError::Family`], [`EngineError::System`]; [`EngineError::Argument`] for a port out of the range.
    pub fn open(
        &self,
        id: &str,
        owner: &str,
        family: Family,
        wanted: Option<u16>,
    ) -> Result<OpenedPort, EngineError> {
        self.check_running()?;
        let shared = &self.shared;
        let out_of_range =
            |port| EngineError::Argument(format!("port {port} is not an RTP port of the range"));
        let pair =
            wanted.map(|port| shared.config.pair_of(port).ok_or_else(|| out_of_range(port))).transpose()?;
        let mut seed = [0; 8];
        getrandom(&mut seed, GetRandomFlags::empty())
            .map_err(|error| EngineError::System("getrandom", error.into()))?;
        let mut control = self.control();
        let released = |slot| shared.slot(slot).released.load(Ordering::Acquire) != 0;
        let port = control.open(
            shared.now_ns(),
            (id, owner, family, pair),
            |slot| shared.slot(slot).worker,
            released,
            |slot| self.bind(slot),
        )?;
        let slot = shared.slot(port.slot);
        slot.counts.reset();
        slot.sent.reset();
        slot.released.store(0, Ordering::Release);
        slot.keys.store(0, Ordering::Release);
        let place = control.place_of(&shared.config, port.slot);
        let order = Order::Open { generation: port.generation, seed: u64::from_ne_bytes(seed) };
        self.order(port.slot, order);
        Ok(place)
    }

    /// Tells what an offer or answer said about a port's peer.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`]; [`EngineError::Argument`] for an address of the other family.
    pub fn set_remote(&self, id: &str, remote: Remote) -> Result<(), EngineError> {
        let control = self.control();
        let slot = control.find(id)?.slot;
        let local = control.place_of(&self.shared.config, slot).address;
        for address in [remote.rtp, remote.rtcp].into_iter().flatten() {
            if address.is_ipv4() != local.is_ipv4() {
                let text = format!("remote address {address} is not of the family of the local {local}");
                return Err(EngineError::Argument(text));
            }
        }
        self.order(slot, Order::SetRemote(remote));
        self.wake_across(&control, slot);
        Ok(())
    }

    /// Relays between two ports, in both directions; ends what they did before.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`]; [`EngineError::Argument`] for a port with itself; [`EngineError::Codec`] when it
    /// shall `convert` and the formats of a peer are not known.
    pub fn link(&self, a: &str, b: &str, convert: bool) -> Result<(), EngineError> {
        let mut control = self.control();
        let names = [a, b];
        let (a, b) = (control.find(a)?, control.find(b)?);
        if a == b {
            return Err(EngineError::Argument("a port cannot be linked with itself".into()));
        }
        let formats = [a, b].map(|port| control.formats_of(port.slot).cloned());
        if let (true, Some(at)) = (convert, formats.iter().position(Option::is_none)) {
            let text =
                format!("port {} has no formats to convert between: SetFormats comes first", names[at]);
            return Err(EngineError::Codec(text));
        }
        // Linked again, after another offer and answer: whoever converts goes on.
        if control.linked_with(a.slot) != Some(b.slot) {
            self.part(&mut control, a.slot);
            self.part(&mut control, b.slot);
            control.link(a.slot, b.slot);
        }
        let task = |peer| if convert { Task::Convert(peer) } else { Task::Relay(peer) };
        self.order(a.slot, Order::Work(task(b)));
        self.order(b.slot, Order::Work(task(a)));
        let [of_a, of_b] = formats;
        for (slot, formats) in [(a.slot, of_b), (b.slot, of_a)] {
            if let Some(formats) = formats {
                self.order(slot, Order::Counterpart(formats));
            }
        }
        self.wake_across(&control, a.slot);
        self.wake_across(&control, b.slot);
        Ok(())
    }

    /// Ends whatever a port does: link, echo, tone or playback. Recordings go on.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn unlink(&self, id: &str) -> Result<(), EngineError> {
        self.work(id, Task::Idle)
    }

    /// Sends what the peer sends back to it.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn echo(&self, id: &str) -> Result<(), EngineError> {
        self.work(id, Task::Echo)
    }

    /// Sends a tone to the peer.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`]; [`EngineError::Argument`] for a frequency outside 0 to 4000 Hz or a
    /// level above 0 dBov.
    pub fn tone(&self, id: &str, tone: Tone) -> Result<(), EngineError> {
        let audible = tone.frequency_hz > 0.0 && tone.frequency_hz < 4000.0;
        if !(audible && (-96.0..=0.0).contains(&tone.level_dbov)) {
            return Err(EngineError::Argument(format!(
                "a tone needs 0 to 4000 Hz and -96 to 0 dBov, got {} Hz and {} dBov",
                tone.frequency_hz, tone.level_dbov
            )));
        }
        self.work(id, Task::Tone(tone))
    }

    /// Hold and resume: whether the port sends to its peer and passes on what it hears.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn set_direction(&self, id: &str, send: bool, receive: bool) -> Result<(), EngineError> {
        let control = self.control();
        let slot = control.find(id)?.slot;
        self.order(slot, Order::SetDirection { send, receive });
        self.wake_across(&control, slot);
        Ok(())
    }

    /// The figures of a port.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn statistics(&self, id: &str) -> Result<Statistics, EngineError> {
        let control = self.control();
        let slot = control.find(id)?.slot;
        Ok(self.read(&control, slot))
    }

    /// Closes a port; returns its last figures.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn close(&self, id: &str) -> Result<Statistics, EngineError> {
        let mut control = self.control();
        let slot = control.find(id)?.slot;
        Ok(self.close_slot(&mut control, slot).1)
    }

    /// Gives a port to another owner: its events are told of that one, with whose other ports it is closed.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn adopt(&self, id: &str, owner: &str) -> Result<(), EngineError> {
        let mut control = self.control();
        control.adopt(id, owner)?;
        let slot = control.find(id)?.slot;
        self.files.port_adopted(slot, owner);
        self.order(slot, Order::Adopt(owner.into()));
        Ok(())
    }

    /// Closes every port of an owner; returns their ids and last figures, in the order of their opening.
    pub fn close_owner(&self, owner: &str) -> Vec<(Arc<str>, Statistics)> {
        self.close_rooms_of(owner);
        let mut control = self.control();
        let slots = control.slots_of(owner);
        slots.into_iter().map(|slot| self.close_slot(&mut control, slot)).collect()
    }

    /// Takes the events that have happened at ports that are still open, and those about files: owner, port, event.
    pub fn take_events(&self) -> Vec<(Arc<str>, Arc<str>, Event)> {
        let events = self.shared.events.take();
        let control = self.control();
        let names = |happened: &PortEvent| control.names_of(happened.slot, happened.generation);
        let named = |happened: PortEvent| {
            let adopted = self.files.told(&happened.event);
            let (owner, id) = names(&happened).or_else(|| happened.event.names().cloned())?;
            Some((adopted.unwrap_or(owner), id, happened.event))
        };
        events.into_iter().filter_map(named).collect()
    }

    /// Becomes readable when there are events to take.
    pub fn events_fd(&self) -> BorrowedFd<'_> {
        self.shared.events.signal().as_fd()
    }

    /// Whether calls can be forwarded in the kernel, and if not, why: `on: eth0` or `off: reason`.
    pub fn kernel_state(&self) -> &str {
        self.shared.kernel.text()
    }

    /// Figures of the whole engine.
    pub fn counters(&self) -> Counters {
        let (ports_open, ports_free, ports_resting) = self.control().occupancy();
        let sum =
            |pick: fn(&WorkerCounts) -> u64| self.shared.posts.iter().map(|post| pick(&post.counts)).sum();
        Counters {
            ports_open,
            ports_free,
            ports_resting,
            packets_relayed: sum(|counts| counts.relayed.load(Ordering::Relaxed)),
            packets_unsent: sum(|counts| counts.unsent.load(Ordering::Relaxed)),
            packets_stray: sum(|counts| counts.stray.load(Ordering::Relaxed)),
            events_dropped: self.shared.events.dropped(),
            wakeups: sum(|counts| counts.wakeups.load(Ordering::Relaxed)),
            kernel_ports: self.shared.kernel.ports.load(Ordering::Relaxed),
            kernel_packets: self.shared.kernel.packets.load(Ordering::Relaxed),
        }
    }

    fn work(&self, id: &str, task: Task) -> Result<(), EngineError> {
        let mut control = self.control();
        let slot = control.find(id)?.slot;
        self.part(&mut control, slot);
        self.order(slot, Order::Work(task));
        if matches!(task, Task::Tone(_)) {
            // Nothing else would wake the worker: no packet needs to come for a tone to begin.
            self.shared.post_of(slot).wake_up();
        }
        Ok(())
    }

    pub(crate) fn part(&self, control: &mut Control, slot: u32) {
        control.leave_room(slot);
        if let Some(other) = control.unlink(slot) {
            self.order(other, Order::Work(Task::Idle));
        }
    }

    fn close_slot(&self, control: &mut Control, slot: u32) -> (Arc<str>, Statistics) {
        self.part(control, slot);
        self.files.port_closed(slot);
        self.shared.kernel.cut(slot);
        let statistics = self.read(control, slot);
        let entry = control.close(self.shared.now_ns(), slot, self.shared.slot(slot).worker);
        self.order(slot, Order::Close);
        (entry.map_or_else(|| "".into(), |entry| entry.id), statistics)
    }

    fn read(&self, control: &Control, slot: u32) -> Statistics {
        let counted = || self.shared.slot(slot).counts.read(self.shared.now_ns());
        let figures = self.shared.kernel.complete(slot, counted);
        let formats = control.formats_of(slot);
        let heard = formats.zip(figures.payload_type).and_then(|(formats, heard)| formats.heard(heard));
        heard.map_or(figures, |format| figures.judged_by(impairment_of(format)))
    }

    pub(crate) fn order(&self, slot: u32, order: Order) {
        let post = self.shared.post_of(slot);
        if post.mailbox.leave(slot, order) {
            post.wake_up();
        }
        self.shared.kernel.cut(slot);
    }

    /// A worker obeys before it looks at its own packets, but the packets of a port that is linked across
    /// workers reach the other one: it must know the way out before they come.
    pub(crate) fn wake_across(&self, control: &Control, slot: u32) {
        let other = control.linked_with(slot).map(|other| self.shared.slot(other).worker);
        if other.is_some_and(|worker| worker != self.shared.slot(slot).worker) {
            self.shared.post_of(slot).wake_up();
        }
    }

    fn bind(&self, slot: u32) -> Result<Bound, EngineError> {
        let config = &self.shared.config;
        let pairs = config.pairs();
        let (bank, pair) = (slot as usize / pairs, slot as usize % pairs);
        let place = &self.shared.slot(slot).sockets;
        if place.get().is_none() {
            match Sockets::bind(config.addresses[bank], config.rtp_port(pair)) {
                Ok(sockets) => drop(place.set(sockets)),
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Ok(Bound::Taken),
                Err(error) => return Err(EngineError::System("binding a media port", error)),
            }
        }
        watch(self.shared.post_of(slot), &self.shared, slot)
            .map(|()| Bound::Yes)
            .map_err(|error| EngineError::System("watching a media port", error.into()))
    }

    fn check_running(&self) -> Result<(), EngineError> {
        if self.shared.stopping.load(Ordering::Acquire) { Err(EngineError::Stopped) } else { Ok(()) }
    }

    pub(crate) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
