//! Writing.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::message::{FINGERPRINT_MASK, length_until};
use super::{BINDING, Class, MAGIC_COOKIE, TRANSACTION, address, attribute};

/// Octets of an HMAC-SHA1.
const INTEGRITY: usize = 20;

/// A Binding message that is being written; what stood in the vector is gone.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    transaction: [u8; TRANSACTION],
}

impl<'a> Writer<'a> {
    /// Begins a message.
    pub fn new(bytes: &'a mut Vec<u8>, class: Class, transaction: &[u8; TRANSACTION]) -> Self {
        let class = match class {
            Class::Request => 0,
            Class::Indication => 0x010,
            Class::Success => 0x100,
            Class::Error => 0x110,
        };
        bytes.clear();
        bytes.extend_from_slice(&(BINDING | class).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        bytes.extend_from_slice(transaction);
        Self { bytes, transaction: *transaction }
    }

    /// Adds an attribute; `value` has at most 65,535 octets, and the message as a whole too.
    #[must_use]
    pub fn attribute(self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = length_until(self.bytes.len());
        self.bytes[2..4].copy_from_slice(&length);
        self
    }

    /// Adds `XOR-MAPPED-ADDRESS`.
    #[must_use]
    pub fn mapped_address(self, source: SocketAddr) -> Self {
        let mut value = [0; 20];
        let octets = address::write(source, &self.transaction, &mut value);
        self.attribute(attribute::XOR_MAPPED_ADDRESS, &value[..octets])
    }

    /// Adds `ERROR-CODE`; `code` is 300 to 699.
    #[must_use]
    pub fn error(self, code: u16, reason: &str) -> Self {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend_from_slice(reason.as_bytes());
        self.attribute(attribute::ERROR_CODE, &value)
    }

    /// Adds `UNKNOWN-ATTRIBUTES`.
    #[must_use]
    pub fn unknown(self, kinds: impl Iterator<Item = u16>) -> Self {
        let value: Vec<u8> = kinds.flat_map(u16::to_be_bytes).collect();
        self.attribute(attribute::UNKNOWN_ATTRIBUTES, &value)
    }

    /// Adds `MESSAGE-INTEGRITY` by a short-term password.
    #[must_use]
    pub fn integrity(self, password: &[u8]) -> Self {
        let writer = self.attribute(attribute::MESSAGE_INTEGRITY, &[0; INTEGRITY]);
        let covered = writer.bytes.len() - INTEGRITY - 4;
        // HMAC takes keys of any length.
        if let Ok(mut hmac) = Hmac::<Sha1>::new_from_slice(password) {
            hmac.update(&writer.bytes[..covered]);
            writer.bytes[covered + 4..].copy_from_slice(&hmac.finalize().into_bytes());
        }
        writer
    }

    /// Adds `FINGERPRINT`, which is the last one.
    pub fn fingerprint(self) {
        let writer = self.attribute(attribute::FINGERPRINT, &[0; 4]);
        let covered = writer.bytes.len() - 8;
        let sum = crc32fast::hash(&writer.bytes[..covered]) ^ FINGERPRINT_MASK;
        writer.bytes[covered + 4..].copy_from_slice(&sum.to_be_bytes());
    }
}
