use super::*;
use crate::stun::attribute;

const SECOND: u64 = 1_000_000_000;
const A: &str = "192.0.2.1:4000";
const B: &str = "192.0.2.1:5000";
const OURS: (&str, &str) = ("ours", "a password of 22 signs");
const NEWER: (&str, &str) = ("newer", "another of more signs");

/// A request with our name and nothing else so far.
fn named(bytes: &mut Vec<u8>) -> Writer<'_> {
    Writer::new(bytes, Class::Request, &[9; 12]).attribute(attribute::USERNAME, b"ours:x")
}

struct Bench {
    agent: Agent,
    now: u64,
    answer: Vec<u8>,
}

fn credentials((ufrag, password): (&str, &str)) -> Credentials {
    Credentials { ufrag: ufrag.into(), password: password.into() }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Bench {
    fn new() -> Self {
        Self { agent: Agent::new(credentials(OURS)), now: SECOND, answer: Vec::new() }
    }

    /// A check as a controlling agent makes it, and what it changed.
    fn check(&mut self, source: &str, by: (&str, &str), priority: u32, nominates: bool) -> Option<Event> {
        let mut bytes = Vec::new();
        let username = format!("{}:theirs", by.0);
        let mut writer = Writer::new(&mut bytes, Class::Request, &[9; 12])
            .attribute(attribute::USERNAME, username.as_bytes())
            .attribute(attribute::PRIORITY, &priority.to_be_bytes())
            .attribute(attribute::ICE_CONTROLLING, &[1; 8]);
        if nominates {
            writer = writer.attribute(attribute::USE_CANDIDATE, &[]);
        }
        writer.integrity(by.1.as_bytes()).fingerprint();
        self.receive(source, &bytes)
    }

    fn receive(&mut self, source: &str, bytes: &[u8]) -> Option<Event> {
        self.agent.receive(self.now, address(source), bytes, &mut self.answer)
    }

    fn answered(&self) -> Option<u16> {
        let message = Message::parse(&self.answer).ok()?;
        assert_eq!(message.transaction(), &[9; 12]);
        assert_eq!(message.has_right_fingerprint(), Some(true));
        (message.class() == Class::Error).then(|| message.error_code().unwrap())
    }
}

#[test]
fn a_check_is_answered_with_where_it_came_from() {
    let mut bench = Bench::new();
    assert_eq!(bench.check(A, OURS, 1, false), Some(Event::Usable(address(A))));
    let answer = Message::parse(&bench.answer).unwrap();
    assert_eq!((answer.class(), answer.transaction()), (Class::Success, &[9; 12]));
    assert_eq!(answer.mapped_address(), Some(address(A)));
    assert_eq!(answer.is_authentic(OURS.1.as_bytes()), Some(true));
    assert_eq!(answer.has_right_fingerprint(), Some(true));
    assert!(bench.agent.is_valid(address(A)) && !bench.agent.is_valid(address(B)));
    assert_eq!(bench.check(A, OURS, 1, true), Some(Event::Chosen(address(A))));
    assert_eq!(bench.check(A, OURS, 1, true), None);
}

#[test]
fn a_stranger_gets_no_answer() {
    let mut bench = Bench::new();
    assert_eq!(bench.check(A, ("other", OURS.1), 1, true), None);
    assert!(bench.answer.is_empty());
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, Class::Request, &[9; 12]).fingerprint();
    assert_eq!(bench.receive(A, &bytes), None);
    assert!(bench.answer.is_empty());
    assert_eq!(bench.agent.path(), None);
}

#[test]
fn a_wrong_password_a_missing_proof_and_an_unknown_attribute_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.check(A, (OURS.0, "wrong"), 1, true), None);
    assert_eq!(bench.answered(), Some(401));
    let mut bytes = Vec::new();
    named(&mut bytes).fingerprint();
    assert_eq!(bench.receive(A, &bytes), None);
    assert_eq!(bench.answered(), Some(400));
    named(&mut bytes).attribute(0x7001, &[]).integrity(OURS.1.as_bytes()).fingerprint();
    assert_eq!(bench.receive(A, &bytes), None);
    assert_eq!(bench.answered(), Some(420));
    let unknown = Message::parse(&bench.answer).unwrap().value(attribute::UNKNOWN_ATTRIBUTES);
    assert_eq!(unknown, Some(&[0x70, 1][..]));
    assert!(!bench.agent.is_valid(address(A)));
}

