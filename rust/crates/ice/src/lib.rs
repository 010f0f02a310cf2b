//! Where a WebRTC peer is: STUN, ICE-lite and consent. No I/O; the time goes in.
//!
//! [`Agent`] answers the connectivity checks of a full agent as a lite one does (RFC 8445 §2.5) and says where
//! media goes; [`stun`] reads and writes the messages (RFC 8489).
#![forbid(unsafe_code)]

mod agent;
pub mod stun;

pub use agent::{Agent, CONSENT_NS, Credentials, Event, PAIRS};
