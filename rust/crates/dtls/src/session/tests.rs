use super::*;
use crate::keys::Profile;

const MILLISECOND: u64 = 1_000_000;

fn identity(which: char) -> Identity {
    let (certificate, key): (&[u8], &[u8]) = match which {
        'a' => (include_bytes!("../../testdata/a.der"), include_bytes!("../../testdata/a.p8")),
        _ => (include_bytes!("../../testdata/b.der"), include_bytes!("../../testdata/b.p8")),
    };
    Identity::new(certificate.to_vec(), key.to_vec()).unwrap()
}

/// A source of chance that repeats itself.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.next().is_multiple_of(of)
    }
}

/// Two sessions and what is on its way between them: when it arrives, at whom, what.
struct Link {
    ends: [Session; 2],
    outcomes: [Option<Outcome>; 2],
    under_way: Vec<(u64, usize, Vec<u8>)>,
    now: u64,
    chance: Chance,
    /// One packet of so many is lost; 0: none.
    lost: u64,
    /// How much later than others a packet may come, in milliseconds.
    late: u64,
    /// How often a packet is changed.
    changed: u64,
}

impl Link {
    fn new(seed: u64) -> Self {
        let (a, b) = (identity('a'), identity('b'));
        Self::of(
            Session::new(&a, Role::Active, b.fingerprint().clone(), true, 0),
            Session::new(&b, Role::Passive, a.fingerprint().clone(), seed.is_multiple_of(2), 0),
            seed,
        )
    }

    fn of(active: Session, passive: Session, seed: u64) -> Self {
        Self {
            ends: [active, passive],
            outcomes: [None, None],
            under_way: Vec::new(),
            now: 0,
            chance: Chance(seed),
            lost: 0,
            late: 0,
            changed: 0,
        }
    }

    /// Runs for so long, or until both know how it went.
    fn run(&mut self, until: u64) {
        while self.now < until && self.outcomes.iter().any(Option::is_none) {
            self.send();
            let next = self.under_way.iter().map(|(at, ..)| *at);
            let deadlines = self.ends.iter().filter_map(Session::deadline_ns);
            let Some(at) = next.chain(deadlines).min() else { return };
            self.now = at.max(self.now);
            self.deliver();
        }
        self.send();
    }

