//! Opus (RFC 6716) by libopus, as RTP carries it (RFC 7587): 48000 Hz, one channel towards us and from us.

use std::fmt;

use opus::{Application, Bandwidth, Bitrate, Channels, Error, ErrorCode, Signal};

use super::CodecError;

const RATE_HZ: u32 = 48_000;
/// Samples of 2.5 ms: what is invented for lost packets comes in such steps.
const STEP: usize = 120;
/// How hard the encoder tries, 0 to 10: from here on speech gains little, and each step costs.
const COMPLEXITY: i32 = 5;
/// The loss that is assumed of a peer that asks for forward error correction, until it reports: without any the
/// encoder would put none in.
const ASSUMED_LOSS: i32 = 5;

pub struct OpusDecoder(opus::Decoder);

impl OpusDecoder {
    pub fn new() -> Result<Self, CodecError> {
        opus::Decoder::new(RATE_HZ, Channels::Mono).map(Self).map_err(|_| CodecError::Format)
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
        let whole = out.len() / STEP * STEP;
        if whole == 0 { 0 } else { self.0.decode(&[], &mut out[..whole], false).unwrap_or(0) }
    }

    pub fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> usize {
        let whole = out.len() / STEP * STEP;
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

pub struct OpusEncoder(opus::Encoder);

impl OpusEncoder {
    /// One channel, whatever the peer prefers: it must take both (RFC 7587 §6.1, stereo).
    pub fn new(fec: bool, bit_rate: u32, most_hz: u32) -> Result<Self, CodecError> {
        let bit_rate = match bit_rate {
            0 => Bitrate::Auto,
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
            Ok(Self(encoder))
        };
        opus::Encoder::new(RATE_HZ, Channels::Mono, Application::Voip)
            .and_then(told)
            .map_err(|_: Error| CodecError::Format)
    }

    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        if out.is_empty() || !matches!(samples.len(), 120 | 240 | 480 | 960 | 1920 | 2880) {
            return Err(CodecError::Length);
        }
        self.0.encode(samples, out).map_err(|_| CodecError::Length)
    }

    pub fn set_loss(&mut self, percent: u8) {
        let _ = self.0.set_packet_loss_perc(i32::from(percent.min(100)));
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
