//! A port on its way into the kernel and back.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use rustix::net::{getsockname, sockopt};

use crate::kernel::{Flow, Leg, Told, monotonic_ns};
use crate::mailbox::{Peer, Task};
use crate::port::{Context, Job, Port};
use crate::relay::way_to;
use crate::shared::Slot;
use crate::sockets::EXPEDITED;

/// How long a stream must have been steady before it is handed over.
const STEADY_NS: u64 = 1_000_000_000;
/// How long nothing may have been heard of a stream that is handed over.
const ALIVE_NS: u64 = 400_000_000;
/// How often what has passed is read.
const LOOK_NS: u64 = 1_000_000_000;
/// How often the program lets a packet through, so that routes and neighbours stay fresh.
const LET_THROUGH_NS: u64 = 2_000_000_000;
/// Packets seen between two looks that tell that the program does not see the stream.
const TOO_MANY: u32 = 20;
/// Octets of an Ethernet header.
const LINK_HEADER: u32 = 14;
/// How long a stream that the program does not see is left alone.
const IN_VAIN_NS: u64 = 60_000_000_000;

/// How far a port is on its way into the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passage {
    stream: Option<(u32, u8)>,
    from_ns: u64,
    look_ns: u64,
    seen: u32,
    largest: u32,
    handed: bool,
}

impl Passage {
    /// Whether the kernel may have counted something that the port does not know yet.
    pub fn is_handed(&self) -> bool {
        self.handed
    }
}

impl Port {
    /// A packet of the peer's stream came to user space; another stream must be steady first.
    pub fn follow(&mut self, context: &Context<'_>, ssrc: u32, payload_type: u8) {
        if self.passage.stream == Some((ssrc, payload_type)) {
            self.passage.seen = self.passage.seen.saturating_add(1);
            return;
        }
        self.passage.stream = Some((ssrc, payload_type));
        self.passage.from_ns = context.now_ns + STEADY_NS;
        if self.passage.handed {
            self.leave_kernel(context);
        }
    }

    /// Both directions go through user space again.
    pub fn leave_kernel(&mut self, context: &Context<'_>) {
        context.shared.kernel.cut(self.slot);
        if self.passage.handed {
            self.catch_up(context);
        }
    }

    /// Takes what passed in the kernel into the port's own figures, before anything else is judged by them.
    pub fn catch_up(&mut self, context: &Context<'_>) {
        let Some(told) =
            context.shared.kernel.tell(self.slot, |told| count(context, self.slot(context), told))
        else {
            self.passage.handed = false;
            return;
        };
        if !told.open {
            self.passage.handed = false;
            self.passage.from_ns = self.passage.from_ns.max(context.now_ns + STEADY_NS);
        }
        if told.fresh.0 == 0 {
            return;
        }
        let heard_ns = heard_ns(context, &told);
        self.passage.seen = 0;
        self.reception.catch_up(told.fresh.0, told.passed.highest, told.passed.jitter_x16);
        self.latch.heard(heard_ns, self.passage.stream.map(|(ssrc, _)| ssrc));
        self.alive(context);
        self.slot(context).counts.quality(self.reception.lost(), self.reception.jitter());
    }

    /// Looks now and then whether the port's direction may be handed over, or what has become of it.
    pub fn consider_kernel(&mut self, context: &Context<'_>) {
        if !context.shared.kernel.is_on() {
            return;
        }
        if !self.passage.handed {
            self.hand_over(context);
        } else if context.now_ns >= self.passage.look_ns {
            self.passage.look_ns = context.now_ns + LOOK_NS;
            self.look(context);
        }
    }

    /// Reads the counters; a stream that the program does not see, or that needs more by now, is taken back.
    fn look(&mut self, context: &Context<'_>) {
        let narrowed = |leg: &Leg| leg.largest < self.passage.largest;
        if self.leg(context).is_none_or(|(_, leg)| narrowed(&leg)) {
            context.shared.kernel.cut(self.slot);
        }
        self.catch_up(context);
        // By now it tells of what came since the program passed something on for the last time.
        if self.passage.handed && self.passage.seen > TOO_MANY {
            self.leave_kernel(context);
            self.passage.from_ns = context.now_ns + IN_VAIN_NS;
        }
    }

