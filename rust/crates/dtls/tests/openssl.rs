//! Both roles against OpenSSL, over loopback.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use trunkline_dtls::{Fingerprint, Identity, Keys, Outcome, Profile, Role, Session};

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/b.p8");
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/b.der");
/// Longer than any of this takes; a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// OpenSSL with the certificate B, and what it says.
struct Peer(Child);

impl Peer {
    fn start(arguments: &[&str], profile: &str) -> Self {
        let child = Command::new("openssl")
            .args(arguments)
            .args(["-dtls1_2", "-use_srtp", profile])
            .args(["-cert", CERTIFICATE, "-certform", "DER", "-key", KEY, "-keyform", "DER"])
            .args(["-keymatexport", "EXTRACTOR-dtls_srtp"])
            .args(["-keymatexportlen", if profile.contains("_CM_") { "60" } else { "56" }])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs OpenSSL: apt-get install openssl");
        Self(child)
    }

    /// The exported material: client key, server key, client salt, server salt.
    fn material(&mut self) -> Vec<u8> {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let digits = lines
            .map(Result::unwrap)
            .find_map(|line| Some(line.trim().strip_prefix("Keying material: ")?.to_owned()))
            .expect("openssl ended without keying material");
        let octet = |index| u8::from_str_radix(&digits[index..index + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(octet).collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn session(role: Role, now_ns: u64) -> Session {
    let certificate = include_bytes!("../testdata/a.der").to_vec();
    let identity = Identity::new(certificate, include_bytes!("../testdata/a.p8").to_vec()).unwrap();
    let peer = Fingerprint::of(include_bytes!("../testdata/b.der"));
    Session::new(&identity, role, peer, false, now_ns)
}

/// Carries datagrams until there are keys.
fn shake_hands(socket: &UdpSocket, mut session: Session, mut peer: Option<std::net::SocketAddr>) -> Keys {
    let start = Instant::now();
    let mut buffer = [0; 2048];
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while start.elapsed() < PATIENCE {
        while let Some(packet) = session.next_packet() {
            // Before the server listens the first one may be refused.
            let _ = socket.send_to(&packet, peer.unwrap());
        }
        let received = socket.recv_from(&mut buffer);
        let now_ns = start.elapsed().as_nanos() as u64;
        let outcome = match received {
            Ok((length, source)) => {
                peer = Some(source);
                session.receive(now_ns, &buffer[..length])
            }
            Err(_) => session.tick(now_ns),
        };
        match outcome {
            None => {}
            Some(Outcome::Keys(keys)) => {
                while let Some(packet) = session.next_packet() {
                    socket.send_to(&packet, peer.unwrap()).unwrap();
                }
                return keys;
            }
            Some(Outcome::Failed(failure)) => panic!("{failure}"),
        }
    }
    panic!("no keys")
}

fn assert_same(keys: &Keys, ours: Role, material: &[u8]) {
    let (key, salt) = if keys.profile == Profile::Aes128CmSha1_80 { (16, 14) } else { (16, 12) };
    let (pair, salts) = material.split_at(2 * key);
    let client = [&pair[..key], &salts[..salt]].concat();
    let server = [&pair[key..], &salts[salt..]].concat();
    let (send, receive) = if ours == Role::Active { (client, server) } else { (server, client) };
    assert_eq!((&*keys.send, &*keys.receive), (&send, &receive));
}

#[test]
fn openssl_connects_to_us() {
    for (name, profile) in [
        ("SRTP_AES128_CM_SHA1_80", Profile::Aes128CmSha1_80),
        ("SRTP_AEAD_AES_128_GCM", Profile::AeadAes128Gcm),
    ] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap().to_string();
        let mut peer = Peer::start(&["s_client", "-connect", &to], name);
        let keys = shake_hands(&socket, session(Role::Passive, 0), None);
        assert_eq!(keys.profile, profile);
        assert_same(&keys, Role::Passive, &peer.material());
    }
}

#[test]
fn we_connect_to_openssl() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut peer =
        Peer::start(&["s_server", "-accept", &port.to_string(), "-Verify", "1"], "SRTP_AES128_CM_SHA1_80");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let keys = shake_hands(&socket, session(Role::Active, 0), Some(port));
    assert_eq!(keys.profile, Profile::Aes128CmSha1_80);
    assert_same(&keys, Role::Active, &peer.material());
}
