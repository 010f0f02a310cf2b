//! The RTP fixed header and payload (RFC 3550 §5.1), as a view over the datagram.

/// Octets of the fixed header.
pub const HEADER: usize = 12;

/// Why a datagram is not RTP or RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than the header it claims to have.
    TooShort,
    /// The version bits are not 2.
    Version,
    /// An RTCP packet whose type or length field cannot be right.
    Rtcp,
}

/// Whether a datagram on a port that carries both is RTCP (RFC 5761 §4: packet types 192 to 223).
#[must_use]
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// A datagram that has at least a fixed header and version 2.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    bytes: &'a [u8],
}

impl<'a> RtpPacket<'a> {
    /// Checks the length and the version, nothing else: a relay needs no more.
    ///
    /// # Errors
    /// [`Malformed::TooShort`] under 12 octets, [`Malformed::Version`] when the version is not 2.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER {
            return Err(Malformed::TooShort);
        }
        if bytes[0] >> 6 != 2 {
            return Err(Malformed::Version);
        }
        Ok(Self { bytes })
    }

    /// The marker bit.
    #[must_use]
    pub fn marker(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    /// The payload type, 0 to 127.
    #[must_use]
    pub fn payload_type(&self) -> u8 {
        self.bytes[1] & 0x7f
    }

    /// The sequence number.
    #[must_use]
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    /// The timestamp, in units of the payload's clock.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]])
    }

    /// The synchronisation source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        u32::from_be_bytes([self.bytes[8], self.bytes[9], self.bytes[10], self.bytes[11]])
    }

    /// The payload without contributing sources, header extension and padding; `None` when the header
    /// promises more than the datagram holds.
    #[must_use]
    pub fn payload(&self) -> Option<&'a [u8]> {
        let mut start = HEADER + usize::from(self.bytes[0] & 0x0f) * 4;
        if self.bytes[0] & 0x10 != 0 {
            let length = self.bytes.get(start + 2..start + 4)?;
            start += 4 + usize::from(u16::from_be_bytes([length[0], length[1]])) * 4;
        }
        let rest = self.bytes.get(start..)?;
        let padding = if self.bytes[0] & 0x20 != 0 { usize::from(*rest.last()?) } else { 0 };
        rest.get(..rest.len().checked_sub(padding)?)
    }
}

/// Writes a fixed header without contributing sources or extension.
pub fn write_header(
    out: &mut [u8; HEADER],
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
) {
    out[0] = 0x80;
    out[1] = u8::from(marker) << 7 | payload_type & 0x7f;
    out[2..4].copy_from_slice(&sequence.to_be_bytes());
    out[4..8].copy_from_slice(&timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(first: u8) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        write_header(&mut bytes, true, 101, 0xfffe, 0x0102_0304, 0xdead_beef);
        bytes[0] = first;
        bytes
    }

    #[test]
    fn reads_what_it_wrote() {
        let bytes = header(0x80);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert!(packet.marker());
        assert_eq!(packet.payload_type(), 101);
        assert_eq!(packet.sequence(), 0xfffe);
        assert_eq!(packet.timestamp(), 0x0102_0304);
        assert_eq!(packet.ssrc(), 0xdead_beef);
        assert_eq!(packet.payload(), Some(&[][..]));
    }

    #[test]
    fn refuses_short_datagrams_and_other_versions() {
        assert_eq!(RtpPacket::parse(&[0x80; 11]).unwrap_err(), Malformed::TooShort);
        assert_eq!(RtpPacket::parse(&header(0x40)).unwrap_err(), Malformed::Version);
    }

    #[test]
    fn payload_skips_sources_extension_and_padding() {
        let mut bytes = header(0x80 | 0x20 | 0x10 | 1).to_vec();
        bytes.extend([0; 4]);
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend([1, 2, 3]);
        bytes.extend([0, 2]);
        assert_eq!(RtpPacket::parse(&bytes).unwrap().payload(), Some(&[1, 2, 3][..]));
    }

    #[test]
    fn payload_is_absent_when_the_header_promises_too_much() {
        assert_eq!(RtpPacket::parse(&header(0x8f)).unwrap().payload(), None);
        assert_eq!(RtpPacket::parse(&header(0x90)).unwrap().payload(), None);
        let mut padded = header(0xa0).to_vec();
        padded.push(200);
        assert_eq!(RtpPacket::parse(&padded).unwrap().payload(), None);
        // The padding tells its length itself, and not the header's last octet for it.
        let mut bare = header(0xa0);
        bare[11] = 0;
        assert_eq!(RtpPacket::parse(&bare).unwrap().payload(), None);
    }

    #[test]
    fn tells_rtcp_from_rtp_on_a_shared_port() {
        assert!(is_rtcp(&[0x80, 200]));
        assert!(!is_rtcp(&[0x80, 0x80]));
        assert!(!is_rtcp(&[0x80, 101]));
        assert!(!is_rtcp(&[0x80]));
    }
}
