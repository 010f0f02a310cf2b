//! What a port has beside its keys: the path that ICE finds and the DTLS session that agrees on the keys. Both share
//! the RTP port with media, and are told from it by a datagram's first octet (RFC 7983).

use std::net::SocketAddr;
use std::sync::PoisonError;

use trunkline_dtls::{Failure, Fingerprint, HANDSHAKE_NS, Identity, Keys, Outcome, Profile, Role, Session};
use trunkline_ice::{Agent, Credentials, Event as PathEvent};
use trunkline_rtp::srtp::{MasterKey, Suite};

use crate::allowance::Allowance;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::events::Event;
use crate::mailbox::Order;
use crate::port::{Context, Port};
use crate::relay::transmit;

/// Where a DTLS record has the low half of its number (RFC 6347 §4.1).
const RECORD_NUMBER: usize = 9;
/// What a datagram of a handshake may cost a worker, in nanoseconds, and how much of that in a row: 500 of all ports,
/// and 2000 a second. Whoever is not heard in time says it again.
const DATAGRAM_NS: u64 = 500_000;
const MOST_DATAGRAMS: u64 = 500;
/// The same for one port: 50 in a row, and 20 a second, more than a handshake with losses needs.
const OWN_DATAGRAM_NS: u64 = 50_000_000;
const MOST_OWN_DATAGRAMS: u64 = 50;

/// What a datagram is (RFC 7983 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connectivity check.
    Stun,
    /// A DTLS record.
    Dtls,
    /// RTP or RTCP.
    Media,
    /// Nothing that is expected here.
    Other,
}

impl Kind {
    /// Tells it from the first octet.
    pub fn of(bytes: &[u8]) -> Self {
        match bytes.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Media,
            _ => Self::Other,
        }
    }
}

/// With whom keys are to be agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Our role.
    pub role: Role,
    /// The peer's certificate.
    pub fingerprint: Fingerprint,
}

/// The state of one port's path and session.
#[derive(Debug, Default)]
pub struct Association {
    agent: Option<Agent>,
    handshake: Option<Handshake>,
    answer: Vec<u8>,
    /// When there is something to do without a packet; `u64::MAX`: never.
    deadline_ns: u64,
}

/// A session that is wanted, goes on or is over.
#[derive(Debug)]
struct Handshake {
    partner: Partner,
    /// Begins when there is a way to the peer.
    session: Option<Session>,
    since_ns: u64,
    failed: bool,
    /// So that no peer uses up what all ports of a worker share.
    allowance: Allowance,
}

/// What all handshakes of a worker may cost it, beside its calls.
pub fn handshake_allowance() -> Allowance {
    Allowance::new(MOST_DATAGRAMS * DATAGRAM_NS, 1)
}

impl Association {
    /// When [`Port::keep_association`] has something to do.
    pub fn deadline_ns(&self) -> u64 {
        self.deadline_ns
    }

    fn set_deadline(&mut self) {
        let path = self.agent.as_ref().and_then(Agent::deadline_ns);
        let handshake = self.handshake.as_ref().filter(|handshake| !handshake.failed);
        let handshake = handshake.and_then(|handshake| match &handshake.session {
            Some(session) => session.deadline_ns(),
            None => Some(handshake.since_ns + HANDSHAKE_NS),
        });
        self.deadline_ns = path.into_iter().chain(handshake).min().unwrap_or(u64::MAX);
    }
}

impl Port {
    /// Answers connectivity checks from now on; with other credentials it is a restart.
    pub fn set_ice(&mut self, context: &Context<'_>, credentials: Credentials) {
        let association = self.association.get_or_insert_default();
        match &mut association.agent {
            Some(agent) => agent.set_credentials(credentials),
            None => association.agent = Some(Agent::new(credentials)),
        }
        association.set_deadline();
        self.publish(context);
    }

    /// Agrees on keys by DTLS; nothing passes in the clear any more. The same partner again changes nothing, unless
    /// it failed before.
    pub fn set_dtls(&mut self, context: &Context<'_>, partner: Partner) {
        let association = self.association.get_or_insert_default();
        let goes_on = association
            .handshake
            .as_ref()
            .is_some_and(|handshake| handshake.partner == partner && !handshake.failed);
        if !goes_on {
            let since_ns = context.now_ns;
            association.handshake = Some(Handshake {
                partner,
                session: None,
                since_ns,
                failed: false,
                allowance: Allowance::new(MOST_OWN_DATAGRAMS * OWN_DATAGRAM_NS, 1),
            });
        }
        self.close_to_plain(context);
        self.seek_partner(context);
    }

