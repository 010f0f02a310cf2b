//! STUN messages (RFC 8489): read without a copy, written into a vector.

mod address;
mod message;
mod writer;

pub use message::{Class, Malformed, Message};
pub use writer::Writer;

/// What every STUN message carries after its length (RFC 8489 §5).
pub const MAGIC_COOKIE: u32 = 0x2112_a442;
/// The method of connectivity checks.
pub const BINDING: u16 = 0x001;
/// Octets before the attributes.
pub const HEADER: usize = 20;
/// Octets of a transaction's identifier.
pub const TRANSACTION: usize = 12;

/// The types of the attributes that are known here (RFC 8489 §18.3, RFC 8445 §16.1).
pub mod attribute {
    /// `USERNAME`.
    pub const USERNAME: u16 = 0x0006;
    /// `MESSAGE-INTEGRITY`, by HMAC-SHA1.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// `ERROR-CODE`.
    pub const ERROR_CODE: u16 = 0x0009;
    /// `UNKNOWN-ATTRIBUTES`.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    /// `XOR-MAPPED-ADDRESS`.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// `PRIORITY`.
    pub const PRIORITY: u16 = 0x0024;
    /// `USE-CANDIDATE`.
    pub const USE_CANDIDATE: u16 = 0x0025;
    /// `FINGERPRINT`, by CRC-32.
    pub const FINGERPRINT: u16 = 0x8028;
    /// `ICE-CONTROLLED`.
    pub const ICE_CONTROLLED: u16 = 0x8029;
    /// `ICE-CONTROLLING`.
    pub const ICE_CONTROLLING: u16 = 0x802a;

    /// Whether a receiver that does not know the attribute must refuse the request (RFC 8489 §14).
    #[must_use]
    pub const fn is_required(kind: u16) -> bool {
        kind < 0x8000
    }

    /// Whether the attribute is known here.
    #[must_use]
    pub const fn is_known(kind: u16) -> bool {
        matches!(
            kind,
            USERNAME
                | MESSAGE_INTEGRITY
                | ERROR_CODE
                | UNKNOWN_ATTRIBUTES
                | XOR_MAPPED_ADDRESS
                | PRIORITY
                | USE_CANDIDATE
                | FINGERPRINT
                | ICE_CONTROLLED
                | ICE_CONTROLLING
        )
    }
}

#[cfg(test)]
mod tests;
