//! What one side hears.

use crate::srtp::cipher::{Cipher, Place};
use crate::srtp::key::Purpose;
use crate::srtp::mki;
use crate::srtp::sealer::named;
use crate::srtp::sources::Sources;
use crate::srtp::window::nearest_index;
use crate::srtp::{MasterKey, Refused, Suite, rtp_header, word};

/// The packet is encrypted (RFC 3711 §3.4); what is not is authenticated all the same.
const ENCRYPTED: u32 = 0x8000_0000;

/// Decrypts RTP and RTCP under one master key, each packet once.
#[derive(Clone, Debug)]
pub struct Opener {
    suite: Suite,
    mki: Box<[u8]>,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl Opener {
    /// An opener that has opened nothing yet; `None` never happens with a key that [`MasterKey::new`] took.
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
        let (rtp_sources, rtcp_sources) = (Sources::default(), Sources::default());
        Self { suite, mki: mki.into(), rtp, rtcp, rtp_sources, rtcp_sources }
    }

    /// Opens an SRTP packet in place; returns the length of the RTP packet. What is refused may be looked at no more
    /// than before, and changes nothing here.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open_rtp(&mut self, bytes: &mut [u8]) -> Result<usize, Refused> {
        if self.mki.is_empty() {
            return self.open_bare_rtp(bytes);
        }
        self.open_named(bytes, self.suite.rtp_mac(), Self::open_bare_rtp)
    }

    /// Opens an SRTCP packet in place; returns the length of the compound RTCP packet.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open_rtcp(&mut self, bytes: &mut [u8]) -> Result<usize, Refused> {
        if self.mki.is_empty() {
            return self.open_bare_rtcp(bytes);
        }
        self.open_named(bytes, self.suite.rtcp_mac(), Self::open_bare_rtcp)
    }

    /// Opens a packet that has the MKI before its last `mac` octets.
    #[cold]
    fn open_named(
        &mut self,
        bytes: &mut [u8],
        mac: usize,
        open: fn(&mut Self, &mut [u8]) -> Result<usize, Refused>,
    ) -> Result<usize, Refused> {
        let length = mki::take_out(&self.mki, bytes, mac)?;
        let opened = open(self, &mut bytes[..length]);
        if opened.is_err() {
            mki::put_in(&self.mki, bytes, length, mac)?;
        }
        opened
    }

    fn open_bare_rtp(&mut self, bytes: &mut [u8]) -> Result<usize, Refused> {
        let length = bytes.len().checked_sub(self.suite.rtp_tag()).ok_or(Refused::TooShort)?;
        let (packet, tag) = bytes.split_at_mut(length);
        let header = rtp_header(packet).ok_or(Refused::TooShort)?;
        let place = self.rtp_place(packet)?;
        if self.suite.is_aead() {
            let (clear, text) = packet.split_at_mut(header);
            self.rtp.decrypt(&self.rtp.nonce(place), clear, text, tag)?;
        } else {
            verify(&self.rtp, packet, (place.index >> 16) as u32, tag)?;
            self.rtp.apply(place, &mut packet[header..]);
        }
        self.rtp_sources.note(place.ssrc, place.index);
        Ok(length)
    }

    fn open_bare_rtcp(&mut self, bytes: &mut [u8]) -> Result<usize, Refused> {
        let length = bytes.len().checked_sub(self.suite.rtcp_tag() + 4).ok_or(Refused::TooShort)?;
        if length < 8 {
            return Err(Refused::TooShort);
        }
        let (packet, rest) = bytes.split_at_mut(length);
        // RFC 7714 §9.2 puts the index behind the tag, RFC 3711 §3.4 before it.
        let (tag, trailer) = if self.suite.is_aead() {
            rest.split_at(self.suite.rtcp_tag())
        } else {
            let (trailer, tag) = rest.split_at(4);
            (tag, trailer)
        };
        let index = word(trailer, 0).ok_or(Refused::TooShort)?;
        let place = self.rtcp_place(packet, index)?;
        let encrypted = index & ENCRYPTED != 0;
        if self.suite.is_aead() {
            self.open_rtcp_aead(place, packet, tag, index, encrypted)?;
        } else {
            verify(&self.rtcp, packet, index, tag)?;
            if encrypted {
                self.rtcp.apply(place, &mut packet[8..]);
            }
        }
        self.rtcp_sources.note(place.ssrc, place.index);
        Ok(length)
    }

    /// RFC 7714 §9.2 and §9.3: what is not encrypted is all associated data, and the index comes last of it.
    fn open_rtcp_aead(
        &self,
        place: Place,
        packet: &mut [u8],
        tag: &[u8],
        index: u32,
        encrypted: bool,
    ) -> Result<(), Refused> {
        let nonce = self.rtcp.nonce(place);
        if !encrypted {
            let known = [&*packet, &index.to_be_bytes()].concat();
            return self.rtcp.decrypt(&nonce, &known, &mut [], tag);
        }
        let (clear, text) = packet.split_at_mut(8);
        let mut known = [0; 12];
        known[..8].copy_from_slice(clear);
        known[8..].copy_from_slice(&index.to_be_bytes());
        self.rtcp.decrypt(&nonce, &known, text, tag)
    }

    /// Something of all that the next RTP packet needs, read so that it is in the cache by then.
    #[must_use]
    pub fn touch(&self) -> u64 {
        self.rtp.touch() ^ self.rtp_sources.touch()
    }

    fn rtp_place(&mut self, packet: &[u8]) -> Result<Place, Refused> {
        let (ssrc, sequence) = named(packet)?;
        let Some(window) = self.rtp_sources.find(ssrc) else {
            self.rtp_sources.has_room()?;
            return Ok(Place { ssrc, index: sequence.into() });
        };
        // A number before the first of all packets is no packet of this key.
        let index = nearest_index(window.highest, sequence).ok_or(Refused::NotAuthentic)?;
        if !window.is_new(index) {
            return Err(Refused::Replayed);
        }
        Ok(Place { ssrc, index })
    }

    fn rtcp_place(&mut self, packet: &[u8], index: u32) -> Result<Place, Refused> {
        let ssrc = word(packet, 4).ok_or(Refused::TooShort)?;
        let index = u64::from(index & !ENCRYPTED);
        match self.rtcp_sources.find(ssrc) {
            Some(window) if !window.is_new(index) => return Err(Refused::Replayed),
            Some(_) => {}
            None => self.rtcp_sources.has_room()?,
        }
        Ok(Place { ssrc, index })
    }
}

fn verify(cipher: &Cipher, packet: &[u8], after: u32, tag: &[u8]) -> Result<(), Refused> {
    let mac = cipher.mac().ok_or(Refused::NotAuthentic)?;
    if mac.verify(packet, after.to_be_bytes(), tag) { Ok(()) } else { Err(Refused::NotAuthentic) }
}
