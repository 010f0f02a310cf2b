//! Encrypted RTP and RTCP: SRTP (RFC 3711) with the ciphers of RFC 6188 and RFC 7714.
//!
//! A [`Sealer`] encrypts what one side sends, an [`Opener`] decrypts what it hears; each has a master key of its own.
//! Both work in place, allocate nothing for a packet once they know its source, and keep what RFC 3711 §3.2.3 wants
//! kept for each source: roll-over counter and replay window. The key derivation rate is 0. A key may have an MKI
//! ([`MasterKey::with_mki`]), which each packet then carries.

mod cipher;
mod key;
mod mac;
mod mki;
mod opener;
mod sealer;
mod sources;
mod suite;
#[cfg(test)]
mod tests;
mod window;

use std::fmt;

pub use key::MasterKey;
pub use opener::Opener;
pub use sealer::Sealer;
pub use suite::Suite;

/// The most octets of an MKI (RFC 4568 §6.1).
pub const LONGEST_MKI: usize = 128;
/// The most octets that sealing adds to a packet: a tag of 16 octets, the index of RTCP, and the MKI.
pub const OVERHEAD: usize = 20 + LONGEST_MKI;
/// The sources that a context knows; it takes no packet of another one.
pub const SOURCES: usize = 64;

/// Why a packet was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The tag is not that of the key: tampered with, or under another key.
    NotAuthentic,
    /// The index was seen before, or is too old to tell. When sealing: a keystream would be used twice.
    Replayed,
    /// The packet is shorter than its headers and tag, or the buffer than what would be written.
    TooShort,
    /// [`SOURCES`] others are known, or the indexes of RTCP are used up: a new key is needed.
    Exhausted,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAuthentic => "the packet is not authentic",
            Self::Replayed => "the packet was seen before",
            Self::TooShort => "the packet is shorter than its headers and tag",
            Self::Exhausted => "the key was used for too many sources or packets",
        })
    }
}

impl std::error::Error for Refused {}

/// Where the payload of RTP begins: what lies before is authenticated, but not encrypted (RFC 3711 §3.1).
fn rtp_header(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    let mut end = crate::packet::HEADER + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let length = bytes.get(end + 2..end + 4)?;
        end += 4 + usize::from(u16::from_be_bytes([length[0], length[1]])) * 4;
    }
    (end <= bytes.len()).then_some(end)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes)
}
