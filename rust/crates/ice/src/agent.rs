//! A lite agent: it has one candidate, is always controlled, and answers the checks of a full one.

use std::net::SocketAddr;

use crate::stun::{BINDING, Class, Message, Writer};

/// How many of the peer's addresses are remembered.
pub const PAIRS: usize = 16;
/// How long a pair lives without a check, in nanoseconds (RFC 7675 §5.1).
pub const CONSENT_NS: u64 = 30_000_000_000;
/// A pair that is nominated again so soon after another took its place belongs to a peer that nominates all.
const AGGRESSIVE_NS: u64 = 5_000_000_000;

/// What the description said, ours and the peer's.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Our username fragment: what a check's USERNAME begins with.
    pub ufrag: String,
    /// Our password: the key of checks to us and of our answers.
    pub password: String,
}

/// What a datagram or the time changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Media goes there from now on: the peer nominated the pair.
    Chosen(SocketAddr),
    /// Media may go there from now on: nothing is nominated, but the pair works.
    Usable(SocketAddr),
    /// No pair is left: nothing may be sent (RFC 7675 §5.1).
    Lost,
}

/// The state of one media stream; time is any steady count of nanoseconds.
pub struct Agent {
    current: Credentials,
    /// Those before a restart, until something is nominated by the new ones (RFC 8445 §9).
    before: Option<Credentials>,
    pairs: Vec<Pair>,
    chosen: Option<SocketAddr>,
    told: Option<Event>,
    aggressive: bool,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    source: SocketAddr,
    priority: u32,
    checked_ns: u64,
    /// Whether the latest check nominated it.
    insists: bool,
    /// When another took its place.
    displaced_ns: Option<u64>,
}

