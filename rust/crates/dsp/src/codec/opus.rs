//! Opus (RFC 6716) by libopus, as RTP carries it (RFC 7587): one channel towards us and from us, at any of its rates.

use std::fmt;

use opus::{Application, Bandwidth, Bitrate, Channels, Error, ErrorCode, Signal};

use super::CodecError;

/// Rates of samples at which libopus takes and gives sound, whatever the bandwidth of the packets is.
const RATES_HZ: [u32; 5] = [8000, 12_000, 16_000, 24_000, 48_000];
/// Steps of a second in which sound for lost packets is invented: 2.5 ms.
const STEPS: usize = 400;
/// How hard the encoder tries, 0 to 10: from here on speech gains little, and each step costs.
const COMPLEXITY: i32 = 5;
/// The loss that is assumed of a peer that asks for forward error correction, until it reports: without any the
/// encoder would put none in.
const ASSUMED_LOSS: i32 = 5;

/// Whether libopus takes and gives sound at this rate by itself.
pub fn has_rate(rate_hz: u32) -> bool {
    RATES_HZ.contains(&rate_hz)
}

/// A decoder, and the samples of 2.5 ms.
pub struct OpusDecoder(opus::Decoder, usize);

impl OpusDecoder {
    pub fn new(rate_hz: u32) -> Result<Self, CodecError> {
        let decoder = opus::Decoder::new(rate_hz, Channels::Mono).map_err(|_| CodecError::Format)?;
        Ok(Self(decoder, rate_hz as usize / STEPS))
    }

    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError::Payload); // To libopus it would mean a loss.
        }
        self.0.decode(payload, out, false).map_err(|error| reason(&error))
    }

    pub fn samples(&self, payload: &[u8]) -> Option<usize> {
        if payload.is_empty() { None } else { self.0.get_nb_samples(payload).ok() }
    }

    pub fn conceal(&mut self, out: &mut [i16]) -> usize {
        let whole = out.len() / self.1 * self.1;
        if whole == 0 { 0 } else { self.0.decode(&[], &mut out[..whole], false).unwrap_or(0) }
    }

    pub fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> usize {
        let whole = out.len() / self.1 * self.1;
        if next.is_empty() || whole == 0 {
            return self.conceal(out);
        }
        match self.0.decode(next, &mut out[..whole], true) {
            Ok(samples) => samples,
            Err(_) => self.conceal(out),
        }
    }

    pub fn reset(&mut self) {
        let _ = self.0.reset_state();
    }
}

/// The bit rate where the peer wants none: for narrow and for wide speech in the middle of what RFC 7587 §3.1.1
/// recommends and a little above; from there on libopus knows.
fn unbidden(rate_hz: u32) -> Bitrate {
    match rate_hz {
        ..16_000 => Bitrate::Bits(16_000),
        16_000 => Bitrate::Bits(24_000),
        _ => Bitrate::Auto,
    }
}

/// An encoder, and the samples of 2.5 ms.
pub struct OpusEncoder(opus::Encoder, usize);

impl OpusEncoder {
    /// One channel, whatever the peer prefers: it must take both (RFC 7587 §6.1, stereo).
    pub fn new(rate_hz: u32, fec: bool, bit_rate: u32, most_hz: u32) -> Result<Self, CodecError> {
        let bit_rate = match bit_rate {
            0 => unbidden(rate_hz),
            6000..=510_000 => Bitrate::Bits(bit_rate as i32),
            _ => return Err(CodecError::Format),
        };
        // What the peer does not play would be thrown away there (RFC 7587 §6.1, maxplaybackrate).
        let bandwidth = match most_hz {
            0 => Bandwidth::Fullband,
            8000 => Bandwidth::Narrowband,
            12_000 => Bandwidth::Mediumband,
            16_000 => Bandwidth::Wideband,
            24_000 => Bandwidth::Superwideband,
            _ => return Err(CodecError::Format),
        };
        let told = |mut encoder: opus::Encoder| {
            encoder.set_max_bandwidth(bandwidth)?;
            encoder.set_complexity(COMPLEXITY)?;
            encoder.set_bitrate(bit_rate)?;
            encoder.set_signal(Signal::Voice)?;
            encoder.set_inband_fec(fec)?;
            encoder.set_packet_loss_perc(if fec { ASSUMED_LOSS } else { 0 })?;
            Ok(Self(encoder, rate_hz as usize / STEPS))
        };
        opus::Encoder::new(rate_hz, Channels::Mono, Application::Voip)
            .and_then(told)
            .map_err(|_: Error| CodecError::Format)
    }

    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let steps = samples.len() / self.1;
        if out.is_empty()
            || !samples.len().is_multiple_of(self.1)
            || !matches!(steps, 1 | 2 | 4 | 8 | 16 | 24)
        {
            return Err(CodecError::Length);
        }
        self.0.encode(samples, out).map_err(|_| CodecError::Length)
    }

    pub fn set_loss(&mut self, percent: u8) {
        let _ = self.0.set_packet_loss_perc(i32::from(percent.min(100)));
    }

    pub fn stand_alone(&mut self, alone: bool) {
        let _ = self.0.set_prediction_disabled(alone);
    }

    pub fn reset(&mut self) {
        let _ = self.0.reset_state();
    }

    pub fn set_dtx(&mut self, dtx: bool) {
        let _ = self.0.set_dtx(dtx);
    }
}

fn reason(error: &Error) -> CodecError {
    if error.code() == ErrorCode::BufferTooSmall { CodecError::Length } else { CodecError::Payload }
}

impl fmt::Debug for OpusDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpusDecoder")
    }
}

impl fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpusEncoder")
    }
}
