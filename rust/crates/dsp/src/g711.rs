//! G.711 companding between 16-bit linear samples and octets.

const ULAW_BIAS: i32 = 0x84;
const ULAW_CLIP: i32 = 32_635;

/// Which of the two laws of ITU-T G.711.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// µ-law, RTP payload type 0 (PCMU).
    Mu,
    /// A-law, RTP payload type 8 (PCMA).
    A,
}

impl Law {
    /// The law of a static RTP payload type (RFC 3551 §6), if it is G.711.
    #[must_use]
    pub fn of_payload_type(payload_type: u8) -> Option<Self> {
        match payload_type {
            0 => Some(Self::Mu),
            8 => Some(Self::A),
            _ => None,
        }
    }

    /// The static RTP payload type of this law.
    #[must_use]
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Mu => 0,
            Self::A => 8,
        }
    }

    /// One linear sample as one octet.
    #[must_use]
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Mu => encode_mu(sample),
            Self::A => encode_a(sample),
        }
    }

    /// One octet as one linear sample.
    #[must_use]
    pub fn decode(self, octet: u8) -> i16 {
        match self {
            Self::Mu => decode_mu(octet),
            Self::A => decode_a(octet),
        }
    }
}

fn encode_mu(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(ULAW_CLIP) + ULAW_BIAS;
    let segment = (31 - magnitude.leading_zeros()) as i32 - 7;
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !((sign | segment << 4 | step) as u8)
}

fn decode_mu(octet: u8) -> i16 {
    let bits = i32::from(!octet);
    let magnitude = (((bits & 0x0f) << 3) + ULAW_BIAS) << ((bits >> 4) & 7);
    let sample = magnitude - ULAW_BIAS;
    (if bits & 0x80 != 0 { -sample } else { sample }) as i16
}

fn encode_a(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, -1 - i32::from(sample)) } else { (0x80, i32::from(sample)) };
    let bits = if magnitude < 256 {
        magnitude >> 4
    } else {
        let segment = (31 - magnitude.leading_zeros()) as i32 - 7;
        segment << 4 | (magnitude >> (segment + 3)) & 0x0f
    };
    ((sign | bits) as u8) ^ 0x55
}

fn decode_a(octet: u8) -> i16 {
    let bits = i32::from(octet ^ 0x55);
    let step = bits & 0x0f;
    let sample = match (bits >> 4) & 7 {
        0 => (step << 4) + 8,
        segment => ((step << 4) + 0x108) << (segment - 1),
    };
    (if bits & 0x80 == 0 { -sample } else { sample }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points_of_both_laws() {
        assert_eq!([0xff, 0x80, 0x00, 0xf0].map(|octet| Law::Mu.decode(octet)), [0, 32_124, -32_124, 120]);
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(|octet| Law::A.decode(octet)), [8, -8, 32_256, -32_256]);
        assert_eq!([0, i16::MAX, i16::MIN].map(|sample| Law::Mu.encode(sample)), [0xff, 0x80, 0x00]);
        assert_eq!([0, i16::MAX, i16::MIN].map(|sample| Law::A.encode(sample)), [0xd5, 0xaa, 0x2a]);
    }

    #[test]
    fn every_octet_survives_the_way_through_linear() {
        for law in [Law::Mu, Law::A] {
            for octet in 0..=255u8 {
                let again = law.encode(law.decode(octet));
                // µ-law has two zeros; both decode to 0, which encodes as the positive one.
                assert!(again == octet || (law, octet, again) == (Law::Mu, 0x7f, 0xff), "{law:?} {octet:#x}");
            }
        }
    }

    #[test]
    fn the_error_stays_within_half_a_step_and_the_sign_is_kept() {
        for law in [Law::Mu, Law::A] {
            for sample in (-32_000..32_000).step_by(7) {
                let back = i32::from(law.decode(law.encode(sample as i16)));
                assert!((back - sample).abs() <= sample.abs() / 24 + 16, "{law:?} {sample} {back}");
            }
        }
    }
}
