//! The state of one open port, owned by its worker.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use rustix::net::connect;
use trunkline_rtp::{Digit, DtmfDetector, Reception};

use crate::allowance::Allowance;
use crate::association::Association;
use crate::convert::Convert;
use crate::ear::Ear;
use crate::egress::Egress;
use crate::events::{Event, PortEvent};
use crate::extension::Watched;
use crate::formats::{Format, Formats, fixed};
use crate::hearing::Hearing;
use crate::kernel::Passage;
use crate::keys::Keys;
use crate::latch::{Latch, Policy, Times};
use crate::line::{Line, keep_open};
use crate::mailbox::{Remote, Task};
use crate::mouth::Mouth;
use crate::overlay::{Overlay, SignalSource};
use crate::playback::Playback;
use crate::reports::Reports;
use crate::seat::Seat;
use crate::security::Security;
use crate::shared::{Post, Shared, Slot};
use crate::tap::Taps;
use crate::tone::ToneSource;
use crate::voice::Voice;

/// Silence after which a key whose release was lost counts as released, in microseconds.
const KEY_RELEASED_US: u64 = 150_000;

/// How often a peer may cause an event, and how many in a row: faster than anybody presses keys, and as fast as packets
/// come.
const EVENT_NS: u64 = 20_000_000;
const MOST_EVENTS: u64 = 64;
/// How often a packet of a peer is decoded, recorded or listened to, and how many in a row: 2.5 ms is the shortest of all.
const PACKET_NS: u64 = 2_000_000;
const MOST_PACKETS: u64 = 1000;

/// Packets that come further apart than this are taken one by one: a little less than the shortest packet of speech lasts.
const APART_NS: u64 = 4_000_000;

/// What a port needs of its surroundings while it works.
pub struct Context<'a> {
    /// Everything shared.
    pub shared: &'a Shared,
    /// The worker that does the work.
    pub post: &'a Post,
    /// The time of this look at the sockets.
    pub now_ns: u64,
}

/// What the port does now.
#[derive(Debug)]
pub enum Job {
    /// A task that needs no state.
    Plain(Task),
    /// A relay between peers that share no codec.
    Convert(Box<Convert>),
    /// A tone that is being sent.
    Tone(Box<ToneSource>),
    /// A signal that is being sent.
    Signal(Box<SignalSource>),
    /// Files that are being played.
    Play(Box<Playback>),
    /// A conference room.
    Seat(Box<Seat>),
    /// A program that listens and speaks.
    Audio(Box<Line>),
}

/// One use of a slot.
///
/// The order is kept: what each packet needs comes first, close together, for it is in no near cache when one comes.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Port {
    /// Which slot.
    pub slot: u32,
    /// Whether what is heard may be passed on.
    pub receive: bool,
    send: bool,
    drained: bool,
    inactive: bool,
    alive_ns: u64,
    /// When the RTP socket was read last.
    read_ns: u64,
    /// What the port does.
    pub job: Job,
    /// Keys of what is heard; none in the clear.
    pub security: Option<Box<Security>>,
    /// The path by ICE and the session by DTLS; nearly always none.
    pub association: Option<Box<Association>>,
    /// A header extension that is written and observed; nearly always none.
    pub watched: Option<Box<Watched>>,
    /// Who records what is heard; nearly always nobody.
    pub taps: Option<Box<Taps>>,
    /// What is heard, as even sound: while anybody wants that.
    pub ear: Option<Box<Ear>>,
    /// What is listened for in the peer's sound.
    pub hearing: Option<Box<Hearing>>,
    /// What the peer sends and takes, if that was told.
    pub formats: Option<Arc<Formats>>,
    /// The same of the port that it is linked with.
    pub other: Option<Arc<Formats>>,
    /// Losses and jitter.
    pub reception: Reception,
    connected: Option<SocketAddr>,
    /// Who is heard.
    pub latch: Latch,
    /// What the peer signalled last.
    pub remote: Option<Remote>,
    /// How far it is on its way into the kernel.
    pub passage: Passage,
    /// Keys to be pressed; nearly always none.
    pub keys: Option<Box<Keys>>,
    /// What is said in the place of all else; nearly always nothing.
    pub overlay: Option<Box<Overlay>>,
    /// Keys.
    pub dtmf: DtmfDetector,
    /// Random bits for what the port itself sends.
    pub seed: u64,
    /// What its reports tell.
    pub reports: Reports,
    /// What the port itself says; made when it speaks for the first time.
    pub voice: Option<Box<Voice>>,
    /// How it speaks; as the one before.
    pub mouth: Option<Box<Mouth>>,
    /// Programs that only listen.
    pub lines: Vec<Line>,
    rtcp_source: Option<SocketAddr>,
    generation: u32,
    /// Events that the peer may cause.
    events: Cell<Allowance>,
    /// Packets of the peer that may be looked into.
    attention: Allowance,
}