impl Agent {
    /// An agent that has heard nobody.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self {
            current: credentials,
            before: None,
            pairs: Vec::new(),
            chosen: None,
            told: None,
            aggressive: false,
        }
    }

    /// A new offer or answer: with other credentials it is a restart, and the pairs go on until the peer
    /// nominates one of the new ones.
    pub fn set_credentials(&mut self, credentials: Credentials) {
        if credentials != self.current {
            self.before = Some(std::mem::replace(&mut self.current, credentials));
        }
    }

    /// Takes a datagram that begins like STUN (RFC 7983); what to send back to `source` is written to `answer`,
    /// which stays empty when there is none: for a stranger, who does not know our username.
    pub fn receive(
        &mut self,
        now_ns: u64,
        source: SocketAddr,
        bytes: &[u8],
        answer: &mut Vec<u8>,
    ) -> Option<Event> {
        answer.clear();
        let message = Message::parse(bytes).ok()?;
        let request = message.class() == Class::Request && message.method() == BINDING;
        if !request || message.has_right_fingerprint() == Some(false) {
            return None;
        }
        let (password, fresh) = self.password_for(message.username()?)?;
        match message.is_authentic(password.as_bytes()) {
            Some(true) => {}
            Some(false) => {
                refuse(answer, &message, 401, "Unauthenticated").fingerprint();
                return None;
            }
            None => {
                refuse(answer, &message, 400, "Bad Request").fingerprint();
                return None;
            }
        }
        if message.unknown().next().is_some() {
            // Every answer is bounded by the request that it names the attributes of.
            let refusal = refuse(answer, &message, 420, "Unknown Attribute").unknown(message.unknown());
            refusal.integrity(password.as_bytes()).fingerprint();
            return None;
        }
        if message.controlled().is_some() {
            refuse(answer, &message, 487, "Role Conflict").integrity(password.as_bytes()).fingerprint();
            return None;
        }
        Writer::new(answer, Class::Success, message.transaction())
            .mapped_address(source)
            .integrity(password.as_bytes())
            .fingerprint();
        self.check(now_ns, source, &message, fresh)
    }

    /// Forgets pairs that were not checked for so long.
    pub fn tick(&mut self, now_ns: u64) -> Option<Event> {
        self.pairs.retain(|pair| now_ns.saturating_sub(pair.checked_ns) < CONSENT_NS);
        if self.chosen.is_some_and(|chosen| self.find(chosen).is_none()) {
            self.chosen = None;
        }
        self.tell()
    }

    /// When `tick` may have something to do: the first pair ends unless it is checked again.
    #[must_use]
    pub fn deadline_ns(&self) -> Option<u64> {
        self.pairs.iter().map(|pair| pair.checked_ns + CONSENT_NS).min()
    }

    /// Where media goes: to the nominated pair, before that to the first one that works.
    #[must_use]
    pub fn path(&self) -> Option<SocketAddr> {
        match self.told? {
            Event::Chosen(source) | Event::Usable(source) => Some(source),
            Event::Lost => None,
        }
    }

    /// Whether media may come from there: the pair was checked and is alive.
    #[must_use]
    pub fn is_valid(&self, source: SocketAddr) -> bool {
        self.find(source).is_some()
    }

    /// The password of the credentials that a USERNAME means, and whether they are the newest. The peer's part
    /// is not compared (RFC 8445 §7.3): it proves nothing, and may be newer than what we were told.
    fn password_for(&self, username: &[u8]) -> Option<(String, bool)> {
        let separator = username.iter().position(|&octet| octet == b':')?;
        let ufrag = &username[..separator];
        if self.current.ufrag.as_bytes() == ufrag {
            return Some((self.current.password.clone(), true));
        }
        let before = self.before.as_ref().filter(|before| before.ufrag.as_bytes() == ufrag)?;
        Some((before.password.clone(), false))
    }

    fn check(
        &mut self,
        now_ns: u64,
        source: SocketAddr,
        message: &Message<'_>,
        fresh: bool,
    ) -> Option<Event> {
        let priority = message.priority().unwrap_or(0);
        let insists = message.nominates();
        match self.pairs.iter_mut().find(|pair| pair.source == source) {
            Some(pair) => (pair.priority, pair.checked_ns, pair.insists) = (priority, now_ns, insists),
            None => {
                self.make_room();
                let pair = Pair { source, priority, checked_ns: now_ns, insists, displaced_ns: None };
                self.pairs.push(pair);
            }
        }
        if insists {
            self.nominate(now_ns, source, fresh);
        }
        self.tell()
    }

    /// The newest nomination wins. A peer that nominates every pair (RFC 5245 §8.1.1.2) shows it by naming one
    /// again that another has displaced: from then on the highest priority wins.
    fn nominate(&mut self, now_ns: u64, source: SocketAddr, fresh: bool) {
        let restarted = self.before.is_some();
        if fresh {
            self.before = None;
        }
        if self.chosen == Some(source) {
            return;
        }
        let Some(named) = self.find(source) else { return };
        let soon = named.displaced_ns.is_some_and(|at| now_ns.saturating_sub(at) < AGGRESSIVE_NS);
        self.aggressive |= soon;
        let chosen = self.chosen.and_then(|chosen| self.find(chosen));
        if let Some(chosen) = chosen {
            let better = chosen.insists && chosen.priority > named.priority;
            if self.aggressive && better && !(restarted && fresh) {
                return;
            }
            let displaced = chosen.source;
            if let Some(pair) = self.pairs.iter_mut().find(|pair| pair.source == displaced) {
                pair.displaced_ns = Some(now_ns);
            }
        }
        self.chosen = Some(source);
    }

    /// The pair that was checked longest ago gives way, unless media goes there.
    fn make_room(&mut self) {
        if self.pairs.len() < PAIRS {
            return;
        }
        let others = self.pairs.iter().enumerate().filter(|(_, pair)| Some(pair.source) != self.chosen);
        if let Some((oldest, _)) = others.min_by_key(|(_, pair)| pair.checked_ns) {
            self.pairs.swap_remove(oldest);
        }
    }

    fn tell(&mut self) -> Option<Event> {
        let now = match (self.chosen, self.told) {
            (Some(chosen), _) => Some(Event::Chosen(chosen)),
            // Pairs that are checked in turn do not take media from each other.
            (None, Some(Event::Usable(usable))) if self.find(usable).is_some() => self.told,
            (None, told) => self.latest().map(Event::Usable).or(told.map(|_| Event::Lost)),
        };
        if now == self.told {
            return None;
        }
        self.told = now;
        now
    }

    fn latest(&self) -> Option<SocketAddr> {
        self.pairs.iter().max_by_key(|pair| pair.checked_ns).map(|pair| pair.source)
    }

    fn find(&self, source: SocketAddr) -> Option<Pair> {
        self.pairs.iter().find(|pair| pair.source == source).copied()
    }
}

fn refuse<'a>(answer: &'a mut Vec<u8>, message: &Message<'_>, code: u16, reason: &str) -> Writer<'a> {
    Writer::new(answer, Class::Error, message.transaction()).error(code, reason)
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credentials({})", self.ufrag)
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Agent({}, {:?})", self.current.ufrag, self.told)
    }
}

#[cfg(test)]
mod tests;
