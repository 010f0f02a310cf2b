//! Both roles against OpenSSL, over loopback.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use trunkline_dtls::{Failure, Fingerprint, Identity, Keys, Outcome, Profile, Role, Session};

const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/b.p8");
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/b.der");
/// Longer than any of this takes; a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate of RSA, made for this run.
struct RsaCertificate {
    folder: std::path::PathBuf,
}

impl RsaCertificate {
    fn new(bits: u32) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("trunkline-dtls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let made = Self { folder };
        let status = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-sha256", "-days", "2", "-subj", "/CN=phone"])
            .args(["-newkey", &format!("rsa:{bits}"), "-outform", "DER"])
            .args(["-keyout", &made.path("key.pem"), "-out", &made.path("certificate.der")])
            .stderr(Stdio::null())
            .status();
        assert!(status.expect("this test needs OpenSSL: apt-get install openssl").success());
        made
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&std::fs::read(self.path("certificate.der")).unwrap())
    }

    fn peer(&self, arguments: &[&str]) -> Peer {
        let (certificate, key) = (self.path("certificate.der"), self.path("key.pem"));
        Peer::with(arguments, "SRTP_AES128_CM_SHA1_80", [&certificate, &key, "PEM"])
    }
}

impl Drop for RsaCertificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// OpenSSL with a certificate, and what it says.
struct Peer(Child);

impl Peer {
    /// With the certificate B.
    fn start(arguments: &[&str], profile: &str) -> Self {
        Self::with(arguments, profile, [CERTIFICATE, KEY, "DER"])
    }

    fn with(arguments: &[&str], profile: &str, [certificate, key, form]: [&str; 3]) -> Self {
        let child = Command::new("openssl")
            .args(arguments)
            .args(["-dtls1_2", "-use_srtp", profile])
            .args(["-cert", certificate, "-certform", "DER", "-key", key, "-keyform", form])
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
    session_with(role, Fingerprint::of(include_bytes!("../testdata/b.der")), now_ns)
}

fn session_with(role: Role, peer: Fingerprint, now_ns: u64) -> Session {
    let certificate = include_bytes!("../testdata/a.der").to_vec();
    let identity = Identity::new(certificate, include_bytes!("../testdata/a.p8").to_vec()).unwrap();
    Session::new(&identity, role, peer, false, now_ns)
}

/// Carries datagrams until there are keys.
fn shake_hands(socket: &UdpSocket, session: Session, peer: Option<std::net::SocketAddr>) -> Keys {
    match outcome_of(socket, session, peer) {
        Outcome::Keys(keys) => keys,
        Outcome::Failed(failure) => panic!("{failure}"),
    }
}

/// Carries datagrams until it is known how it went.
fn outcome_of(socket: &UdpSocket, mut session: Session, mut peer: Option<std::net::SocketAddr>) -> Outcome {
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
        if let Some(outcome) = outcome {
            while let Some(packet) = session.next_packet() {
                let _ = socket.send_to(&packet, peer.unwrap());
            }
            return outcome;
        }
    }
    panic!("the handshake did not end")
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

/// Many phones and PBXs have such a certificate (RFC 5763 §5 lets it be anything).
#[test]
fn openssl_with_an_rsa_certificate_connects_to_us() {
    for bits in [2048, 4096] {
        let certificate = RsaCertificate::new(bits);
        for suites in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "DEFAULT"] {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let to = socket.local_addr().unwrap().to_string();
            let mut peer = certificate.peer(&["s_client", "-connect", &to, "-cipher", suites, "-mtu", "600"]);
            let session = session_with(Role::Passive, certificate.fingerprint(), 0);
            let keys = shake_hands(&socket, session, None);
            assert_same(&keys, Role::Passive, &peer.material());
        }
    }
}

#[test]
fn an_rsa_certificate_of_somebody_else_gives_no_keys() {
    let certificate = RsaCertificate::new(2048);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap().to_string();
    let _peer = certificate.peer(&["s_client", "-connect", &to]);
    assert_eq!(outcome_of(&socket, session(Role::Passive, 0), None), Outcome::Failed(Failure::Fingerprint));
}

/// What could be factored proves nothing.
#[test]
fn a_short_rsa_key_gives_no_keys() {
    let certificate = RsaCertificate::new(1024);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap().to_string();
    let _peer = certificate.peer(&["s_client", "-connect", &to, "-cipher", "DEFAULT@SECLEVEL=0"]);
    let outcome = outcome_of(&socket, session_with(Role::Passive, certificate.fingerprint(), 0), None);
    assert!(matches!(outcome, Outcome::Failed(Failure::Protocol(_))), "{outcome:?}");
}

/// Our ClientHello offers no suite for it: refused at once, and in words.
#[test]
fn a_server_with_an_rsa_certificate_refuses_us_in_words() {
    let certificate = RsaCertificate::new(2048);
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _peer = certificate.peer(&["s_server", "-accept", &port.to_string(), "-Verify", "1"]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let session = session_with(Role::Active, certificate.fingerprint(), 0);
    let outcome = outcome_of(&socket, session, Some(port));
    let Outcome::Failed(failure) = outcome else { panic!("{outcome:?}") };
    assert!(failure.to_string().contains("refused"), "{failure}");
}
