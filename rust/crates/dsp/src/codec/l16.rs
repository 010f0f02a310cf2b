//! Linear samples of 16 bits in network byte order (RFC 3551 §4.5.11).

use super::CodecError;

/// Whether there is such a format.
pub fn check(rate_hz: u32, channels: u8) -> Result<(), CodecError> {
    let known = (8000..=48_000).contains(&rate_hz) && (1..=2).contains(&channels);
    if known { Ok(()) } else { Err(CodecError::Format) }
}

/// How many samples of one channel a payload holds.
pub fn samples(payload: &[u8], channels: u8) -> Result<usize, CodecError> {
    let octets = 2 * usize::from(channels);
    if payload.len().is_multiple_of(octets) { Ok(payload.len() / octets) } else { Err(CodecError::Payload) }
}

/// Decodes as many samples as `out` holds; two channels become their mean.
pub fn decode(payload: &[u8], channels: u8, out: &mut [i16]) {
    let sample = |octets: &[u8]| i32::from(i16::from_be_bytes([octets[0], octets[1]]));
    if channels == 2 {
        for (out, frame) in out.iter_mut().zip(payload.chunks_exact(4)) {
            *out = ((sample(&frame[..2]) + sample(&frame[2..])) >> 1) as i16;
        }
    } else {
        out.iter_mut().zip(payload.chunks_exact(2)).for_each(|(out, octets)| *out = sample(octets) as i16);
    }
}

/// Writes each sample once for each channel.
pub fn encode(samples: &[i16], channels: u8, out: &mut [u8]) {
    for (frame, sample) in out.chunks_exact_mut(2 * usize::from(channels)).zip(samples) {
        frame.chunks_exact_mut(2).for_each(|octets| octets.copy_from_slice(&sample.to_be_bytes()));
    }
}
