//! Keys for SRTP by DTLS (RFC 5763, RFC 5764): the handshake, who the peer is, and what both sides derive from
//! it. No I/O; the time goes in.
//!
//! DTLS itself is the `dimpl` crate: 1.2 and 1.3, ECDSA certificates, AEAD suites. Peers with an RSA certificate are
//! verified here, and asked for it (`request`). What the crate does with hostile bytes is contained here: an error ends
//! the session, and so does a panic.
#![forbid(unsafe_code)]

mod fingerprint;
mod identity;
mod keys;
mod provider;
mod request;
mod rsa_key;
mod session;

pub use fingerprint::{Fingerprint, UnknownFingerprint};
pub use identity::{Identity, UnusableIdentity};
pub use keys::{Keys, Profile};
pub use session::{Failure, HANDSHAKE_NS, Outcome, Role, Session};