impl Port {
    /// A port that neither hears nor sends yet.
    pub fn new(slot: u32, generation: u32, seed: u64, context: &Context<'_>) -> Self {
        let config = &context.shared.config;
        let times =
            Times { learn_ns: config.learn.as_nanos() as u64, relearn_ns: config.relearn.as_nanos() as u64 };
        let mut port = Self {
            slot,
            generation,
            seed,
            job: Job::Plain(Task::Idle),
            remote: None,
            receive: true,
            latch: Latch::new(times),
            security: None,
            watched: None,
            reports: Reports::default(),
            association: None,
            reception: Reception::default(),
            dtmf: DtmfDetector::default(),
            taps: None,
            voice: None,
            mouth: None,
            ear: None,
            lines: Vec::new(),
            formats: None,
            other: None,
            keys: None,
            passage: Passage::default(),
            overlay: None,
            hearing: None,
            send: true,
            rtcp_source: None,
            connected: None,
            drained: false,
            alive_ns: context.now_ns,
            read_ns: 0,
            inactive: false,
            events: Cell::new(Allowance::new(MOST_EVENTS * EVENT_NS, 1)),
            attention: Allowance::new(MOST_PACKETS * PACKET_NS, 1),
        };
        port.forget_seal(context);
        port.set_extension(context, None);
        port.publish(context);
        port
    }

    /// An offer or answer arrived.
    pub fn set_remote(&mut self, context: &Context<'_>, remote: Remote) {
        if self.remote.is_none_or(|before| before.rtcp != remote.rtcp || before.rtp != remote.rtp) {
            self.rtcp_source = None;
        }
        self.remote = Some(remote);
        self.slot(context).counts.clock(remote.clock_hz);
        self.latch.aim(context.now_ns, remote.policy, remote.rtp);
        self.watch(context.now_ns);
        if let (Policy::Signalled, Some(rtp), None) = (remote.policy, remote.rtp, self.path()) {
            self.connect(context, rtp);
        }
        self.publish(context);
        self.seek_partner(context);
    }

    /// Another task.
    pub fn work(&mut self, context: &Context<'_>, task: Task) {
        self.end_signal();
        if let (Job::Convert(convert), Task::Convert(peer)) = (&self.job, task)
            && convert.peer == peer
        {
            // Linked again, after another offer and answer: the stream goes on.
            return self.watch(context.now_ns);
        }
        self.begin(
            context,
            match task {
                Task::Tone(tone) => Job::Tone(Box::new(ToneSource::new(tone))),
                Task::Convert(peer) => Job::Convert(Box::new(Convert::new(peer, self.seed.rotate_left(23)))),
                other => Job::Plain(other),
            },
        );
    }

    /// Begins a job; what the port did before is over.
    pub fn begin(&mut self, context: &Context<'_>, job: Job) {
        if let Job::Play(playback) = &self.job {
            self.tell(context, playback.stopped());
        }
        if let Job::Seat(seat) = &self.job {
            seat.hall.lock().leave(self.slot);
        }
        self.end_signal();
        self.job = job;
        self.other = None;
        self.seed = self.seed.rotate_left(7);
        self.watch(context.now_ns);
        self.publish(context);
    }

    /// Belongs to another owner, who is told of its playback too.
    pub fn adopt(&mut self, owner: Arc<str>) {
        if let Job::Play(playing) = &mut self.job {
            playing.adopt(owner);
        }
    }

    /// Ends a playback, if it is what the port does.
    pub fn stop_play(&mut self, context: &Context<'_>, playback: &str) {
        if let Job::Play(playing) = &self.job
            && *playing.id == *playback
        {
            self.begin(context, Job::Plain(Task::Idle));
        }
    }

    /// Hold or resume.
    pub fn set_direction(&mut self, context: &Context<'_>, send: bool, receive: bool) {
        (self.send, self.receive) = (send, receive);
        self.watch(context.now_ns);
        self.publish(context);
    }

    /// The use ends: nothing is sent any more.
    pub fn close(&mut self, context: &Context<'_>) {
        self.leave_kernel(context);
        self.say_bye(context);
        self.begin(context, Job::Plain(Task::Idle));
        self.taps = None;
        self.keys = None;
        self.lines = Vec::new();
        self.ear = None;
        self.overlay = None;
        self.hearing = None;
        self.security = None;
        self.association = None;
        self.set_extension(context, None);
        self.slot(context).egress.store(&Egress::default());
        self.forget_seal(context);
    }

    /// The peer was locked to a source.
    pub fn locked(&mut self, context: &Context<'_>, source: SocketAddr) {
        self.leave_kernel(context);
        self.connect(context, source);
        self.publish(context);
        self.tell(context, Event::Latched { source, rtcp: false });
    }