    fn hand_over(&mut self, context: &Context<'_>) {
        let since_ns = context.now_ns.saturating_sub(self.alive_ns());
        if context.now_ns < self.passage.from_ns || since_ns > ALIVE_NS {
            return;
        }
        let Some((peer, leg)) = self.leg(context) else { return };
        let mailboxes = [self.slot, peer.slot].map(|slot| &context.shared.post_of(slot).mailbox);
        let busy = || mailboxes.iter().any(|mailbox| mailbox.is_waiting());
        if context.shared.kernel.hand_over(self.slot, peer, &leg, busy) {
            (self.passage.handed, self.passage.seen, self.passage.largest) = (true, 0, leg.largest);
            self.passage.look_ns = context.now_ns + LOOK_NS;
        }
    }

    /// The direction from this port's peer to the other one's, if it needs nothing but forwarding.
    ///
    /// Whatever else a port learns to do with what it hears belongs in here.
    fn leg(&self, context: &Context<'_>) -> Option<(Peer, Leg)> {
        let Job::Plain(Task::Relay(peer)) = self.job else { return None };
        let remote = self.remote.filter(|remote| !remote.opaque)?;
        if !self.receive
            || self.security.is_some()
            || self.association.is_some()
            || self.watched.is_some()
            || self.taps.is_some()
            || self.ear.is_some()
            || !self.lines.is_empty()
            || self.keys.is_some()
        {
            return None;
        }
        if self.hearing.is_some() {
            return None;
        }
        let source = self.connected().filter(|&source| self.latch.locked() == Some(source))?;
        let (slot, egress) = way_to(context, peer)?;
        let target = egress.rtp.filter(|_| {
            egress.sends && egress.connected && !egress.sealed && !egress.extended && !egress.occupied
        })?;
        if !context.shared.kernel.loopback && (source.ip().is_loopback() || target.ip().is_loopback()) {
            return None;
        }
        let (ssrc, payload_type) = self.passage.stream?;
        if remote.dtmf_payload_type == Some(payload_type) {
            return None;
        }
        let (highest, jitter_x16) = self.reception.position();
        let leg = Leg {
            comes: Flow { source, target: local_of(self.slot(context))? },
            leaves: Flow { source: local_of(slot)?, target },
            ssrc,
            payload_type,
            traffic_class: EXPEDITED,
            clock_hz: self.clock_hz(payload_type),
            largest: largest_to(slot, target),
            look_every_ns: LET_THROUGH_NS,
            highest,
            jitter_x16,
        };
        Some((peer, leg))
    }
}

/// Adds what passed to the figures of both ends.
fn count(context: &Context<'_>, slot: &Slot, told: &Told) {
    let (packets, octets) = told.fresh;
    if packets == 0 {
        return;
    }
    slot.counts.received_elsewhere(packets, octets, heard_ns(context, told));
    if let Some((to, _)) = way_to(context, told.to) {
        to.counts.sent_elsewhere(packets, octets);
    }
    context.post.counts.relayed.fetch_add(packets, Ordering::Relaxed);
}

/// When the last packet came, on the engine's own clock.
fn heard_ns(context: &Context<'_>, told: &Told) -> u64 {
    context.now_ns.saturating_sub(monotonic_ns().saturating_sub(told.passed.heard_ns))
}

/// The largest frame that reaches a slot's peer whole, as far as the system knows: of the route, and what ICMP told.
fn largest_to(slot: &Slot, target: SocketAddr) -> u32 {
    let Some(sockets) = slot.sockets.get() else { return u32::MAX };
    let known =
        if target.is_ipv4() { sockopt::ip_mtu(&sockets.rtp) } else { sockopt::ipv6_mtu(&sockets.rtp) };
    known.map_or(u32::MAX, |octets| octets.saturating_add(LINK_HEADER))
}

/// The address that the connected socket of a slot sends from and hears at.
fn local_of(slot: &Slot) -> Option<SocketAddr> {
    let name = getsockname(&slot.sockets.get()?.rtp).ok()?;
    SocketAddr::try_from(name).ok()
}
