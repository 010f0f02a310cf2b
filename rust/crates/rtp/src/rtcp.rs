//! RTCP compound packets (RFC 3550 §6.1), as far as a relay looks into them.

use crate::packet::Malformed;

/// A datagram whose first RTCP packet is well formed.
#[derive(Clone, Copy, Debug)]
pub struct RtcpPacket<'a> {
    bytes: &'a [u8],
}

impl<'a> RtcpPacket<'a> {
    /// Checks version, packet type and the length field of the first packet (RFC 3550 A.2).
    ///
    /// Reduced-size packets (RFC 5506) pass too, therefore any type from 192 to 223 may come first.
    ///
    /// # Errors
    /// [`Malformed`] with what is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() < 8 {
            return Err(Malformed::TooShort);
        }
        if bytes[0] >> 6 != 2 {
            return Err(Malformed::Version);
        }
        if !crate::is_rtcp(bytes) || Self::length(bytes) > bytes.len() {
            return Err(Malformed::Rtcp);
        }
        Ok(Self { bytes })
    }

    /// The type of the first packet: 200 sender report, 201 receiver report, 203 bye.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.bytes[1]
    }

    /// The source that sent the first packet.
    #[must_use]
    pub fn sender(&self) -> u32 {
        u32::from_be_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]])
    }

    fn length(bytes: &[u8]) -> usize {
        (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) + 1) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIVER_REPORT: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 7];

    #[test]
    fn reads_kind_and_sender() {
        let packet = RtcpPacket::parse(&RECEIVER_REPORT).unwrap();
        assert_eq!((packet.kind(), packet.sender()), (201, 7));
    }

    #[test]
    fn refuses_what_cannot_be_rtcp() {
        assert_eq!(RtcpPacket::parse(&RECEIVER_REPORT[..7]).unwrap_err(), Malformed::TooShort);
        assert_eq!(RtcpPacket::parse(&[0, 201, 0, 1, 0, 0, 0, 7]).unwrap_err(), Malformed::Version);
        assert_eq!(RtcpPacket::parse(&[0x80, 0, 0, 1, 0, 0, 0, 7]).unwrap_err(), Malformed::Rtcp);
        assert_eq!(RtcpPacket::parse(&[0x80, 201, 0, 2, 0, 0, 0, 7]).unwrap_err(), Malformed::Rtcp);
    }
}
