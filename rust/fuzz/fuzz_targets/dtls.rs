//! DTLS in both roles, two sessions of ours and somebody between them who loses, repeats, reorders, spoils and re-cuts
//! what they say, and says something else: there are never keys of a stranger, and keys of both are the same.
#![no_main]

use std::collections::{BTreeSet, VecDeque};
use std::sync::{LazyLock, Mutex, PoisonError};

use libfuzzer_sys::fuzz_target;
use trunkline_dtls::{Fingerprint, Identity, Keys, Outcome, Role, Session};
use trunkline_fuzz::{Script, spoil};

/// Datagrams that are on their way to one end at most.
const UNDER_WAY: usize = 32;
/// Datagrams that one datagram may cause.
const ANSWERS: usize = 32;
/// A record's header and that of a handshake message (RFC 6347 §4.1, §4.2.2).
const RECORD: usize = 13;
const MESSAGE: usize = 12;
const HANDSHAKE: u8 = 22;

static IDENTITIES: LazyLock<[Identity; 2]> = LazyLock::new(|| {
    let of = |certificate: &[u8], key: &[u8]| {
        Identity::new(certificate.to_vec(), key.to_vec()).expect("a key of ours")
    };
    [
        of(
            include_bytes!("../../crates/dtls/testdata/a.der"),
            include_bytes!("../../crates/dtls/testdata/a.p8"),
        ),
        of(
            include_bytes!("../../crates/dtls/testdata/b.der"),
            include_bytes!("../../crates/dtls/testdata/b.p8"),
        ),
    ]
});

struct Link {
    ends: [Session; 2],
    /// What is on its way to each.
    under_way: [VecDeque<Vec<u8>>; 2],
    keys: [Option<Keys>; 2],
    over: [bool; 2],
    /// Whether the first end is told to expect somebody else.
    stranger: bool,
    now_ns: u64,
}

impl Link {
    fn new(how: u8) -> Self {
        let [a, b] = &*IDENTITIES;
        let (stranger, proven) = (how & 4 != 0, how & 2 != 0);
        let expected =
            if stranger { Fingerprint::of(b"another certificate") } else { b.fingerprint().clone() };
        let (role, other) =
            if how & 1 == 0 { (Role::Active, Role::Passive) } else { (Role::Passive, Role::Active) };
        let ends = [
            Session::new(a, role, expected, proven, 0),
            Session::new(b, other, a.fingerprint().clone(), proven, 0),
        ];
        let mut link = Self {
            ends,
            under_way: Default::default(),
            keys: [None, None],
            over: [false; 2],
            stranger,
            now_ns: 0,
        };
        (0..2).for_each(|end| link.collect(end));
        link
    }

    fn receive(&mut self, end: usize, datagram: &[u8]) {
        let outcome = self.ends[end].receive(self.now_ns, datagram);
        self.told(end, outcome);
        self.collect(end);
    }

    fn pass(&mut self, pause_ns: u64) {
        self.now_ns += pause_ns;
        for end in 0..2 {
            let outcome = self.ends[end].tick(self.now_ns);
            self.told(end, outcome);
            self.collect(end);
            assert!(self.ends[end].deadline_ns().is_none_or(|at| at > self.now_ns));
        }
    }

    fn collect(&mut self, end: usize) {
        let mut sent = 0;
        while let Some(packet) = self.ends[end].next_packet() {
            sent += 1;
            assert!(
                sent <= ANSWERS && packet.len() <= 2048,
                "{sent} packets, the last of {} octets",
                packet.len()
            );
            if self.under_way[1 - end].len() < UNDER_WAY {
                self.under_way[1 - end].push_back(packet);
            }
        }
    }

