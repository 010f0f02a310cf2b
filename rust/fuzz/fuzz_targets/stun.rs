//! Connectivity checks: as they come, and with the integrity that only a peer can give.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use trunkline_fuzz::{Script, spoil};
use trunkline_ice::stun::{Class, Message, Writer, attribute};
use trunkline_ice::{Agent, Credentials, PAIRS};

const PASSWORDS: [&str; 2] = ["password", "another"];

fn credentials(which: u8) -> Credentials {
    let which = usize::from(which & 1);
    Credentials { ufrag: ["ours", "ours2"][which].into(), password: PASSWORDS[which].into() }
}

fn source(which: u8) -> SocketAddr {
    let port = 4000 + u16::from(which);
    if which & 1 == 0 {
        ([192, 0, 2, 1], port).into()
    } else {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], port).into()
    }
}

fuzz_target!(|data: &[u8]| {
    let mut script = Script(data);
    let mut agent = Agent::new(credentials(0));
    let mut now_ns = 0;
    while let (Some(what), Some(from)) = (script.octet(), script.octet()) {
        now_ns += u64::from(what >> 3) * 250_000_000;
        match what & 7 {
            0 => agent.set_credentials(credentials(from)),
            1 => {
                let Some(datagram) = script.datagram() else { return };
                read(datagram);
                receive(&mut agent, now_ns, source(from), datagram);
            }
            _ => {
                let Some(mut check) = check(&mut script, what) else { return };
                receive(&mut agent, now_ns, source(from), &check);
                if what & 7 == 7 && spoil(&mut script, &mut check).is_some() {
                    read(&check);
                    receive(&mut agent, now_ns, source(from), &check);
                }
            }
        }
        let _ = agent.tick(now_ns);
        assert!(agent.path().is_none_or(|path| agent.is_valid(path)));
        assert!(agent.deadline_ns().is_none_or(|at| at > now_ns));
        assert!((0..=255).filter(|&which| agent.is_valid(source(which))).count() <= PAIRS);
    }
});

/// Each getter, whatever the message is.
fn read(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let _ =
        (message.class(), message.method(), message.transaction(), message.username(), message.priority());
    let _ = (message.nominates(), message.controlled(), message.controlling(), message.mapped_address());
    let _ = (message.is_authentic(b"password"), message.has_right_fingerprint());
    assert!(message.error_code().is_none_or(|code| code < 1000));
    assert!(message.unknown().count() <= bytes.len() / 4);
}

/// A check with attributes of the script's, signed with a password.
fn check(script: &mut Script<'_>, what: u8) -> Option<Vec<u8>> {
    let shape = script.octet()?;
    let class = [Class::Request, Class::Request, Class::Indication, Class::Success][usize::from(shape >> 6)];
    let mut check = Vec::new();
    let mut writer = Writer::new(&mut check, class, &[what; 12]);
    let names: [&[u8]; 4] = [b"ours:theirs", b"ours2:theirs", b"ours", b":"];
    writer = writer.attribute(attribute::USERNAME, names[usize::from(shape & 3)]);
    if shape & 4 != 0 {
        writer = writer.attribute(attribute::USE_CANDIDATE, &[]);
    }
    if shape & 8 != 0 {
        writer = writer.attribute(attribute::PRIORITY, &script.word()?.to_be_bytes());
    }
    for _ in 0..shape >> 4 & 3 {
        let (kind, length) = (script.short()?, script.octet()?);
        writer = writer.attribute(kind, script.octets(length.into()));
    }
    writer.integrity(PASSWORDS[usize::from(shape & 1)].as_bytes()).fingerprint();
    Some(check)
}

/// An answer is a STUN message, to this request, and not much longer than it.
fn receive(agent: &mut Agent, now_ns: u64, source: SocketAddr, bytes: &[u8]) {
    let mut answer = vec![0xaa; 7];
    let _ = agent.receive(now_ns, source, bytes, &mut answer);
    assert!(answer.len() <= 64 + 2 * bytes.len());
    if answer.is_empty() {
        return;
    }
    let (request, answer) = (Message::parse(bytes), Message::parse(&answer));
    let (request, answer) =
        (request.expect("only messages are answered"), answer.expect("an answer is a message"));
    assert_eq!(request.transaction(), answer.transaction());
    assert_eq!(answer.has_right_fingerprint(), Some(true));
    assert!(matches!(answer.class(), Class::Success | Class::Error));
    if answer.class() == Class::Success {
        assert_eq!(answer.mapped_address(), Some(source));
        assert!(PASSWORDS.iter().any(|password| answer.is_authentic(password.as_bytes()) == Some(true)));
        assert!(agent.is_valid(source));
    }
}