    fn send(&mut self) {
        for from in 0..2 {
            while let Some(mut packet) = self.ends[from].next_packet() {
                if self.lost > 0 && self.chance.one_in(self.lost) {
                    continue;
                }
                if self.changed > 0 && self.chance.one_in(self.changed) {
                    let at = self.chance.next() as usize % packet.len();
                    packet[at] ^= 1 << (self.chance.next() % 8);
                }
                let late = if self.late > 0 { self.chance.next() % self.late } else { 0 };
                self.under_way.push((self.now + (10 + late) * MILLISECOND, 1 - from, packet));
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.under_way.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, to, packet) in due {
            let outcome = self.ends[to].receive(now, &packet);
            self.told(to, outcome);
        }
        for end in 0..2 {
            let outcome = self.ends[end].tick(now);
            self.told(end, outcome);
        }
    }

    fn told(&mut self, end: usize, outcome: Option<Outcome>) {
        if outcome.is_some() {
            assert!(self.outcomes[end].is_none(), "told twice");
            self.outcomes[end] = outcome;
        }
    }

    fn assert_agreed(&self) {
        let [Some(Outcome::Keys(active)), Some(Outcome::Keys(passive))] = &self.outcomes else {
            panic!("{:?}", self.outcomes)
        };
        assert_eq!((&active.send, &active.receive), (&passive.receive, &passive.send));
        assert_ne!(active.send, active.receive);
        assert_eq!(active.profile, passive.profile);
        let octets = if active.profile == Profile::Aes128CmSha1_80 { 30 } else { active.send.len() };
        assert_eq!(active.send.len(), octets);
    }
}

#[test]
fn both_sides_come_to_the_same_keys() {
    for seed in 0..2 {
        let mut link = Link::new(seed);
        link.run(HANDSHAKE_NS);
        link.assert_agreed();
        assert!(link.now < 1000 * MILLISECOND);
    }
}

#[test]
fn loss_and_disorder_delay_the_keys_and_no_more() {
    for seed in 0..8 {
        let mut link = Link::new(seed);
        (link.lost, link.late) = (4, 60);
        link.run(2 * HANDSHAKE_NS);
        link.assert_agreed();
    }
}

#[test]
fn a_wrong_fingerprint_gives_no_keys_to_who_expected_another() {
    let (a, b) = (identity('a'), identity('b'));
    let active = Session::new(&a, Role::Active, a.fingerprint().clone(), true, 0);
    let passive = Session::new(&b, Role::Passive, a.fingerprint().clone(), true, 0);
    let mut link = Link::of(active, passive, 1);
    link.run(2 * HANDSHAKE_NS);
    assert_eq!(link.outcomes[0], Some(Outcome::Failed(Failure::Fingerprint)));
    assert_eq!(link.outcomes[1], Some(Outcome::Failed(Failure::Timeout)));
    assert!(link.ends.iter().all(|end| end.deadline_ns().is_none()));

    let active = Session::new(&a, Role::Active, b.fingerprint().clone(), true, 0);
    let passive = Session::new(&b, Role::Passive, b.fingerprint().clone(), true, 0);
    let mut link = Link::of(active, passive, 1);
    link.run(2 * HANDSHAKE_NS);
    assert_eq!(link.outcomes[1], Some(Outcome::Failed(Failure::Fingerprint)));
}

#[test]
fn a_silent_peer_is_given_up() {
    for role in [Role::Active, Role::Passive] {
        let mut session = Session::new(&identity('a'), role, identity('b').fingerprint().clone(), true, 0);
        let mut sent = 0;
        let (outcome, at) = loop {
            sent += std::iter::from_fn(|| session.next_packet()).count();
            let at = session.deadline_ns().unwrap();
            if let Some(outcome) = session.tick(at) {
                break (outcome, at);
            }
        };
        assert_eq!(outcome, Outcome::Failed(Failure::Timeout));
        assert_eq!(at, HANDSHAKE_NS);
        assert!(if role == Role::Active { (5..12).contains(&sent) } else { sent == 0 }, "{sent}");
        assert_eq!((session.tick(2 * HANDSHAKE_NS), session.deadline_ns()), (None, None));
        assert_eq!(session.receive(2 * HANDSHAKE_NS, &[22; 60]), None);
    }
}

#[test]
fn the_last_flight_is_answered_again_when_it_was_lost() {
    let mut link = Link::new(0);
    // Everything that the passive side says after the last word of the active one is lost.
    while link.outcomes[1].is_none() {
        link.send();
        link.now = link.under_way.iter().map(|(at, ..)| *at).min().unwrap();
        link.deliver();
    }
    while link.ends[1].next_packet().is_some() {}
    link.run(HANDSHAKE_NS);
    link.assert_agreed();
}

#[test]
fn changed_records_never_break_the_process() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut agreed = 0;
    for seed in 0..12 {
        let mut link = Link::new(seed);
        link.changed = 3 + seed % 3;
        link.run(2 * HANDSHAKE_NS);
        if matches!(&link.outcomes, [Some(Outcome::Keys(_)), Some(Outcome::Keys(_))]) {
            link.assert_agreed();
            agreed += 1;
        }
    }
    let _ = std::panic::take_hook();
    assert!(agreed > 0);
}

#[test]
fn random_records_do_no_harm_to_a_handshake() {
    let mut chance = Chance(7);
    for seed in 0..8 {
        let mut link = Link::new(seed);
        for _ in 0..200 {
            let mut bytes: Vec<u8> = (0..chance.next() % 200).map(|_| chance.next() as u8).collect();
            if let Some(first) = bytes.first_mut() {
                *first = 20 + (*first % 44);
            }
            let outcome = link.ends[1].receive(0, &bytes);
            link.told(1, outcome);
        }
        link.run(HANDSHAKE_NS);
        link.assert_agreed();
    }
}

#[test]
fn a_key_that_is_none_is_refused() {
    let refused = Identity::new(include_bytes!("../../testdata/a.der").to_vec(), vec![1, 2, 3]);
    let empty = Identity::new(Vec::new(), include_bytes!("../../testdata/a.p8").to_vec());
    assert!(refused.is_err() && empty.is_err());
}