    /// Begins the session that is wanted, if there is a way to the peer by now.
    pub fn seek_partner(&mut self, context: &Context<'_>) {
        if self.association.is_some() {
            self.begin_session(context);
            self.settle_association(context, None);
        }
    }

    /// Forgets session and path: keys come from the description, or there are none.
    pub fn forget_handshake(&mut self) {
        if let Some(association) = &mut self.association {
            association.handshake = None;
            association.set_deadline();
        }
    }

    /// Where media goes as ICE found it; `None` when ICE is not used here.
    pub fn path(&self) -> Option<Option<SocketAddr>> {
        Some(self.association.as_ref()?.agent.as_ref()?.path())
    }

    /// Whether media may come from a source as ICE knows it; `None` when ICE is not used here.
    pub fn is_on_path(&self, source: SocketAddr) -> Option<bool> {
        Some(self.association.as_ref()?.agent.as_ref()?.is_valid(source))
    }

    /// A datagram that begins like STUN.
    pub fn on_stun(&mut self, context: &Context<'_>, bytes: &[u8], source: SocketAddr) {
        let Some(association) = &mut self.association else { return };
        let Some(agent) = &mut association.agent else { return };
        let event = agent.receive(context.now_ns, source, bytes, &mut association.answer);
        let answer = std::mem::take(&mut association.answer);
        association.set_deadline();
        if let (false, Some(sockets)) = (answer.is_empty(), self.slot(context).sockets.get()) {
            transmit(&sockets.rtp, &answer, Some(source));
        }
        if let Some(association) = &mut self.association {
            association.answer = answer;
        }
        self.on_path_event(context, event);
    }

    /// A datagram that begins like DTLS.
    pub fn on_dtls(&mut self, context: &Context<'_>, bytes: &[u8], source: SocketAddr) {
        if self.association.as_ref().is_none_or(|association| association.handshake.is_none()) {
            return; // the peer is faster than its description: it will say it again
        }
        if self.is_on_path(source).is_none() {
            let Some(&number) = bytes.get(RECORD_NUMBER..).and_then(<[u8]>::first_chunk::<2>) else {
                self.slot(context).counts.invalid();
                return;
            };
            if !self.is_peer(context, source, None, u16::from_be_bytes(number)) {
                return;
            }
        } else if self.is_on_path(source) == Some(false) {
            self.slot(context).counts.foreign();
            return;
        }
        if !self.may_shake_hands(context) {
            self.slot(context).counts.invalid();
            return;
        }
        self.begin_session(context);
        let outcome = self.session().and_then(|session| session.receive(context.now_ns, bytes));
        self.settle_association(context, outcome);
    }

    /// Lets time pass for path and session.
    pub fn keep_association(&mut self, context: &Context<'_>) {
        let Some(association) = &mut self.association else { return };
        let event = association.agent.as_mut().and_then(|agent| agent.tick(context.now_ns));
        self.on_path_event(context, event);
        let outcome = self.session().and_then(|session| session.tick(context.now_ns));
        self.settle_association(context, outcome);
        let late = self.handshake().is_some_and(|handshake| {
            let waited_ns = context.now_ns.saturating_sub(handshake.since_ns);
            handshake.session.is_none() && !handshake.failed && waited_ns >= HANDSHAKE_NS
        });
        if late {
            self.settle_association(context, Some(Outcome::Failed(Failure::Timeout)));
        }
    }

    fn handshake(&mut self) -> Option<&mut Handshake> {
        self.association.as_mut()?.handshake.as_mut()
    }

    /// Whether a datagram of the handshake is looked at: what it costs is taken from the calls of this worker.
    fn may_shake_hands(&mut self, context: &Context<'_>) -> bool {
        let now_ns = context.now_ns;
        self.handshake().is_some_and(|handshake| handshake.allowance.take(now_ns, OWN_DATAGRAM_NS)) && {
            let mut shared = context.post.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
            shared.take(now_ns, DATAGRAM_NS)
        }
    }

    fn session(&mut self) -> Option<&mut Session> {
        self.handshake()?.session.as_mut()
    }

    fn on_path_event(&mut self, context: &Context<'_>, event: Option<PathEvent>) {
        match event {
            None => return,
            Some(PathEvent::Lost) => self.tell(context, Event::ConsentLost),
            Some(PathEvent::Chosen(to)) => {
                self.connect(context, to);
                self.tell(context, Event::Path { to });
            }
            Some(PathEvent::Usable(to)) => self.connect(context, to),
        }
        self.publish(context);
        self.seek_partner(context);
    }

