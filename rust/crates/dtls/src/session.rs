//! One handshake, and the answers that its peer may need afterwards.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use dimpl::{Dtls, Output, SecurityError};

use crate::fingerprint::Fingerprint;
use crate::identity::Identity;
use crate::keys::Keys;
use crate::request::widened_datagram;

/// How long a handshake may take from its beginning, in nanoseconds.
pub const HANDSHAKE_NS: u64 = 30_000_000_000;
/// Room for what comes out; a larger one is made when it is needed.
const ROOM: usize = 2048;
/// When to look again at a session whose timer has run out without a consequence, in nanoseconds.
const STALE_NS: u64 = 100_000_000;
/// The most that a peer's certificate may need.
const MOST: usize = 65_536;
/// Octets of a record before its first message, and types of records and messages (RFC 6347 §4.1, §4.3.2).
const RECORD_HEADER: usize = 13;
const HANDSHAKE_FAILURE: u8 = 40;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// Who begins (RFC 4145 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We send the ClientHello.
    Active,
    /// The peer does.
    Passive,
}

/// Why there will be no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The certificate is not the one whose fingerprint was told.
    Fingerprint,
    /// The handshake did not end in time.
    Timeout,
    /// The peer knows none of our SRTP profiles.
    Profile,
    /// The peer broke the protocol, or refused us.
    Protocol(String),
}

/// What a handshake came to; told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both sides have keys, and the peer is who it should be.
    Keys(Keys),
    /// There are none.
    Failed(Failure),
}

/// A DTLS association; time is any steady count of nanoseconds.
pub struct Session {
    dtls: Option<Dtls>,
    role: Role,
    peer: Fingerprint,
    /// The instant that `begun_ns` is called by.
    epoch: Instant,
    begun_ns: u64,
    next_ns: u64,
    proven: bool,
    connected: bool,
    keys: Option<Keys>,
    over: bool,
    packets: VecDeque<Vec<u8>>,
    room: Vec<u8>,
}

/// What ends a session from within.
enum End {
    Failed(Failure),
    Closed,
}

impl Session {
    /// Begins; `proven` says that the peer's address is known to be its own (by ICE), so that no cookie is needed.
    /// What is to be sent now is in [`next_packet`](Self::next_packet).
    #[must_use]
    pub fn new(identity: &Identity, role: Role, peer: Fingerprint, proven: bool, now_ns: u64) -> Self {
        let epoch = Instant::now();
        let begun = catch_unwind(AssertUnwindSafe(|| identity.begin(role, proven, epoch)));
        let mut session = Self {
            dtls: begun.ok(),
            role,
            peer,
            epoch,
            begun_ns: now_ns,
            next_ns: now_ns,
            proven: false,
            connected: false,
            keys: None,
            over: false,
            packets: VecDeque::new(),
            room: vec![0; ROOM],
        };
        if session.dtls.is_some() {
            // A failure shows itself again at the first tick.
            drop(session.advance(now_ns, None));
        }
        session
    }

    /// Takes a datagram that begins like DTLS (RFC 7983).
    pub fn receive(&mut self, now_ns: u64, datagram: &[u8]) -> Option<Outcome> {
        if self.dtls.is_none() || self.is_premature(datagram) {
            return self.tick(now_ns);
        }
        self.advance(now_ns, Some(datagram))
    }

    /// Lets time pass: what was lost is sent again.
    pub fn tick(&mut self, now_ns: u64) -> Option<Outcome> {
        if !self.over && now_ns.saturating_sub(self.begun_ns) >= HANDSHAKE_NS {
            return self.end(End::Failed(Failure::Timeout));
        }
        if self.dtls.is_none() {
            let failure = Failure::Protocol("the session did not begin".into());
            return if self.over { None } else { self.end(End::Failed(failure)) };
        }
        if now_ns < self.next_ns { None } else { self.advance(now_ns, None) }
    }

    /// When `tick` has something to do; `None` when it never will.
    #[must_use]
    pub fn deadline_ns(&self) -> Option<u64> {
        let limit = (!self.over).then_some(self.begun_ns + HANDSHAKE_NS);
        let next = self.dtls.as_ref().map(|_| self.next_ns);
        limit.into_iter().chain(next).min()
    }

    /// What is to be sent to the peer, in order.
    pub fn next_packet(&mut self) -> Option<Vec<u8>> {
        self.packets.pop_front()
    }

    fn advance(&mut self, now_ns: u64, datagram: Option<&[u8]>) -> Option<Outcome> {
        let now = self.epoch + Duration::from_nanos(now_ns.saturating_sub(self.begun_ns));
        // Some of what the crate beneath takes for impossible may be in the peer's hands: a panic in it ends
        // this session and nothing else.
        let worked = catch_unwind(AssertUnwindSafe(|| self.work(now_ns, now, datagram)));
        let ended = match worked {
            Ok(Ok(())) => None,
            Ok(Err(end)) => Some(end),
            Err(_) => Some(End::Failed(Failure::Protocol("the session broke at what the peer sent".into()))),
        };
        match ended {
            Some(end) => self.end(end),
            None => self.conclude(),
        }
    }