    fn told(&mut self, end: usize, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return };
        assert!(!std::mem::replace(&mut self.over[end], true), "told twice");
        if let Outcome::Keys(keys) = outcome {
            assert!(!(self.stranger && end == 0), "keys of a stranger");
            self.keys[end] = Some(keys);
        }
        if let [Some(a), Some(b)] = &self.keys {
            assert_eq!((&a.send, &a.receive, a.profile), (&b.receive, &b.send, b.profile));
        }
    }

    /// Sends the first record of what is under way as two fragments of its message, with numbers of the script's.
    fn cut(&mut self, end: usize, script: &mut Script<'_>) -> Option<()> {
        let (at, number, overlap) = (script.octet()?, script.octet()?, script.octet()?);
        let Some(datagram) = self.under_way[end].front() else { return Some(()) };
        let Some(length) = datagram.get(11..RECORD).map(|two| usize::from(two[0]) << 8 | usize::from(two[1]))
        else {
            return Some(());
        };
        let Some(message) = datagram.get(RECORD..RECORD + length) else { return Some(()) };
        if datagram[0] != HANDSHAKE || message.len() <= MESSAGE {
            return Some(());
        }
        let body = &message[MESSAGE..];
        let at = usize::from(at) % body.len();
        let from = at.saturating_sub(usize::from(overlap & 0x7f));
        let fragment = |start: usize, end: usize, number: u8| {
            let mut record = datagram[..RECORD].to_vec();
            record[10] = record[10].wrapping_add(number);
            record[11..].copy_from_slice(&((end - start + MESSAGE) as u16).to_be_bytes());
            record.extend(&message[..MESSAGE]);
            record[RECORD + 6..RECORD + 9].copy_from_slice(&(start as u32).to_be_bytes()[1..]);
            record[RECORD + 9..RECORD + 12].copy_from_slice(&((end - start) as u32).to_be_bytes()[1..]);
            record.extend(&body[start..end]);
            record
        };
        let (first, second) = (fragment(0, at, 0), fragment(from, body.len(), number));
        let (first, second) = if overlap & 0x80 == 0 { (first, second) } else { (second, first) };
        self.receive(end, &first);
        self.receive(end, &second);
        Some(())
    }

    fn step(&mut self, what: u8, script: &mut Script<'_>) -> Option<()> {
        let end = usize::from(what >> 3 & 1);
        match what & 7 {
            0 => {
                for _ in 0..=what >> 5 {
                    for end in [end, 1 - end] {
                        if let Some(packet) = self.under_way[end].pop_front() {
                            self.receive(end, &packet);
                        }
                    }
                }
            }
            1 => {
                let mut packet = self.under_way[end].front().cloned().unwrap_or_default();
                spoil(script, &mut packet)?;
                self.receive(end, &packet);
            }
            2 => {
                let datagram = script.datagram()?;
                self.receive(end, datagram);
            }
            3 => self.cut(end, script)?,
            4 => drop(self.under_way[end].pop_front()),
            5 => {
                if let Some(packet) = self.under_way[end].pop_back() {
                    self.under_way[end].push_front(packet);
                }
            }
            6 => {
                if let Some(packet) = self.under_way[end].front().cloned() {
                    self.receive(end, &packet);
                }
            }
            _ => self.pass(u64::from(script.octet()?) * 10_000_000),
        }
        Some(())
    }
}

/// A panic within the crate beneath ends a session and nothing else, on purpose: such are listed, each place once. One of
/// ours ends the run.
fn list_panics() {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let fatal = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if place.contains("crates/") || place.contains("fuzz_targets/") || !place.contains("/registry/") {
            return fatal(panic);
        }
        if SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
            eprintln!("held back: {panic}");
        }
    }));
}

fuzz_target!(init: list_panics(), |data: &[u8]| {
    let mut script = Script(data);
    let Some(how) = script.octet() else { return };
    let mut link = Link::new(how);
    while let Some(what) = script.octet() {
        if link.step(what, &mut script).is_none() {
            break;
        }
    }
    // Whatever happened, it comes to an end.
    link.pass(60_000_000_000);
    assert!(link.over.iter().all(|&over| over));
});
