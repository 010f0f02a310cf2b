//! A worker: a thread with its own sockets, which it alone reads.

use std::hint::black_box;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, recvfrom};

use crate::beat::Beat;
use crate::egress::Egress;
use crate::events::Event;
use crate::mailbox::{Order, Task};
use crate::overlay::IN_SOUND;
use crate::pacing::Pacer;
use crate::port::{Context, Job, Port};
use crate::shared::{Channel, Post, Shared, WAKE};

/// How often silence and unfinished keys are looked for, in nanoseconds.
const TICK_NS: u64 = 200_000_000;
/// Packets read from one socket before the others have their turn.
const BURST: usize = 32;
/// Sockets served by one look.
const READY: usize = 512;
/// Ports whose memory is fetched together.
const AHEAD: usize = 32;
/// The largest datagram that is relayed; jumbo frames fit.
pub const LARGEST: usize = 9216;

/// How much a worker is preferred to other threads.
const NICE: i32 = -10;

/// What a worker owns.
pub struct Worker {
    shared: Arc<Shared>,
    index: usize,
    ports: Vec<Option<Box<Port>>>,
    beat: Beat,
    /// Ports that have a path or a session to look after.
    associated: Vec<u32>,
    next_association_ns: u64,
    /// Orders that were fetched, the first one last.
    orders: Vec<(u32, Order)>,
    /// Whether a socket had more than one turn's worth: the next look is due at once.
    flooded: bool,
    /// The port that is worked at, by which a fault is known.
    at: Option<u32>,
    buffer: Box<[u8; LARGEST]>,
    next_tick_ns: u64,
}

impl Worker {
    /// A worker that has not started yet.
    pub fn new(shared: Arc<Shared>, index: usize) -> Self {
        let ports = shared.slots.iter().map(|_| None).collect();
        Self {
            shared,
            index,
            ports,
            beat: Beat::default(),
            associated: Vec::new(),
            next_association_ns: u64::MAX,
            orders: Vec::new(),
            flooded: false,
            at: None,
            buffer: Box::new([0; LARGEST]),
            next_tick_ns: TICK_NS,
        }
    }

