//! Sound of files at another rate: a polyphase filter with a Kaiser-windowed sinc.

use std::f64::consts::PI;
use std::sync::Arc;

/// The rate of telephony.
pub const RATE_HZ: u32 = 8000;

/// Where the filter has fallen to half its amplitude, as a part of the lower rate: of 8000 Hz speech passes to
/// 3.4 kHz, what would fold back does not.
const CUTOFF: f64 = 0.461_25;
/// How far the filter looks either way, in samples of the lower rate.
const REACH: f64 = 32.0;
/// The Kaiser window's shape: about 80 dB of stop-band attenuation.
const BETA: f64 = 8.0;
/// Filters kept for places between samples; at odd rates the nearest one is taken.
const MOST_PHASES: u64 = 512;

/// Turns sound of one rate into sound of another, however it is cut into pieces.
///
/// Samples come out when the filter has heard what lies behind them; [`Resampler::finish`] brings the rest.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Between two output samples lie `down / up` input samples.
    up: u64,
    down: u64,
    taps: usize,
    phases: u64,
    /// The coefficients of each phase, one phase after the other.
    filters: Arc<[f32]>,
    /// Input that is still needed; its first sample is number `first` counted from `taps / 2` before the sound.
    kept: Vec<f32>,
    first: u64,
    heard: u64,
    given: u64,
}

impl Resampler {
    /// From `rate_hz`, 8000 to 48000, to 8000 Hz.
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        Self::between(rate_hz, RATE_HZ)
    }

    /// From one rate to another, each 8000 to 48000 Hz.
    #[must_use]
    pub fn between(rate_hz: u32, to_hz: u32) -> Self {
        let (rate_hz, to_hz) = (rate_hz.max(RATE_HZ), to_hz.max(RATE_HZ));
        let common = greatest_common_divisor(rate_hz, to_hz);
        let (up, down) = (u64::from(to_hz / common), u64::from(rate_hz / common));
        let phases = up.min(MOST_PHASES);
        let lower = rate_hz.min(to_hz);
        let half = (REACH * f64::from(rate_hz) / f64::from(lower)).ceil() as usize;
        let taps = 2 * half;
        let cutoff = 2.0 * CUTOFF * f64::from(lower) / f64::from(rate_hz);
        let filters = if rate_hz == to_hz {
            Arc::default()
        } else {
            (0..phases).flat_map(|phase| filter(phase as f64 / phases as f64, half, cutoff)).collect()
        };
        Self { up, down, taps, phases, filters, kept: vec![0.0; half], first: 0, heard: 0, given: 0 }
    }

    /// Takes the next samples and appends what comes of them.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.heard += samples.len() as u64;
        if self.filters.is_empty() {
            out.extend(samples);
            return;
        }
        self.kept.extend(samples.iter().map(|&sample| f32::from(sample)));
        self.give(out, u64::MAX);
    }

    /// The sound is over: appends what is left of it.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        if !self.filters.is_empty() {
            let wanted = (self.heard * self.up).div_ceil(self.down);
            self.kept.resize(self.kept.len() + self.taps, 0.0);
            self.give(out, wanted);
        }
    }

    fn give(&mut self, out: &mut Vec<i16>, most: u64) {
        while self.given < most {
            let place = self.given * self.down;
            let at = (place / self.up - self.first) as usize;
            let Some(window) = self.kept.get(at..at + self.taps) else { break };
            let phase = (place % self.up * self.phases / self.up) as usize;
            let filter = &self.filters[phase * self.taps..(phase + 1) * self.taps];
            let sum: f32 = window.iter().zip(filter).map(|(sample, weight)| sample * weight).sum();
            out.push(sum.round() as i16); // A cast holds what is too large at the largest.
            self.given += 1;
        }
        let done = (self.given * self.down / self.up - self.first).min(self.kept.len() as u64);
        self.kept.drain(..done as usize);
        self.first += done;
    }
}

