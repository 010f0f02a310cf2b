//! What one side sends.

use crate::srtp::cipher::{Cipher, Place};
use crate::srtp::key::Purpose;
use crate::srtp::mki;
use crate::srtp::sources::Sources;
use crate::srtp::window::nearest_index;
use crate::srtp::{MasterKey, Refused, Suite, rtp_header, word};

/// The indexes of RTCP have 31 bits.
const LAST_RTCP_INDEX: u32 = 0x7fff_ffff;
/// The packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 0x8000_0000;

/// Encrypts RTP and RTCP under one master key.
///
/// A sequence number of a source is sealed once: the same one again is refused, for two packets under one key stream
/// tell what is in them (RFC 3711 §9.1), and under Galois/counter mode the key of authentication too.
#[derive(Clone, Debug)]
pub struct Sealer {
    suite: Suite,
    mki: Box<[u8]>,
    rtp: Cipher,
    rtcp: Cipher,
    sources: Sources,
    rtcp_index: u32,
}

impl Sealer {
    /// A sealer that has sealed nothing yet; `None` never happens with a key that [`MasterKey::new`] took.
    #[must_use]
    pub fn new(master: &MasterKey) -> Option<Self> {
        Some(Self::with(
            master.suite(),
            Cipher::new(master, Purpose::Rtp)?,
            Cipher::new(master, Purpose::Rtcp)?,
            master.mki(),
        ))
    }

    pub(super) fn with(suite: Suite, rtp: Cipher, rtcp: Cipher, mki: &[u8]) -> Self {
        Self { suite, mki: mki.into(), rtp, rtcp, sources: Sources::default(), rtcp_index: 0 }
    }

    /// Seals the first `length` octets of a buffer, an RTP packet; returns the new length.
    ///
    /// # Errors
    /// [`Refused`]; the buffer needs room for [`crate::srtp::OVERHEAD`] octets.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Refused> {
        let packet = buffer.get(..length).ok_or(Refused::TooShort)?;
        let header = rtp_header(packet).ok_or(Refused::TooShort)?;
        let end = length + self.suite.rtp_tag();
        if buffer.len() < end + self.mki.len() {
            return Err(Refused::TooShort);
        }
        let (packet, tag) = buffer.get_mut(..end).ok_or(Refused::TooShort)?.split_at_mut(length);
        let place = self.place(packet)?;
        let (clear, text) = packet.split_at_mut(header);
        if self.suite.is_aead() {
            let made = self.rtp.encrypt(&self.rtp.nonce(place), clear, text).ok_or(Refused::TooShort)?;
            tag.copy_from_slice(&made);
        } else {
            self.rtp.apply(place, text);
            let roll_over = ((place.index >> 16) as u32).to_be_bytes();
            authenticate(&self.rtp, packet, roll_over, tag);
        }
        self.sources.note(place.ssrc, place.index);
        mki::put_in(&self.mki, buffer, end, self.suite.rtp_mac())
    }

    /// Seals the first `length` octets of a buffer, a compound RTCP packet; returns the new length.
    ///
    /// # Errors
    /// [`Refused`]; the buffer needs room for [`crate::srtp::OVERHEAD`] octets.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, Refused> {
        if length < 8 || self.rtcp_index > LAST_RTCP_INDEX {
            return Err(if length < 8 { Refused::TooShort } else { Refused::Exhausted });
        }
        let end = length + self.suite.rtcp_tag() + 4;
        if buffer.len() < end + self.mki.len() {
            return Err(Refused::TooShort);
        }
        let bytes = buffer.get_mut(..end).ok_or(Refused::TooShort)?;
        let ssrc = word(bytes, 4).ok_or(Refused::TooShort)?;
        let place = Place { ssrc, index: self.rtcp_index.into() };
        let index = (self.rtcp_index | ENCRYPTED).to_be_bytes();
        let (packet, rest) = bytes.split_at_mut(length);
        if self.suite.is_aead() {
            let (clear, text) = packet.split_at_mut(8);
            let mut known = [0; 12];
            known[..8].copy_from_slice(clear);
            known[8..].copy_from_slice(&index);
            let made = self.rtcp.encrypt(&self.rtcp.nonce(place), &known, text).ok_or(Refused::TooShort)?;
            let (tag, trailer) = rest.split_at_mut(made.len());
            tag.copy_from_slice(&made);
            trailer.copy_from_slice(&index);
        } else {
            self.rtcp.apply(place, &mut packet[8..]);
            let (trailer, tag) = rest.split_at_mut(4);
            trailer.copy_from_slice(&index);
            authenticate(&self.rtcp, packet, index, tag);
        }
        self.rtcp_index += 1;
        mki::put_in(&self.mki, buffer, end, self.suite.rtcp_mac())
    }

    /// Something of all that the next RTP packet needs, read so that it is in the cache by then.
    #[must_use]
    pub fn touch(&self) -> u64 {
        self.rtp.touch() ^ self.sources.touch()
    }

    fn place(&mut self, packet: &[u8]) -> Result<Place, Refused> {
        let (ssrc, sequence) = named(packet)?;
        let Some(window) = self.sources.find(ssrc) else {
            self.sources.has_room()?;
            return Ok(Place { ssrc, index: sequence.into() });
        };
        let index = nearest_index(window.highest, sequence).ok_or(Refused::Replayed)?;
        if !window.is_new(index) {
            return Err(Refused::Replayed);
        }
        Ok(Place { ssrc, index })
    }
}

/// Source and sequence number of a packet with a whole header.
pub(super) fn named(packet: &[u8]) -> Result<(u32, u16), Refused> {
    let ssrc = word(packet, 8).ok_or(Refused::TooShort)?;
    Ok((ssrc, word(packet, 0).ok_or(Refused::TooShort)? as u16))
}

fn authenticate(cipher: &Cipher, packet: &[u8], after: [u8; 4], tag: &mut [u8]) {
    if let Some(mac) = cipher.mac() {
        tag.copy_from_slice(&mac.sign(packet, after)[..tag.len()]);
    }
}
