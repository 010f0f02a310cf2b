//! Reading.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{HEADER, MAGIC_COOKIE, TRANSACTION, address, attribute};

/// What `FINGERPRINT` differs in from a bare CRC-32 (RFC 8489 §14.7).
pub const FINGERPRINT_MASK: u32 = 0x5354_554e;
/// Octets of an attribute before its value.
const PREFIX: usize = 4;

/// The bytes are no STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// An answer.
    Success,
    /// A refusal.
    Error,
}

/// A view of a well-formed message: its header and the frames of its attributes are right.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    transaction: &'a [u8; TRANSACTION],
}

/// One attribute and where it begins.
struct Attribute<'a> {
    start: usize,
    kind: u16,
    value: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`Malformed`] when it is no STUN message of RFC 8489, or an attribute does not fit in it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = bytes.first_chunk::<HEADER>().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let cookie = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let fits = length == bytes.len() - HEADER && length.is_multiple_of(4);
        if header[0] >= 0x40 || cookie != MAGIC_COOKIE || !fits {
            return Err(Malformed);
        }
        let transaction = bytes[8..HEADER].first_chunk().ok_or(Malformed)?;
        let message = Self { bytes, transaction };
        let last = message.attributes().last().map_or(HEADER, |last| last.end());
        if last == bytes.len() { Ok(message) } else { Err(Malformed) }
    }

    /// Whether it is a request or what else.
    #[must_use]
    pub fn class(&self) -> Class {
        match (self.bytes[0] & 1, self.bytes[1] & 0x10) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            _ => Class::Error,
        }
    }

    /// The method: [`BINDING`](super::BINDING) in ICE.
    #[must_use]
    pub fn method(&self) -> u16 {
        let kind = u16::from_be_bytes([self.bytes[0], self.bytes[1]]);
        kind & 0x000f | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2
    }

    /// What an answer repeats.
    #[must_use]
    pub fn transaction(&self) -> &'a [u8; TRANSACTION] {
        self.transaction
    }

    /// The value of the first such attribute that integrity covers.
    #[must_use]
    pub fn value(&self, kind: u16) -> Option<&'a [u8]> {
        self.covered().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// `USERNAME`.
    #[must_use]
    pub fn username(&self) -> Option<&'a [u8]> {
        self.value(attribute::USERNAME)
    }

    /// `PRIORITY`.
    #[must_use]
    pub fn priority(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.value(attribute::PRIORITY)?.try_into().ok()?))
    }

    /// Whether `USE-CANDIDATE` is there: the pair is nominated.
    #[must_use]
    pub fn nominates(&self) -> bool {
        self.value(attribute::USE_CANDIDATE).is_some()
    }

    /// The tie-breaker of `ICE-CONTROLLED`: who sends it believes to be controlled.
    #[must_use]
    pub fn controlled(&self) -> Option<u64> {
        Some(u64::from_be_bytes(self.value(attribute::ICE_CONTROLLED)?.try_into().ok()?))
    }

    /// The tie-breaker of `ICE-CONTROLLING`.
    #[must_use]
    pub fn controlling(&self) -> Option<u64> {
        Some(u64::from_be_bytes(self.value(attribute::ICE_CONTROLLING)?.try_into().ok()?))
    }

    /// The code of `ERROR-CODE`, 300 to 699.
    #[must_use]
    pub fn error_code(&self) -> Option<u16> {
        let &[_, _, hundreds, rest, ..] = self.value(attribute::ERROR_CODE)? else { return None };
        Some(u16::from(hundreds & 7) * 100 + u16::from(rest))
    }

    /// `XOR-MAPPED-ADDRESS`.
    #[must_use]
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        address::read(self.value(attribute::XOR_MAPPED_ADDRESS)?, self.transaction)
    }

    /// Attributes that a receiver must know and this one does not, in their order.
    pub fn unknown(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.covered()
            .map(|attribute| attribute.kind)
            .filter(|&kind| attribute::is_required(kind) && !attribute::is_known(kind))
    }

    /// Whether `MESSAGE-INTEGRITY` was made with this password (a short-term one, RFC 8489 §9.1); compared in
    /// constant time. `None` when the message has none.
    #[must_use]
    pub fn is_authentic(&self, password: &[u8]) -> Option<bool> {
        let found = self.attributes().find(|attribute| attribute.kind == attribute::MESSAGE_INTEGRITY)?;
        let mut hmac = Hmac::<Sha1>::new_from_slice(password).ok()?;
        // The length counts up to the end of this attribute, whatever follows.
        hmac.update(&self.bytes[..2]);
        hmac.update(&length_until(found.end()));
        hmac.update(&self.bytes[4..found.start]);
        Some(hmac.verify_slice(found.value).is_ok())
    }

    /// Whether `FINGERPRINT` is right; `None` when the message has none.
    #[must_use]
    pub fn has_right_fingerprint(&self) -> Option<bool> {
        let found = self.attributes().last().filter(|last| last.kind == attribute::FINGERPRINT)?;
        let told = u32::from_be_bytes(found.value.try_into().ok()?);
        Some(told == crc32fast::hash(&self.bytes[..found.start]) ^ FINGERPRINT_MASK)
    }

    /// The attributes before `MESSAGE-INTEGRITY`: what follows it may be anybody's (RFC 8489 §14.5).
    fn covered(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        self.attributes().take_while(|attribute| attribute.kind != attribute::MESSAGE_INTEGRITY)
    }

    fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let bytes = self.bytes;
        let mut start = HEADER;
        std::iter::from_fn(move || {
            let (&[a, b, c, d], rest) = bytes.get(start..)?.split_first_chunk::<PREFIX>()?;
            let value = rest.get(..usize::from(u16::from_be_bytes([c, d])))?;
            let found = Attribute { start, kind: u16::from_be_bytes([a, b]), value };
            start = found.end();
            Some(found)
        })
    }
}

impl Attribute<'_> {
    /// Where the next one begins: values are padded to four octets.
    fn end(&self) -> usize {
        self.start + PREFIX + self.value.len().next_multiple_of(4)
    }
}

/// The length field of a message that ends there.
pub fn length_until(end: usize) -> [u8; 2] {
    ((end - HEADER) as u16).to_be_bytes()
}
