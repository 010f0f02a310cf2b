//! DTLS records, as the first thing that is heard and in the midst of a handshake: there are never keys of a stranger.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trunkline_dtls::{Fingerprint, Identity, Outcome, Role, Session};

const CERTIFICATE: &[u8] = include_bytes!("../../crates/dtls/testdata/a.der");
const KEY: &[u8] = include_bytes!("../../crates/dtls/testdata/a.p8");

fuzz_target!(|data: &[u8]| {
    let Some((&how, data)) = data.split_first() else { return };
    let Ok(identity) = Identity::new(CERTIFICATE.to_vec(), KEY.to_vec()) else { return };
    let role = if how & 1 == 0 { Role::Active } else { Role::Passive };
    let other = if how & 1 == 0 { Role::Passive } else { Role::Active };
    let stranger = Fingerprint::of(b"another certificate");
    let mut ours = Session::new(&identity, role, stranger, how & 2 != 0, 0);
    // Some true packets of a handshake first, so that what is behind the first messages is reached.
    let mut theirs = Session::new(&identity, other, identity.fingerprint().clone(), true, 0);
    for _ in 0..how >> 6 {
        while let Some(packet) = theirs.next_packet() {
            ours.receive(0, &packet);
        }
        while let Some(packet) = ours.next_packet() {
            theirs.receive(0, &packet);
        }
    }
    let mut data = data;
    let mut now_ns = 0;
    while let Some((&length, rest)) = data.split_first() {
        let (datagram, rest) = rest.split_at(rest.len().min(usize::from(length) * 4));
        data = rest;
        now_ns += 1_000_000_000;
        assert!(!matches!(ours.receive(now_ns, datagram), Some(Outcome::Keys(_))));
        while ours.next_packet().is_some() {}
        ours.tick(now_ns);
    }
});
