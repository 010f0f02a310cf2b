//! The codecs of a call behind one face: frames of linear samples become payloads, payloads become samples.
//!
//! A decoder or encoder belongs to one direction of one stream and keeps its state. Nothing allocates after `new`.

mod decoder;
mod encoder;
pub mod g722;
mod l16;
mod opus;

pub use decoder::Decoder;
pub use encoder::Encoder;

use crate::g711::Law;

/// Samples of the longest frame that is encoded or decoded at once: 120 ms at 48000 Hz.
pub const LONGEST: usize = 5760;

/// Which codec, with what distinguishes its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T G.711.
    G711(Law),
    /// ITU-T G.722 at 64 kbit/s.
    G722,
    /// Opus (RFC 6716, RFC 7587).
    Opus {
        /// Whether the peer wants two channels; what is mono is spoken on both.
        stereo: bool,
        /// Whether to add forward error correction.
        fec: bool,
        /// The bit rate to encode at, 6000 to 510000; 0: the encoder chooses.
        bit_rate: u32,
        /// The rate beyond which the peer plays nothing (`maxplaybackrate`), 8000, 12000, 16000 or 24000; 0: it plays all.
        most_hz: u32,
    },
    /// Linear samples, 16 bits, network byte order (RFC 3551 §4.5.11), at this rate.
    L16 {
        /// Samples a second: 8000 to 48000.
        rate_hz: u32,
        /// 1 or 2.
        channels: u8,
    },
}

impl Codec {
    /// The rate of the samples: what `Decoder::new` gives and `Encoder::new` takes, one channel.
    #[must_use]
    pub fn rate_hz(self) -> u32 {
        match self {
            Self::G711(_) => 8000,
            Self::G722 => 16_000,
            Self::Opus { .. } => 48_000,
            Self::L16 { rate_hz, .. } => rate_hz,
        }
    }

    /// `wanted_hz` if the codec's own encoder and decoder know that rate, else [`Codec::rate_hz`].
    #[must_use]
    pub fn nearest_rate_hz(self, wanted_hz: u32) -> u32 {
        let other = matches!(self, Self::Opus { .. }) && opus::has_rate(wanted_hz);
        if other { wanted_hz } else { self.rate_hz() }
    }

    /// The same without what encoders make no use of: those that are equal then give the same payloads.
    #[must_use]
    pub fn as_encoded(self) -> Self {
        match self {
            Self::Opus { fec, bit_rate, most_hz, .. } => Self::Opus { stereo: false, fec, bit_rate, most_hz },
            other => other,
        }
    }

    /// The RTP clock: that of G.722 is 8000 by an old mistake (RFC 3551 §4.5.2).
    #[must_use]
    pub fn clock_hz(self) -> u32 {
        match self {
            Self::G722 => 8000,
            other => other.rate_hz(),
        }
    }
}

/// Why a payload could not be decoded, or a frame not be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The payload is not one of this codec.
    Payload,
    /// The codec has no such rate, number of channels or bit rate.
    Format,
    /// The output has no room, or the frame has a length that the codec does not know.
    Length,
}

#[cfg(test)]
mod costs;
#[cfg(test)]
mod switch;
#[cfg(test)]
mod tests;