    /// Whether an RTCP packet from this source is the peer's; it is if it comes from the signalled address
    /// or, behind NAT, from the host whose RTP is heard.
    pub fn accepts_rtcp(&mut self, context: &Context<'_>, source: SocketAddr) -> bool {
        let Some(remote) = self.remote else { return false };
        if self.rtcp_source == Some(source) {
            return true;
        }
        let same_host = self.latch.locked().is_some_and(|rtp| rtp.ip() == source.ip());
        if remote.rtcp != Some(source) && !(remote.policy == Policy::Nat && same_host) {
            return false;
        }
        self.rtcp_source = Some(source);
        self.publish(context);
        self.tell(context, Event::Latched { source, rtcp: true });
        true
    }

    /// Whether the RTP socket can hold packets of the locked source only.
    pub fn is_exclusive(&self) -> bool {
        self.drained && self.connected == self.latch.locked()
    }

    /// The RTP socket is read now: whether a single packet may be taken and the rest, if there is any, left for the next
    /// look. Not when it was read a moment ago, for then there may be many, nor while it has to be emptied.
    pub fn brings_one(&mut self, now_ns: u64) -> bool {
        let since_ns = now_ns.saturating_sub(std::mem::replace(&mut self.read_ns, now_ns));
        since_ns >= APART_NS && self.is_exclusive()
    }

    /// Something of all that the next packet of the peer needs, read so that it is in the cache by then: here, at its
    /// slot, and at the slot that it goes to.
    pub fn touch(&self, shared: &Shared) -> u64 {
        let here = self.alive_ns
            ^ u64::from(self.association.is_some() ^ self.other.is_some() ^ self.connected.is_some())
            ^ u64::from(self.latch.locked().is_some() ^ self.remote.is_some() ^ self.passage.is_handed())
            ^ u64::from(self.reception.ssrc().is_some() ^ (self.reception.jitter().0 == 0));
        let keys = self.security.as_ref().map_or(0, |security| security.touch());
        let there = match self.job {
            Job::Plain(Task::Relay(peer)) => {
                let slot = shared.slot(peer.slot);
                let seal = if slot.egress.is_sealed() { slot.touch_seal() } else { 0 };
                slot.egress.touch() ^ slot.touch() ^ seal
            }
            _ => 0,
        };
        here ^ keys ^ there ^ shared.slot(self.slot).touch()
    }

    /// The RTP socket was read until it was empty: from now on it holds what it is connected to.
    pub fn emptied(&mut self) {
        self.drained = self.connected.is_some();
    }

    /// A packet of the peer arrived.
    pub fn alive(&mut self, context: &Context<'_>) {
        self.alive_ns = context.now_ns;
        if self.inactive {
            self.inactive = false;
            self.tell(context, Event::Active);
        }
    }

    /// What a payload type means: as was told, or as it is fixed.
    pub fn format_of(&self, payload_type: u8) -> Option<Format> {
        let told = self.formats.as_ref().and_then(|formats| formats.heard(payload_type));
        told.or_else(|| fixed(payload_type))
    }

    /// What the peer sends and takes was told.
    pub fn set_formats(&mut self, formats: Arc<Formats>) {
        if let Job::Seat(seat) = &self.job {
            seat.hall.lock().set_speech(self.slot, formats.send);
        }
        self.formats = Some(formats);
    }

    /// Whether anybody wants even sound.
    fn is_listened_to(&self) -> bool {
        matches!(self.job, Job::Seat(_) | Job::Audio(_)) || !self.lines.is_empty()
    }

    /// A beat: what was heard in 20 ms goes to all who want it.
    pub fn hear(&mut self, context: &Context<'_>) {
        if !self.lines.is_empty() {
            keep_open(&mut self.lines);
        }
        if matches!(&self.job, Job::Audio(line) if line.is_closed()) {
            self.begin(context, Job::Plain(Task::Idle));
        }
        if !self.is_listened_to() {
            self.ear = None;
            return;
        }
        let mut ear = self.ear.take().unwrap_or_default();
        if let Job::Seat(seat) = &self.job {
            ear.prefer(seat.hall.rate_hz);
        }
        let frame = ear.pull(context.now_ns);
        self.slot(context).counts.invented(frame.concealed, frame.late);
        match &mut self.job {
            Job::Seat(seat) => seat.bring(self.slot, &frame),
            Job::Audio(line) => line.hear(&frame),
            _ => {}
        }
        self.lines.iter_mut().for_each(|line| line.hear(&frame));
        self.ear = Some(ear);
    }