/// The weights of the input samples around a place that lies `offset` of a sample behind one of them; `cutoff` is a part
/// of half the input's rate.
fn filter(offset: f64, half: usize, cutoff: f64) -> Vec<f32> {
    let weight = |tap: usize| {
        let distance = tap as f64 - half as f64 - offset;
        let edge = (distance / half as f64).clamp(-1.0, 1.0);
        cutoff * sinc(cutoff * distance) * bessel(BETA * (1.0 - edge * edge).sqrt()) / bessel(BETA)
    };
    let weights: Vec<f64> = (0..2 * half).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

pub(crate) fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// The modified Bessel function of the first kind and order zero, by its series.
pub(crate) fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    (1..32).fold(1.0, |sum, n| {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum + term
    })
}

pub(crate) fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Sine;

    fn sine(frequency: f64, rate: u32, seconds: f64) -> Vec<i16> {
        let mut sine = Sine::new(frequency, -10.0, f64::from(rate));
        (0..(seconds * f64::from(rate)) as usize).map(|_| sine.sample()).collect()
    }

    fn resampled(samples: &[i16], rate: u32, piece: usize) -> Vec<i16> {
        let mut resampler = Resampler::new(rate);
        let mut out = Vec::new();
        samples.chunks(piece).for_each(|piece| resampler.push(piece, &mut out));
        resampler.finish(&mut out);
        out
    }

    fn level(samples: &[i16]) -> f64 {
        let power = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * (power / 32_767f64.powi(2)).max(1e-12).log10()
    }

    /// How far two sounds differ, against the first, in dB; the edges, where one begins at full, left out.
    fn difference(a: &[i16], b: &[i16]) -> f64 {
        let inner = 400..a.len().min(b.len()) - 400;
        let apart: Vec<i16> = inner.map(|at| a[at].saturating_sub(b[at])).collect();
        level(&apart) - level(a)
    }

    #[test]
    fn speech_passes_unchanged_and_in_place_from_every_rate() {
        for rate in [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 47_999] {
            for frequency in [200.0, 1000.0, 3000.0] {
                let out = resampled(&sine(frequency, rate, 0.5), rate, 777);
                assert!((3999..=4001).contains(&out.len()), "{rate} {}", out.len());
                let apart = difference(&sine(frequency, 8000, 0.5), &out);
                assert!(apart < -45.0, "{rate} Hz {frequency} Hz: {apart:.1} dB");
            }
        }
    }

    #[test]
    fn a_higher_rate_adds_nothing_that_was_not_there() {
        for (from, to) in [(8000, 16_000), (8000, 48_000), (22_050, 16_000), (44_100, 16_000)] {
            let mut resampler = Resampler::between(from, to);
            let mut out = Vec::new();
            sine(1000.0, from, 0.5).chunks(777).for_each(|piece| resampler.push(piece, &mut out));
            resampler.finish(&mut out);
            assert_eq!(out.len(), to as usize / 2);
            let apart = difference(&sine(1000.0, to, 0.5), &out);
            assert!(apart < -45.0, "{from} to {to} Hz: {apart:.1} dB");
        }
    }

    #[test]
    fn what_would_fold_back_is_taken_out() {
        for (rate, frequency) in [(16_000, 4300.0), (16_000, 7000.0), (44_100, 5000.0), (48_000, 12_000.0)] {
            let out = resampled(&sine(frequency, rate, 0.5), rate, 1000);
            let left = level(&out[400..3600]);
            assert!(left < -80.0, "{frequency} Hz at {rate} leaves {left:.1} dB");
        }
    }

    #[test]
    fn pieces_do_not_matter() {
        let sound = sine(700.0, 44_100, 0.2);
        let whole = resampled(&sound, 44_100, sound.len());
        for piece in [1, 7, 160, 4096] {
            assert_eq!(resampled(&sound, 44_100, piece), whole);
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_sound() {
        let mut resampler = Resampler::new(48_000);
        let mut out = Vec::new();
        for _ in 0..1000 {
            resampler.push(&[0; 480], &mut out);
        }
        assert!(resampler.kept.len() < 2 * resampler.taps + 480);
    }

    #[test]
    fn a_full_scale_square_does_not_wrap() {
        let square: Vec<i16> = (0..4800).map(|n| if n / 60 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = resampled(&square, 48_000, 4800);
        assert!(out.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 60_000));
    }

    #[test]
    fn no_sound_gives_none() {
        assert!(resampled(&[], 44_100, 1).is_empty());
        assert_eq!(resampled(&[5], 48_000, 1).len(), 1);
    }
}
