//! ITU-T G.722 (09/2012) at 64 kbit/s: two bands of 8000 samples a second each, ADPCM of 6 and 2 bits.
//!
//! Names in capitals in the comments are those of the blocks in the Recommendation, clauses 3.5 and 3.6, whose
//! arithmetic is followed bit by bit.

mod band;
mod tables;

use band::Band;
use tables::{
    DECISIONS, HIGH_DECISION, HIGH_INVERSE, HIGH_LOG, INVERSE_4, INVERSE_6, LOW_LOG, QMF, QMF_TAPS,
};

/// The largest log scale factors of the two bands (LOGSCL, LOGSCH), and the places of their points.
const LOW: band::Shape = band::Shape { most: 18_432, shift: 8, first: 32 };
const HIGH: band::Shape = band::Shape { most: 22_528, shift: 10, first: 8 };

/// Octets in, samples of 16000 Hz out.
#[derive(Clone, Debug)]
pub struct Decoder {
    low: Band,
    high: Band,
    kept: [i32; QMF_TAPS],
}

impl Default for Decoder {
    fn default() -> Self {
        Self { low: Band::new(LOW), high: Band::new(HIGH), kept: [0; QMF_TAPS] }
    }
}

impl Decoder {
    /// Fills `out`, which has two samples for each octet.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) {
        for (octet, pair) in payload.iter().zip(out.chunks_exact_mut(2)) {
            let low = self.decode_low(usize::from(octet & 0x3f));
            let high = self.decode_high(usize::from(octet >> 6));
            // RECA, RECB, ACCUMC, ACCUMD.
            self.kept.copy_within(2.., 0);
            self.kept[QMF_TAPS - 2] = low + high;
            self.kept[QMF_TAPS - 1] = low - high;
            let (even, odd) = filtered(&self.kept);
            pair[0] = saturated(odd >> 11) as i16;
            pair[1] = saturated(even >> 11) as i16;
        }
    }

    fn decode_low(&mut self, code: usize) -> i32 {
        let fine = (self.low.scale() * INVERSE_6[code]) >> 15; // INVQBL
        let sample = (self.low.predicted() + fine).clamp(-16_384, 16_383); // RECONS, LIMIT
        adapt_low(&mut self.low, code);
        sample
    }

    fn decode_high(&mut self, code: usize) -> i32 {
        let difference = (self.high.scale() * HIGH_INVERSE[code]) >> 15; // INVQAH
        let sample = (self.high.predicted() + difference).clamp(-16_384, 16_383);
        self.high.adapt(difference, HIGH_LOG[code]);
        sample
    }
}

/// Samples of 16000 Hz in, octets out.
#[derive(Clone, Debug)]
pub struct Encoder {
    low: Band,
    high: Band,
    kept: [i32; QMF_TAPS],
}

impl Default for Encoder {
    fn default() -> Self {
        Self { low: Band::new(LOW), high: Band::new(HIGH), kept: [0; QMF_TAPS] }
    }
}

impl Encoder {
    /// Fills `out`, which has one octet for each two samples.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) {
        for (pair, octet) in samples.chunks_exact(2).zip(out) {
            self.kept.copy_within(2.., 0);
            self.kept[QMF_TAPS - 2] = i32::from(pair[0]);
            self.kept[QMF_TAPS - 1] = i32::from(pair[1]);
            let (even, odd) = filtered(&self.kept); // LOWT, HIGHT
            let low = self.encode_low((odd + even) >> 14);
            let high = self.encode_high((odd - even) >> 14);
            *octet = high << 6 | low;
        }
    }

    fn encode_low(&mut self, sample: i32) -> u8 {
        let error = saturated(sample - self.low.predicted()); // SUBTRA
        let size = if error < 0 { -(error + 1) } else { error };
        let scale = self.low.scale();
        // QUANTL: codes fall from 31 as a negative error grows, and from 61 as a positive one does.
        let step = DECISIONS.partition_point(|&level| size >= (level * scale) >> 12) as u8;
        let code = match (error < 0, step) {
            (true, 0..=1) => 63 - step,
            (true, _) => 33 - step,
            (false, _) => 61 - step,
        };
        adapt_low(&mut self.low, usize::from(code));
        code
    }

    fn encode_high(&mut self, sample: i32) -> u8 {
        let error = saturated(sample - self.high.predicted()); // SUBTRB
        let size = if error < 0 { -(error + 1) } else { error };
        let large = size >= (HIGH_DECISION * self.high.scale()) >> 12; // QUANTH
        let code = u8::from(!large) | if error < 0 { 0 } else { 2 };
        let difference = (self.high.scale() * HIGH_INVERSE[usize::from(code)]) >> 15;
        self.high.adapt(difference, HIGH_LOG[usize::from(code)]);
        code
    }
}

/// The lower band adapts by the upper four bits of a code alone, so that the lower two may be stolen for data.
fn adapt_low(band: &mut Band, code: usize) {
    let difference = (band.scale() * INVERSE_4[code >> 2]) >> 15; // INVQAL
    band.adapt(difference, LOW_LOG[code >> 2]);
}

/// Both halves of the quadrature mirror filter: over the samples of even and those of odd places.
fn filtered(kept: &[i32; QMF_TAPS]) -> (i32, i32) {
    let (mut even, mut odd) = (0, 0);
    for (pair, weights) in kept.chunks_exact(2).zip(QMF.chunks_exact(2)) {
        even += pair[0] * weights[0];
        odd += pair[1] * weights[1];
    }
    (even, odd)
}

fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

#[cfg(test)]
mod tests;