    /// Works until the engine stops.
    pub fn run(mut self) {
        claim_the_clock();
        let shared = Arc::clone(&self.shared);
        let post = &shared.posts[self.index];
        let mut pacer = Pacer::new(shared.config.coalesce);
        let mut ready = Vec::with_capacity(READY);
        while !shared.stopping.load(Ordering::Acquire) {
            let timeout = self.timeout(shared.now_ns());
            // A fault may have left some behind: they are told of again.
            ready.clear();
            // An interrupted wait is a look that found nothing.
            let _ = epoll::wait(&post.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&timeout));
            post.counts.wakeups.fetch_add(1, Ordering::Relaxed);
            let context = Context { shared: &shared, post, now_ns: shared.now_ns() };
            let packets = self.turn(&context, &ready);
            if let Some(beat) = pacer.after(context.now_ns, packets)
                && !self.flooded
                && !self.beat.is_unfinished()
            {
                let spent_ns = shared.now_ns() - context.now_ns;
                thread::sleep(beat.saturating_sub(Duration::from_nanos(spent_ns)));
            }
        }
    }

    /// One look at orders, sockets and time. A fault in it ends the port that it was met at, and nothing else.
    fn turn(&mut self, context: &Context<'_>, ready: &[epoll::Event]) -> usize {
        let turn = catch_unwind(AssertUnwindSafe(|| {
            self.obey(context);
            let packets = self.serve(context, ready);
            self.keep_time(context);
            packets
        }));
        turn.unwrap_or_else(|_| {
            self.give_up(context);
            0
        })
    }

    /// The port that was worked at is closed to packets, whatever state it is in.
    fn give_up(&mut self, context: &Context<'_>) {
        let broken = self.at.take().and_then(|slot| self.ports[slot as usize].take());
        let Some(mut port) = broken else { return };
        // A room that it is in must not keep it, and nothing may go to its peer.
        let closed = catch_unwind(AssertUnwindSafe(|| port.close(context)));
        if closed.is_err() {
            port.slot(context).egress.store(&Egress::default());
        }
        context.shared.kernel.cut(port.slot);
        port.tell(context, Event::Broken { worker: self.index });
        port.release(context);
    }

    fn timeout(&self, now_ns: u64) -> Timespec {
        let due_ns = self.next_tick_ns.min(self.beat.due_ns()).min(self.next_association_ns);
        let wait_ns = due_ns.saturating_sub(now_ns);
        Timespec { tv_sec: (wait_ns / 1_000_000_000) as i64, tv_nsec: (wait_ns % 1_000_000_000) as i64 }
    }

    fn obey(&mut self, context: &Context<'_>) {
        if self.orders.is_empty() {
            context.post.mailbox.fetch(&mut self.orders);
            self.orders.reverse();
        }
        while let Some((slot, order)) = self.orders.pop() {
            self.at = Some(slot);
            self.carry_out(context, slot, order);
            // Whatever the order was: the other worker may have handed the port over since it was left.
            context.shared.kernel.cut(slot);
        }
        self.at = None;
    }

    fn carry_out(&mut self, context: &Context<'_>, slot: u32, order: Order) {
        let place = &mut self.ports[slot as usize];
        match (order, place) {
            (Order::Open { generation, seed }, place) => {
                *place = Some(Box::new(Port::new(slot, generation, seed, context)));
            }
            (Order::SetRemote(remote), Some(port)) => port.set_remote(context, remote),
            (Order::SetFormats(formats), Some(port)) => port.set_formats(formats),
            (Order::Join(hall, rights), Some(port)) => {
                port.join(context, hall, rights);
                self.beat.add_speaker(context.now_ns, slot);
            }
            (Order::Audio(line, speak), Some(port)) => {
                port.answer(context, line, speak);
                self.beat.add_speaker(context.now_ns, slot);
            }
            (Order::Lead(hall), _) => self.beat.add_room(context.now_ns, hall),
            (Order::Counterpart(formats), Some(port)) => port.other = Some(formats),
            (Order::SetDirection { send, receive }, Some(port)) => port.set_direction(context, send, receive),
            (Order::SetKeys(keys), Some(port)) => {
                port.forget_handshake();
                port.secure(context, keys.0, keys.1);
            }
            (Order::SetIce(credentials), Some(port)) => {
                port.set_ice(context, *credentials);
                self.associate(slot);
            }
            (Order::SetDtls(partner), Some(port)) => {
                port.set_dtls(context, *partner);
                self.associate(slot);
            }
            (Order::SetPlain, Some(port)) => port.set_plain(context),
            (Order::SetExtension(signalling), Some(port)) => {
                port.set_extension(context, signalling.map(|wanted| *wanted));
                if port.is_keeping_alive() {
                    self.beat.add_speaker(context.now_ns, slot);
                }
            }
            (Order::Work(task), Some(port)) => {
                port.work(context, task);
                if matches!(task, Task::Tone(_)) {
                    self.beat.add_speaker(context.now_ns, slot);
                }
            }
            (Order::Play(playback), Some(port)) => {
                port.begin(context, Job::Play(playback));
                self.beat.add_speaker(context.now_ns, slot);
            }
            (Order::Adopt(owner), Some(port)) => port.adopt(owner),
            (Order::StopPlay(playback), Some(port)) => port.stop_play(context, &playback),
            (Order::Sound(sounding), Some(port)) => {
                port.sound(context, *sounding);
                self.beat.add_speaker(context.now_ns, slot);
            }
            (Order::Listen(wanted), Some(port)) => port.listen_for(context, wanted),
            (Order::Press(digits), Some(port)) => {
                if digits.payload_type == IN_SOUND {
                    port.press_in_sound(context, &digits);
                } else {
                    port.keys.get_or_insert_default().add(*digits);
                }
                self.beat.add_speaker(context.now_ns, slot);
            }
            (Order::Tap(tap), Some(port)) => port.taps.get_or_insert_default().add(*tap),
            (Order::Close, place) => {
                if let Some(mut port) = place.take() {
                    port.close(context);
                    port.release(context);
                }
            }
            #[cfg(test)]
            (Order::Fail, Some(_)) => panic!("wanted"),
            (_, None) => {}
        }
    }

    /// Reads every socket that has something; returns how many packets there were.
    fn serve(&mut self, context: &Context<'_>, ready: &[epoll::Event]) -> usize {
        let mut packets = 0;
        self.flooded = false;
        for events in ready.chunks(AHEAD) {
            self.touch(context, events);
            for event in events {
                let token = event.data.u64();
                if token == WAKE {
                    // It fails only when somebody else has read it.
                    let _ = rustix::io::read(&context.post.wake, &mut [0; 8]);
                } else {
                    packets += self.read(context, token);
                }
            }
        }
        self.at = None;
        packets
    }

    /// Reads something of all that the next packets of these ports need. With many calls it has left the near caches
    /// since the packet before, and a processor waits for one piece as long as for ten that do not depend on each other.
    fn touch(&self, context: &Context<'_>, events: &[epoll::Event]) {
        let ports = events.iter().filter_map(|event| {
            let (slot, _) = Channel::of_token(event.data.u64());
            self.ports.get(slot as usize)?.as_ref()
        });
        black_box(ports.fold(0, |seen, port| seen ^ port.touch(context.shared)));
    }

    /// Reads one socket until it is empty or has had its turn. Whatever is left in it is told of at the next look
    /// (level-triggered), so the one packet that a stream brings in its time is not followed by a read that finds nothing.
    fn read(&mut self, context: &Context<'_>, token: u64) -> usize {
        let (slot, channel) = Channel::of_token(token);
        self.at = Some(slot);
        let is_alone = channel == Channel::Rtp
            && self.ports[slot as usize].as_mut().is_some_and(|port| port.brings_one(context.now_ns));
        for packets in 0..BURST {
            if !self.read_one(context, slot, channel) {
                return packets;
            }
            if is_alone {
                return 1;
            }
        }
        self.flooded = true;
        BURST
    }

    fn read_one(&mut self, context: &Context<'_>, slot: u32, channel: Channel) -> bool {
        let Some(sockets) = context.shared.slot(slot).sockets.get() else { return false };
        let port = &mut self.ports[slot as usize];
        let buffer = &mut self.buffer[..];
        let socket = match channel {
            Channel::Rtp => &sockets.rtp,
            Channel::Guard => &sockets.guard,
            Channel::Rtcp => &sockets.rtcp,
        };
        let exclusive = channel == Channel::Rtp && port.as_ref().is_some_and(|port| port.is_exclusive());
        let read = if exclusive {
            recv(socket, &mut *buffer, RecvFlags::DONTWAIT).map(|(length, _)| (length, None))
        } else {
            recvfrom(socket, &mut *buffer, RecvFlags::DONTWAIT).map(|(length, _, source)| (length, source))
        };
        let (length, source) = match read {
            Ok(read) => read,
            Err(Errno::AGAIN) => {
                if let (Channel::Rtp, Some(port)) = (channel, port) {
                    port.emptied();
                }
                return false;
            }
            // Anything else is an ICMP error about something sent earlier; it is told once.
            Err(_) => return true,
        };
        let mut source = source.and_then(|source| SocketAddr::try_from(source).ok());
        if context.post.mailbox.is_waiting() {
            // Whoever sent it may have done so after that: what was ordered before a packet came holds for it.
            if exclusive {
                source = port.as_ref().and_then(|port| port.connected());
            }
            self.obey(context);
            self.at = Some(slot);
        }
        let Some(port) = &mut self.ports[slot as usize] else {
            context.post.counts.stray.fetch_add(1, Ordering::Relaxed);
            return true;
        };
        let bytes = &mut self.buffer[..length];
        match (channel, source) {
            (Channel::Rtcp, Some(source)) => port.on_rtcp_port(context, bytes, source),
            (Channel::Rtcp, None) => {}
            (_, source) => port.on_rtp_port(context, bytes, source),
        }
        if let Some(association) = &port.association {
            self.next_association_ns = self.next_association_ns.min(association.deadline_ns());
        }
        true
    }

    fn keep_time(&mut self, context: &Context<'_>) {
        if context.now_ns >= self.beat.due_ns() {
            self.beat.go_on(context, &mut self.ports, &mut self.at);
        }
        if context.now_ns >= self.next_association_ns {
            self.keep_associations(context);
        }
        if context.now_ns >= self.next_tick_ns {
            self.next_tick_ns = context.now_ns + TICK_NS;
            for port in self.ports.iter_mut().flatten() {
                self.at = Some(port.slot);
                port.tick(context);
            }
            self.at = None;
        }
    }

    fn associate(&mut self, slot: u32) {
        if !self.associated.contains(&slot) {
            self.associated.push(slot);
        }
        // The deadline of what was ordered is found with those of the others.
        self.next_association_ns = 0;
    }

    /// Lets path and session of each port know the time, and finds when the next one needs it.
    fn keep_associations(&mut self, context: &Context<'_>) {
        let (ports, at) = (&mut self.ports, &mut self.at);
        let mut next_ns = u64::MAX;
        self.associated.retain(|&slot| {
            *at = Some(slot);
            let Some(port) = ports[slot as usize].as_mut() else { return false };
            if port
                .association
                .as_ref()
                .is_some_and(|association| association.deadline_ns() <= context.now_ns)
            {
                port.keep_association(context);
            }
            let deadline_ns = port.association.as_ref().map(|association| association.deadline_ns());
            next_ns = next_ns.min(deadline_ns.unwrap_or(u64::MAX));
            deadline_ns.is_some()
        });
        self.at = None;
        // At least a moment later, whatever the deadlines are.
        self.next_association_ns = next_ns.max(context.now_ns + 1_000_000);
    }
}

/// Makes this thread punctual, as far as the system lets it: nothing here is needed for it to work.
fn claim_the_clock() {
    // The default slack of 50 µs would be added to every pause.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1_000));
    // Linux keeps the nice value for each thread: audio goes before signalling. It needs CAP_SYS_NICE.
    let _ = rustix::process::setpriority_process(None, NICE);
}

impl Port {
    /// Lets the pool know that the worker has done with this use.
    fn release(&self, context: &Context<'_>) {
        self.slot(context).released.store(self.egress().generation, Ordering::Release);
    }
}

/// Watches the sockets of a slot that was bound just now.
///
/// # Errors
/// What the operating system says.
pub fn watch(post: &Post, shared: &Shared, slot: u32) -> rustix::io::Result<()> {
    let Some(sockets) = shared.slot(slot).sockets.get() else { return Ok(()) };
    let flags = epoll::EventFlags::IN;
    for (channel, socket) in
        [(Channel::Rtp, &sockets.rtp), (Channel::Guard, &sockets.guard), (Channel::Rtcp, &sockets.rtcp)]
    {
        match epoll::add(&post.epoll, socket, epoll::EventData::new_u64(channel.token(slot)), flags) {
            // It was watched before one of the others could not be.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