    fn begin_session(&mut self, context: &Context<'_>) {
        let proven = self.path().is_some();
        if self.egress().rtp.is_none() {
            return;
        }
        let Some(identity) = context.shared.identity.get() else { return };
        if let Some(handshake) = self.handshake()
            && handshake.session.is_none()
            && !handshake.failed
        {
            let Partner { role, fingerprint } = handshake.partner.clone();
            handshake.session = Some(Session::new(identity, role, fingerprint, proven, context.now_ns));
        }
    }

    /// Sends what the session has to say, and takes note of what became of it.
    fn settle_association(&mut self, context: &Context<'_>, outcome: Option<Outcome>) {
        let to = self.egress().rtp;
        while let Some(packet) = self.session().and_then(Session::next_packet) {
            if let (Some(to), Some(sockets)) = (to, self.slot(context).sockets.get()) {
                transmit(&sockets.rtp, &packet, Some(to));
            }
        }
        match outcome {
            None => {}
            Some(Outcome::Keys(keys)) => self.take_keys(context, &keys),
            Some(Outcome::Failed(failure)) => {
                if let Some(handshake) = self.handshake() {
                    (handshake.failed, handshake.session) = (true, None);
                }
                self.lose_keys(context);
                self.tell(context, Event::SecurityFailed { reason: failure.to_string().into() });
            }
        }
        if let Some(association) = &mut self.association {
            association.set_deadline();
        }
    }

    fn take_keys(&mut self, context: &Context<'_>, keys: &Keys) {
        let suite = match keys.profile {
            Profile::Aes128CmSha1_80 => Suite::AesCm128Sha1_80,
            Profile::AeadAes128Gcm => Suite::AeadAes128Gcm,
            Profile::AeadAes256Gcm => Suite::AeadAes256Gcm,
        };
        let (send, receive) = (MasterKey::new(suite, &keys.send), MasterKey::new(suite, &keys.receive));
        if let (Some(send), Some(receive)) = (send, receive) {
            self.secure(context, send, Some(receive));
            self.tell(context, Event::Secured { suite: suite.name() });
        }
    }
}

impl Engine {
    /// Says who the engine is in DTLS: a certificate in DER and its ECDSA key in PKCS#8. Once.
    ///
    /// # Errors
    /// [`EngineError::Argument`] when they cannot be used, or there is an identity already.
    pub fn set_identity(&self, certificate: Vec<u8>, key: Vec<u8>) -> Result<(), EngineError> {
        let refused = |text: &str| EngineError::Argument(text.into());
        let identity = Identity::new(certificate, key)
            .map_err(|_| refused("the key of the DTLS certificate is no ECDSA key in PKCS#8"))?;
        self.shared.identity.set(identity).map_err(|_| refused("the engine has a DTLS identity already"))
    }

    /// The fingerprint of the engine's certificate.
    ///
    /// # Errors
    /// [`EngineError::Argument`] when it has none.
    pub fn fingerprint(&self) -> Result<String, EngineError> {
        let none = || EngineError::Argument("the engine was given no DTLS identity".into());
        self.shared.identity.get().map(|identity| identity.fingerprint().to_string()).ok_or_else(none)
    }

    /// Answers connectivity checks on a port.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`].
    pub fn set_ice(&self, id: &str, credentials: Credentials) -> Result<(), EngineError> {
        self.order_now(id, Order::SetIce(Box::new(credentials)))
    }

    /// Agrees on the keys of a port by DTLS.
    ///
    /// # Errors
    /// [`EngineError::UnknownPort`], or [`EngineError::Argument`] when the engine has no identity.
    pub fn set_dtls(&self, id: &str, partner: Partner) -> Result<(), EngineError> {
        self.fingerprint()?;
        self.order_now(id, Order::SetDtls(Box::new(partner)))?;
        // No packet needs to come for a handshake to begin.
        let slot = self.control().find(id)?.slot;
        self.shared.post_of(slot).wake_up();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Shared;
    use crate::shared::tests::shared;
    use trunkline_ice::CONSENT_NS;
    use trunkline_ice::stun::{Class, Writer, attribute};

    const PEER: &str = "192.0.2.1:4000";
    const SECOND: u64 = 1_000_000_000;

    fn at(shared: &Shared, now_ns: u64) -> Context<'_> {
        Context { shared, post: &shared.posts[0], now_ns }
    }

