//! One direction of one stream: frames of samples in, payloads out.

use super::opus::OpusEncoder;
use super::{Codec, CodecError, g722, l16};
use crate::g711::Law;

/// Encodes the frames of one stream, one after the other.
#[derive(Debug)]
pub struct Encoder {
    codec: Codec,
    rate_hz: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    G711(Law),
    G722(Box<g722::Encoder>),
    Opus(OpusEncoder),
    L16(u8),
}

impl Encoder {
    /// An encoder for a stream that begins.
    ///
    /// # Errors
    /// [`CodecError::Format`] for a rate, a number of channels or a bit rate that the codec does not have.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Self::at(codec, codec.rate_hz())
    }

    /// An encoder that takes sound at `wanted_hz` if the codec can do so by itself, as Opus can at 8000, 12000, 16000 and
    /// 24000 Hz, for less than the whole costs; otherwise at [`Codec::rate_hz`]: see [`Encoder::rate_hz`].
    ///
    /// # Errors
    /// As for [`Encoder::new`].
    pub fn at(codec: Codec, wanted_hz: u32) -> Result<Self, CodecError> {
        let rate_hz = codec.nearest_rate_hz(wanted_hz);
        let kind = match codec {
            Codec::G711(law) => Kind::G711(law),
            Codec::G722 => Kind::G722(Box::default()),
            Codec::Opus { fec, bit_rate, most_hz, .. } => {
                Kind::Opus(OpusEncoder::new(rate_hz, fec, bit_rate, most_hz)?)
            }
            Codec::L16 { rate_hz, channels } => {
                l16::check(rate_hz, channels)?;
                Kind::L16(channels)
            }
        };
        Ok(Self { codec, rate_hz, kind })
    }

    /// How many of the samples that it takes are a second.
    #[must_use]
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// What it encodes.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Encodes one frame of mono samples at [`Encoder::rate_hz`]; returns how many octets it put into `out`.
    ///
    /// Opus takes frames of 2.5, 5, 10, 20, 40 and 60 ms, the others any length (G.722 an even number of samples).
    /// It is Opus alone that may leave out silence, and only when told to: a payload of one or two octets need not
    /// be sent (RFC 7587 §3.1.3).
    ///
    /// # Errors
    /// [`CodecError::Length`] for a frame of a length that the codec does not know, or when `out` is too short.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        match &mut self.kind {
            Kind::Opus(encoder) => encoder.encode(samples, out),
            Kind::G711(law) => {
                let out = room(out, samples.len())?;
                out.iter_mut().zip(samples).for_each(|(octet, &sample)| *octet = law.encode(sample));
                Ok(out.len())
            }
            Kind::G722(encoder) => {
                if samples.len() % 2 == 1 {
                    return Err(CodecError::Length);
                }
                let out = room(out, samples.len() / 2)?;
                encoder.encode(samples, out);
                Ok(out.len())
            }
            Kind::L16(channels) => {
                let out = room(out, 2 * samples.len() * usize::from(*channels))?;
                l16::encode(samples, *channels, out);
                Ok(out.len())
            }
        }
    }

    /// How many packets in a hundred the peer says it loses: Opus puts that much forward error correction in.
    pub fn set_loss(&mut self, percent: u8) {
        if let Kind::Opus(encoder) = &mut self.kind {
            encoder.set_loss(percent);
        }
    }

    /// Whether the next frames are encoded without regard to those before them: for somebody who has heard another
    /// encoder so far. Only Opus has a choice.
    pub fn stand_alone(&mut self, alone: bool) {
        if let Kind::Opus(encoder) = &mut self.kind {
            encoder.stand_alone(alone);
        }
    }

    /// Forgets what it has heard: the next frame is the first of a stream. What it was told stays.
    pub fn reset(&mut self) {
        match &mut self.kind {
            Kind::Opus(encoder) => encoder.reset(),
            Kind::G722(encoder) => **encoder = g722::Encoder::default(),
            Kind::G711(_) | Kind::L16(_) => {}
        }
    }

    /// Whether silence may be left out (`usedtx=1`, RFC 7587 §6.1); off at first. Only Opus can.
    pub fn set_dtx(&mut self, dtx: bool) {
        if let Kind::Opus(encoder) = &mut self.kind {
            encoder.set_dtx(dtx);
        }
    }
}

fn room(out: &mut [u8], octets: usize) -> Result<&mut [u8], CodecError> {
    if octets == 0 {
        return Err(CodecError::Length);
    }
    out.get_mut(..octets).ok_or(CodecError::Length)
}
