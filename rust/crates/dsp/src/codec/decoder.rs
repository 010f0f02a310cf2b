//! One direction of one stream: payloads in, samples out, and something plausible for what was lost.

use super::opus::OpusDecoder;
use super::{Codec, CodecError, LONGEST, g722, l16};
use crate::conceal::Concealment;
use crate::g711::Law;

/// Decodes the payloads of one stream, in the order of their timestamps.
#[derive(Debug)]
pub struct Decoder {
    codec: Codec,
    rate_hz: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    G711(Law, Box<Concealment>),
    G722(Box<g722::Decoder>, Box<Concealment>),
    Opus(OpusDecoder),
    L16(u8, Box<Concealment>),
}

impl Decoder {
    /// A decoder for a stream that begins.
    ///
    /// # Errors
    /// [`CodecError::Format`] for a rate or a number of channels that the codec does not have.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Self::at(codec, codec.rate_hz())
    }

    /// A decoder that gives sound at `wanted_hz` if the codec can do so by itself, as Opus can at 8000, 12000, 16000 and
    /// 24000 Hz, for less than the whole costs; otherwise at [`Codec::rate_hz`]: see [`Decoder::rate_hz`].
    ///
    /// # Errors
    /// As for [`Decoder::new`].
    pub fn at(codec: Codec, wanted_hz: u32) -> Result<Self, CodecError> {
        let rate_hz = codec.nearest_rate_hz(wanted_hz);
        let concealment = || Box::new(Concealment::new(codec.rate_hz()));
        let kind = match codec {
            Codec::G711(law) => Kind::G711(law, concealment()),
            Codec::G722 => Kind::G722(Box::default(), concealment()),
            Codec::Opus { .. } => Kind::Opus(OpusDecoder::new(rate_hz)?),
            Codec::L16 { rate_hz, channels } => {
                l16::check(rate_hz, channels)?;
                Kind::L16(channels, concealment())
            }
        };
        Ok(Self { codec, rate_hz, kind })
    }

    /// How many of the samples that it gives are a second.
    #[must_use]
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// What it decodes.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Decodes one payload; returns how many samples it put into `out`: mono, at [`Decoder::rate_hz`].
    ///
    /// # Errors
    /// [`CodecError::Payload`] for what is not a payload of this codec, [`CodecError::Length`] when `out` is too
    /// short ([`LONGEST`] samples always do). The decoder goes on; conceal what could not be decoded.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        match &mut self.kind {
            Kind::Opus(decoder) => decoder.decode(payload, out),
            Kind::G711(law, concealment) => {
                let out = room(out, payload.len())?;
                out.iter_mut().zip(payload).for_each(|(sample, &octet)| *sample = law.decode(octet));
                Ok(concealment.heard(out))
            }
            Kind::G722(decoder, concealment) => {
                let out = room(out, 2 * payload.len())?;
                decoder.decode(payload, out);
                Ok(concealment.heard(out))
            }
            Kind::L16(channels, concealment) => {
                let out = room(out, l16::samples(payload, *channels)?)?;
                l16::decode(payload, *channels, out);
                Ok(concealment.heard(out))
            }
        }
    }

    /// How many samples `payload` holds, without decoding it; `None` for what is not a payload of this codec.
    #[must_use]
    pub fn samples(&self, payload: &[u8]) -> Option<usize> {
        let samples = match &self.kind {
            Kind::G711(..) => payload.len(),
            Kind::G722(..) => 2 * payload.len(),
            Kind::Opus(decoder) => decoder.samples(payload)?,
            Kind::L16(channels, _) => l16::samples(payload, *channels).ok()?,
        };
        (1..=LONGEST).contains(&samples).then_some(samples)
    }

    /// Invents up to `samples` samples in place of a payload that did not come; returns how many: `out` and
    /// [`LONGEST`] bound it.
    ///
    /// What was heard last goes on for a while and fades into the noise of the background. Of Opus whole steps of
    /// 2.5 ms are invented.
    pub fn conceal(&mut self, samples: usize, out: &mut [i16]) -> usize {
        let samples = samples.min(out.len()).min(LONGEST);
        let out = &mut out[..samples];
        match &mut self.kind {
            Kind::Opus(decoder) => decoder.conceal(out),
            Kind::G711(_, concealment) | Kind::G722(_, concealment) | Kind::L16(_, concealment) => {
                concealment.conceal(out);
                samples
            }
        }
    }

    /// Restores `samples` lost samples from what the packet behind them, `next`, says of them (Opus with forward
    /// error correction, RFC 6716 §2.1.7); conceals them when it says nothing. `next` is to be decoded afterwards.
    pub fn decode_fec(&mut self, next: &[u8], samples: usize, out: &mut [i16]) -> usize {
        let most = samples.min(out.len()).min(LONGEST);
        match &mut self.kind {
            Kind::Opus(decoder) => decoder.decode_fec(next, &mut out[..most]),
            _ => self.conceal(samples, out),
        }
    }

    /// Another stream begins: what was heard before is forgotten.
    pub fn reset(&mut self) {
        match &mut self.kind {
            Kind::Opus(decoder) => decoder.reset(),
            Kind::G722(decoder, concealment) => {
                **decoder = g722::Decoder::default();
                concealment.reset();
            }
            Kind::G711(_, concealment) | Kind::L16(_, concealment) => concealment.reset(),
        }
    }
}

fn room(out: &mut [i16], samples: usize) -> Result<&mut [i16], CodecError> {
    if samples == 0 {
        return Err(CodecError::Payload);
    }
    out.get_mut(..samples).ok_or(CodecError::Length)
}
