//! The identifier of a master key in its packets (RFC 3711 §3.1, §3.4): right before the tag of HMAC-SHA1. Suites with
//! Galois/counter mode have no such tag, their own is part of what is encrypted, and the MKI comes last of all
//! (RFC 7714 §8, §9). It is not authenticated: whose key is meant shows itself when the packet is.

use crate::srtp::Refused;

/// Puts the MKI before the last `mac` of the first `length` octets; returns the new length.
pub(super) fn put_in(mki: &[u8], buffer: &mut [u8], length: usize, mac: usize) -> Result<usize, Refused> {
    if mki.is_empty() {
        return Ok(length);
    }
    let end = length + mki.len();
    let at = length.checked_sub(mac).ok_or(Refused::TooShort)?;
    let buffer = buffer.get_mut(..end).ok_or(Refused::TooShort)?;
    buffer.copy_within(at..length, at + mki.len());
    buffer[at..at + mki.len()].copy_from_slice(mki);
    Ok(end)
}

/// Takes the MKI out from before the last `mac` octets of a packet; returns the length without it. A packet with
/// another one, or none, stays as it is.
pub(super) fn take_out(mki: &[u8], bytes: &mut [u8], mac: usize) -> Result<usize, Refused> {
    let length = bytes.len().checked_sub(mki.len()).ok_or(Refused::TooShort)?;
    let at = length.checked_sub(mac).ok_or(Refused::TooShort)?;
    if bytes[at..at + mki.len()] != *mki {
        return Err(Refused::NotAuthentic);
    }
    bytes.copy_within(at + mki.len().., at);
    Ok(length)
}