    fn work(&mut self, now_ns: u64, now: Instant, datagram: Option<&[u8]>) -> Result<(), End> {
        let Some(dtls) = self.dtls.as_mut() else { return Ok(()) };
        let role = self.role;
        let refused = |error: dimpl::Error| End::Failed(Failure::Protocol(words_of(&error, role)));
        dtls.handle_timeout(now).map_err(refused)?;
        self.drain(now_ns)?;
        if let (Some(datagram), Some(dtls)) = (datagram, self.dtls.as_mut()) {
            dtls.handle_packet(datagram).map_err(refused)?;
            self.drain(now_ns)?;
        }
        Ok(())
    }

    /// Takes out everything that there is; a pause to wait for is the last thing.
    fn drain(&mut self, now_ns: u64) -> Result<(), End> {
        let Some(dtls) = self.dtls.as_mut() else { return Ok(()) };
        loop {
            match dtls.poll_output(&mut self.room) {
                Output::Packet(packet) => {
                    let widened = if self.role == Role::Passive { widened_datagram(packet) } else { None };
                    self.packets.push_back(widened.unwrap_or_else(|| packet.to_vec()));
                }
                Output::BufferTooSmall { needed } if needed <= MOST => self.room.resize(needed, 0),
                Output::BufferTooSmall { .. } => return Err(End::Failed(Failure::Fingerprint)),
                Output::Timeout(at) => {
                    let pause_ns = at.saturating_duration_since(self.epoch).as_nanos();
                    let next_ns = self.begun_ns.saturating_add(u64::try_from(pause_ns).unwrap_or(u64::MAX));
                    // A timer that has run out but does nothing is told all the same.
                    self.next_ns = next_ns.max(now_ns + STALE_NS);
                    return Ok(());
                }
                Output::PeerCert(certificate) => {
                    self.proven = self.peer.is_of(certificate);
                    if !self.proven {
                        return Err(End::Failed(Failure::Fingerprint));
                    }
                }
                Output::Connected => self.connected = true,
                Output::KeyingMaterial(material, profile) => {
                    self.keys = Keys::part(&material, profile, self.role);
                }
                Output::CloseNotify => return Err(End::Closed),
                // No data is expected beside media.
                _ => {}
            }
        }
    }

    /// The keys are given out when the peer is proven, and once.
    fn conclude(&mut self) -> Option<Outcome> {
        if self.over || !self.connected {
            return None;
        }
        match self.keys.take() {
            Some(keys) if self.proven => {
                self.over = true;
                Some(Outcome::Keys(keys))
            }
            Some(_) => self.end(End::Failed(Failure::Fingerprint)),
            None => self.end(End::Failed(Failure::Profile)),
        }
    }

    fn end(&mut self, end: End) -> Option<Outcome> {
        self.dtls = None;
        self.keys = None;
        let failure = match end {
            End::Failed(failure) => failure,
            End::Closed => Failure::Protocol("the peer closed the session".into()),
        };
        (!std::mem::replace(&mut self.over, true)).then_some(Outcome::Failed(failure))
    }

    /// Whether it is no first word of a handshake although none has come, by which the version is known: the crate
    /// beneath would give up at once, or after a few. What was only too early comes again.
    fn is_premature(&self, datagram: &[u8]) -> bool {
        if self.dtls.as_ref().is_none_or(|dtls| dtls.protocol_version().is_some()) {
            return false;
        }
        let message = datagram.get(RECORD_HEADER).copied();
        match (self.role, datagram.first()) {
            (Role::Active, Some(&ALERT)) => false,
            (Role::Active, Some(&HANDSHAKE)) => !matches!(message, Some(SERVER_HELLO | HELLO_VERIFY_REQUEST)),
            (Role::Passive, Some(&HANDSHAKE)) => message != Some(CLIENT_HELLO),
            _ => true,
        }
    }
}

/// What went wrong, for whoever reads it in a call's story.
fn words_of(error: &dimpl::Error, role: Role) -> String {
    let dimpl::Error::SecurityError(SecurityError::FatalAlert { description }) = error else {
        return error.to_string();
    };
    let (number, name) = (*description, alert_name(*description));
    // RFC 5246 §7.2.2: that is how a server says that no suite fits its certificate.
    let advice = match (role, number) {
        (Role::Active, HANDSHAKE_FAILURE) => {
            "; it may have an RSA certificate, which is taken from peers that begin the handshake (a=setup:active)"
        }
        _ => "",
    };
    format!("the peer refused it with alert {number}, {name}{advice}")
}

/// The alerts that handshakes end with (RFC 5246 §7.2, RFC 8446 §6).
fn alert_name(number: u8) -> &'static str {
    match number {
        10 => "unexpected message",
        HANDSHAKE_FAILURE => "handshake failure",
        42..=46 => "it does not take our certificate",
        47 => "illegal parameter",
        48 => "unknown authority",
        50 | 51 => "our message or signature is wrong to it",
        70 => "protocol version",
        71 => "insufficient security",
        80 => "internal error",
        109 => "missing extension",
        116 => "certificate required",
        _ => "without a known name",
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint => {
                formatter.write_str("the peer's certificate does not have the fingerprint of its description")
            }
            Self::Timeout => formatter.write_str("the peer did not complete the DTLS handshake within 30 s"),
            Self::Profile => formatter.write_str("the peer agreed to no SRTP profile that is known here"),
            Self::Protocol(reason) => write!(formatter, "DTLS failed: {reason}"),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Session({:?}, connected: {})", self.role, self.connected)
    }
}

#[cfg(test)]
mod tests;
