//! Connectivity checks: as they come, and with the integrity that only a peer can give.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use trunkline_ice::stun::{Class, Message, Writer, attribute};
use trunkline_ice::{Agent, Credentials, PAIRS};

fuzz_target!(|data: &[u8]| {
    let ours = || Credentials { ufrag: "ours".into(), password: "password".into() };
    let mut agent = Agent::new(ours());
    let mut answer = Vec::new();
    let source: SocketAddr = ([192, 0, 2, 1], 4000).into();
    let _ = Message::parse(data);
    agent.receive(0, source, data, &mut answer);
    assert!(answer.len() <= 64 + 2 * data.len());
    let mut now_ns = 0;
    for chunk in data.chunks(8) {
        let [port, kind, seconds, rest @ ..] = chunk else { break };
        let source: SocketAddr = ([192, 0, 2, 1], 4000 + u16::from(*port)).into();
        let mut check = Vec::new();
        let mut writer = Writer::new(&mut check, Class::Request, &[9; 12]);
        writer = writer.attribute(attribute::USERNAME, b"ours:theirs");
        if kind & 1 != 0 {
            writer = writer.attribute(attribute::USE_CANDIDATE, &[]);
        }
        writer.attribute(u16::from(*kind), rest).integrity(b"password").fingerprint();
        now_ns += u64::from(*seconds) * 1_000_000_000;
        agent.receive(now_ns, source, &check, &mut answer);
        agent.tick(now_ns);
        assert!(agent.path().is_none_or(|path| agent.is_valid(path)));
        if kind & 64 != 0 {
            agent.set_credentials(ours());
        }
    }
    assert!((0..=255).filter(|port| agent.is_valid(([192, 0, 2, 1], 4000 + port).into())).count() <= PAIRS);
});