    fn check() -> Vec<u8> {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, Class::Request, &[9; 12])
            .attribute(attribute::USERNAME, b"ours:theirs")
            .attribute(attribute::USE_CANDIDATE, &[])
            .integrity(b"password")
            .fingerprint();
        bytes
    }

    fn told(shared: &Shared) -> Vec<Event> {
        shared.events.take().into_iter().map(|happened| happened.event).collect()
    }

    #[test]
    fn media_goes_to_the_chosen_path_until_consent_is_lost_and_again_when_it_is_back() {
        let shared = shared();
        let mut port = Port::new(0, 1, 7, &at(&shared, 0));
        port.set_ice(&at(&shared, 0), Credentials { ufrag: "ours".into(), password: "password".into() });
        assert_eq!(port.egress().rtp, None);
        let to: SocketAddr = PEER.parse().unwrap();
        for round in 0..2 {
            let now_ns = (1 + 100 * round) * SECOND;
            port.on_rtp_port(&at(&shared, now_ns), &mut check(), Some(to));
            assert_eq!(told(&shared), [Event::Path { to }]);
            assert_eq!((port.egress().rtp, shared.slot(0).egress.load().rtp), (Some(to), Some(to)));
            assert!(port.egress().mux);
            let deadline_ns = port.association.as_ref().unwrap().deadline_ns();
            assert_eq!(deadline_ns, now_ns + CONSENT_NS);
            port.keep_association(&at(&shared, deadline_ns));
            assert_eq!(told(&shared), [Event::ConsentLost]);
            assert_eq!(shared.slot(0).egress.load().rtp, None);
        }
    }

    #[test]
    fn a_session_that_never_finds_a_way_to_its_peer_fails_once() {
        let shared = shared();
        let mut port = Port::new(0, 1, 7, &at(&shared, 0));
        port.set_ice(&at(&shared, 0), Credentials { ufrag: "ours".into(), password: "password".into() });
        let partner = Partner { role: Role::Active, fingerprint: Fingerprint::of(b"certificate") };
        port.set_dtls(&at(&shared, 0), partner);
        assert!(port.egress().sealed);
        for now_ns in [HANDSHAKE_NS - 1, HANDSHAKE_NS, HANDSHAKE_NS + SECOND, 2 * HANDSHAKE_NS] {
            port.keep_association(&at(&shared, now_ns));
        }
        let events = told(&shared);
        assert!(matches!(events[..], [Event::SecurityFailed { .. }]), "{events:?}");
        assert_eq!(port.association.as_ref().unwrap().deadline_ns(), u64::MAX);
    }

    #[test]
    fn a_flood_at_one_port_leaves_handshakes_to_others_and_one_at_many_leaves_calls_their_worker() {
        let shared = shared();
        let now = at(&shared, SECOND);
        let partner = Partner { role: Role::Passive, fingerprint: Fingerprint::of(b"certificate") };
        let flooded = |_| {
            let mut port = Port::new(0, 1, 7, &now);
            port.set_dtls(&now, partner.clone());
            (0..10 * MOST_OWN_DATAGRAMS).filter(|_| port.may_shake_hands(&now)).count() as u64
        };
        let heard: Vec<u64> = (0..20).map(flooded).collect();
        let ports = (MOST_DATAGRAMS / MOST_OWN_DATAGRAMS) as usize;
        assert!(heard[..ports].iter().all(|&heard| heard == MOST_OWN_DATAGRAMS), "{heard:?}");
        assert!(heard[ports..].iter().all(|&heard| heard == 0), "{heard:?}");
        let later = at(&shared, 2 * SECOND);
        let mut port = Port::new(0, 1, 7, &later);
        port.set_dtls(&later, partner.clone());
        assert!(port.may_shake_hands(&later));
    }

    #[test]
    fn the_first_octet_tells_protocols_apart() {
        let kinds = [(0, Kind::Stun), (3, Kind::Stun), (4, Kind::Other), (22, Kind::Dtls), (63, Kind::Dtls)];
        for (first, kind) in kinds {
            assert_eq!(Kind::of(&[first, 0]), kind);
        }
        assert_eq!(Kind::of(&[0x80, 0]), Kind::Media);
        assert_eq!([Kind::of(&[]), Kind::of(&[192]), Kind::of(&[64])], [Kind::Other; 3]);
    }
}