    /// Tells of a key.
    pub fn pressed(&self, context: &Context<'_>, digit: Digit) {
        let clock_hz = self.remote.map_or(8000, |remote| remote.clock_hz);
        let duration_ms = (u64::from(digit.duration) * 1000 / u64::from(clock_hz.max(1))) as u32;
        self.tell(context, Event::Dtmf { key: digit.key, duration_ms });
    }

    /// What is due now and then: silence, and keys whose release was lost.
    pub fn tick(&mut self, context: &Context<'_>) {
        if self.dtmf.is_pressed()
            && let Some(digit) = self.dtmf.flush(context.now_ns / 1000, KEY_RELEASED_US)
        {
            self.pressed(context, digit);
        }
        if self.hearing.is_some() {
            self.hear_silence(context);
        }
        if let Some(security) = &mut self.security {
            security.tick(context.now_ns);
        }
        self.report(context);
        self.consider_kernel(context);
        let limit_ns = context.shared.config.inactivity.as_nanos() as u64;
        let silent_ns = context.now_ns.saturating_sub(self.alive_ns);
        if limit_ns > 0 && !self.inactive && silent_ns >= limit_ns && self.expects_media() {
            self.inactive = true;
            self.tell(context, Event::Inactive { seconds: silent_ns as f64 / 1e9 });
        }
    }

    /// Puts an event of this port into the queue. What its peer causes faster than it may is counted as dropped: it
    /// would displace what others have to tell.
    pub fn tell(&self, context: &Context<'_>, event: Event) {
        if event.is_the_peers() && !self.may_tell(context.now_ns) {
            return context.shared.events.drop_one();
        }
        context.shared.events.push(PortEvent { slot: self.slot, generation: self.generation, event });
    }

    fn may_tell(&self, now_ns: u64) -> bool {
        let mut events = self.events.get();
        let may = events.take(now_ns, EVENT_NS);
        self.events.set(events);
        may
    }

    /// Whether a packet of the peer is decoded, recorded or listened to: its peer may send as many as it likes, but not
    /// have us work for each.
    pub fn attends(&mut self, now_ns: u64) -> bool {
        let wanted = self.taps.is_some() || self.ear.is_some() || self.hearing.is_some();
        wanted && self.attention.take(now_ns, PACKET_NS)
    }

    /// The slot that this is a use of.
    pub fn slot<'a>(&self, context: &Context<'a>) -> &'a Slot {
        context.shared.slot(self.slot)
    }

    /// Whom the RTP socket is connected to.
    pub fn connected(&self) -> Option<SocketAddr> {
        self.connected
    }

    /// When the peer was heard last.
    pub fn alive_ns(&self) -> u64 {
        self.alive_ns
    }

    /// The way out to this port's own peer.
    pub fn egress(&self) -> Egress {
        let path = self.path();
        let rtp = path.unwrap_or_else(|| self.latch.locked().or(self.remote.and_then(|remote| remote.rtp)));
        Egress {
            generation: self.generation,
            sends: self.send,
            mux: self.is_muxed(),
            connected: rtp.is_some() && rtp == self.connected,
            sealed: self.security.is_some(),
            reporting: self.is_reporting(),
            extended: self.watched.is_some(),
            occupied: self.overlay.is_some(),
            rtp,
            rtcp: self.rtcp_source.or(self.remote.and_then(|remote| remote.rtcp)),
        }
    }

    /// Whether RTCP shares the RTP port: said by the description, or by ICE, which finds one path.
    pub fn is_muxed(&self) -> bool {
        self.remote.is_some_and(|remote| remote.mux) || self.path().is_some()
    }

    fn expects_media(&self) -> bool {
        let idle = matches!(self.job, Job::Plain(Task::Idle));
        self.receive && !idle && self.egress().rtp.is_some()
    }

    fn watch(&mut self, now_ns: u64) {
        self.alive_ns = now_ns;
        self.inactive = false;
    }

    /// Connects the RTP socket to where the peer is.
    pub fn connect(&mut self, context: &Context<'_>, source: SocketAddr) {
        if self.connected == Some(source) {
            return;
        }
        self.drained = false;
        let sockets = self.slot(context).sockets.get();
        let done = sockets.is_some_and(|sockets| connect(&sockets.rtp, &source).is_ok());
        self.connected = done.then_some(source);
    }

    /// Lets every worker know the way out.
    pub fn publish(&self, context: &Context<'_>) {
        self.slot(context).egress.store(&self.egress());
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// A packet of a plain call needs what lies before `latch`, the beginning of that, and a little behind it.
    #[test]
    fn what_each_packet_needs_lies_close_together() {
        assert!(offset_of!(Port, security) <= 64, "{}", offset_of!(Port, security));
        assert!(offset_of!(Port, latch) <= 256, "{}", offset_of!(Port, latch));
        assert_eq!(offset_of!(Slot, counts), 80);
    }
}