#[test]
fn who_believes_to_be_controlled_is_told_of_the_conflict() {
    let mut bench = Bench::new();
    let mut bytes = Vec::new();
    Writer::new(&mut bytes, Class::Request, &[9; 12])
        .attribute(attribute::USERNAME, b"ours:theirs")
        .attribute(attribute::ICE_CONTROLLED, &[1; 8])
        .integrity(OURS.1.as_bytes())
        .fingerprint();
    assert_eq!(bench.receive(A, &bytes), None);
    assert_eq!(bench.answered(), Some(487));
}

#[test]
fn the_newest_nomination_wins() {
    let mut bench = Bench::new();
    assert_eq!(bench.check(A, OURS, 9, true), Some(Event::Chosen(address(A))));
    assert_eq!(bench.check(B, OURS, 1, false), None);
    assert_eq!(bench.check(B, OURS, 1, true), Some(Event::Chosen(address(B))));
    assert_eq!(bench.check(A, OURS, 9, false), None);
    assert_eq!(bench.agent.path(), Some(address(B)));
}

#[test]
fn of_a_peer_that_nominates_all_the_highest_priority_wins() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.check(A, OURS, 9, true);
        bench.check(B, OURS, 1, true);
        bench.now += SECOND / 20;
    }
    assert_eq!(bench.agent.path(), Some(address(A)));
    // It leaves the better pair: checks go on, nominations do not.
    bench.check(A, OURS, 9, false);
    assert_eq!(bench.check(B, OURS, 1, true), Some(Event::Chosen(address(B))));
}

#[test]
fn consent_lasts_as_long_as_checks_come_and_is_given_again() {
    let mut bench = Bench::new();
    bench.check(A, OURS, 1, true);
    for _ in 0..10 {
        bench.now += 25 * SECOND;
        assert_eq!(bench.agent.tick(bench.now), None);
        assert_eq!(bench.check(A, OURS, 1, false), None);
    }
    assert_eq!(bench.agent.deadline_ns(), Some(bench.now + CONSENT_NS));
    bench.now += CONSENT_NS;
    assert_eq!(bench.agent.tick(bench.now), Some(Event::Lost));
    assert_eq!(bench.agent.tick(bench.now), None);
    assert_eq!((bench.agent.path(), bench.agent.is_valid(address(A))), (None, false));
    assert_eq!(bench.check(A, OURS, 1, false), Some(Event::Usable(address(A))));
    assert_eq!(bench.check(A, OURS, 1, true), Some(Event::Chosen(address(A))));
}

#[test]
fn another_pair_that_is_alive_takes_over_from_a_lost_one() {
    let mut bench = Bench::new();
    bench.check(A, OURS, 1, true);
    bench.now += CONSENT_NS / 2;
    bench.check(B, OURS, 1, false);
    bench.now += CONSENT_NS / 2;
    assert_eq!(bench.agent.tick(bench.now), Some(Event::Usable(address(B))));
}

#[test]
fn a_restart_keeps_the_path_until_the_new_one_is_nominated() {
    let mut bench = Bench::new();
    bench.check(A, OURS, 9, true);
    bench.agent.set_credentials(credentials(NEWER));
    bench.agent.set_credentials(credentials(NEWER));
    assert_eq!(bench.check(A, OURS, 9, true), None);
    assert!(!bench.answer.is_empty());
    assert_eq!(bench.check(B, NEWER, 1, false), None);
    assert_eq!(bench.agent.path(), Some(address(A)));
    assert_eq!(bench.check(B, NEWER, 1, true), Some(Event::Chosen(address(B))));
    assert_eq!(bench.check(A, OURS, 9, true), None);
    assert!(bench.answer.is_empty());
}

#[test]
fn no_more_pairs_than_so_many_are_remembered_and_the_chosen_one_always() {
    let mut bench = Bench::new();
    bench.check(A, OURS, 1, true);
    for port in 6000..6100 {
        bench.now += 1;
        bench.check(&format!("192.0.2.1:{port}"), OURS, 1, false);
    }
    assert_eq!(bench.agent.pairs.len(), PAIRS);
    assert_eq!(bench.agent.path(), Some(address(A)));
}

#[test]
fn answers_and_indications_are_not_answered() {
    let mut bench = Bench::new();
    for class in [Class::Indication, Class::Success, Class::Error] {
        let mut bytes = Vec::new();
        Writer::new(&mut bytes, class, &[9; 12])
            .attribute(attribute::USERNAME, b"ours:theirs")
            .integrity(OURS.1.as_bytes())
            .fingerprint();
        assert_eq!(bench.receive(A, &bytes), None);
        assert!(bench.answer.is_empty());
    }
}
