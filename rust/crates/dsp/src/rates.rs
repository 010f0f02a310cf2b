//! Sampling rates of live sound: a frame in, a frame out, and a small delay that never changes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::resample::{bessel, greatest_common_divisor, sinc};

/// Where the filter has fallen to half its amplitude, in parts of the lower rate. It is flat to 0.45 and closed from
/// 0.525 on: what folds back lands above the flat part.
const CUTOFF: f64 = 0.4875;
/// Samples of the lower rate that the filter spans; half of them is the delay: 3.4 ms when that rate is 8000 Hz.
const SPAN: usize = 54;
/// The Kaiser window's shape: about 65 dB of stop-band attenuation.
const BETA: f64 = 6.2;
/// Samples converted at once.
const PIECE: usize = 480;
/// Filters for places between samples; with more, a pair of rates is refused.
const MOST_PHASES: u32 = 640;
/// Pairs of rates whose filters are kept for others.
const MOST_SHARED: usize = 64;

/// Turns sound of one rate into sound of another, both 8000 to 48000 Hz.
///
/// Frames of whole 10 ms give frames of as many milliseconds, the first one too. It allocates nothing after `new`.
#[derive(Clone, Debug)]
pub struct Rates {
    from_hz: u32,
    to_hz: u32,
    /// Between two output samples lie `down / up` input samples.
    up: usize,
    down: usize,
    taps: usize,
    /// The weights of each phase, one phase after the other; empty when both rates are the same.
    filters: Arc<[f32]>,
    /// The last `taps - 1` samples, and room for the next piece.
    kept: Vec<f32>,
    /// Where the next output sample lies behind the beginning of the next piece: whole samples, and parts of
    /// `1 / up`.
    at: usize,
    phase: usize,
}

impl Rates {
    /// A converter between two rates; `None` for rates out of range, or so odd that they have no small ratio.
    #[must_use]
    pub fn new(from_hz: u32, to_hz: u32) -> Option<Self> {
        if !(8000..=48_000).contains(&from_hz) || !(8000..=48_000).contains(&to_hz) {
            return None;
        }
        let common = greatest_common_divisor(from_hz, to_hz);
        let (up, down) = (to_hz / common, from_hz / common);
        if up > MOST_PHASES {
            return None;
        }
        let lower = from_hz.min(to_hz) as usize;
        let taps = (SPAN * from_hz as usize).div_ceil(lower).next_multiple_of(8);
        let filters = if up == down { Arc::default() } else { shared(up, down, taps) };
        let kept = if up == down { Vec::new() } else { vec![0.0; taps - 1 + PIECE] };
        Some(Self {
            from_hz,
            to_hz,
            up: up as usize,
            down: down as usize,
            taps,
            filters,
            kept,
            at: 0,
            phase: 0,
        })
    }

    /// The rate that goes in.
    #[must_use]
    pub fn from_hz(&self) -> u32 {
        self.from_hz
    }

    /// The rate that comes out.
    #[must_use]
    pub fn to_hz(&self) -> u32 {
        self.to_hz
    }

    /// How far the sound that comes out lags behind, in microseconds.
    #[must_use]
    pub fn delay_us(&self) -> u64 {
        if self.filters.is_empty() { 0 } else { (self.taps as u64 / 2) * 1_000_000 / u64::from(self.from_hz) }
    }

    /// Converts the next samples; returns how many it put into `out`: `samples.len()` times the ratio of the rates,
    /// in whole samples on the average. What finds no room in `out` is lost.
    pub fn convert(&mut self, samples: &[i16], out: &mut [i16]) -> usize {
        if self.filters.is_empty() {
            let count = samples.len().min(out.len());
            out[..count].copy_from_slice(&samples[..count]);
            return count;
        }
        let mut given = 0;
        for piece in samples.chunks(PIECE) {
            given += self.convert_piece(piece, &mut out[given..]);
        }
        given
    }

    fn convert_piece(&mut self, piece: &[i16], out: &mut [i16]) -> usize {
        let before = self.taps - 1;
        let fresh = &mut self.kept[before..before + piece.len()];
        fresh.iter_mut().zip(piece).for_each(|(kept, &sample)| *kept = f32::from(sample));
        let mut given = 0;
        let (whole, part) = (self.down / self.up, self.down % self.up);
        while self.at < piece.len() {
            let weights = &self.filters[self.phase * self.taps..][..self.taps];
            if let Some(sample) = out.get_mut(given) {
                let sum = weighed(&self.kept[self.at..][..self.taps], weights);
                *sample = (sum + 0.5f32.copysign(sum)) as i16; // A cast holds what is too large at the largest.
                given += 1;
            }
            self.at += whole;
            self.phase += part;
            if self.phase >= self.up {
                (self.at, self.phase) = (self.at + 1, self.phase - self.up);
            }
        }
        self.at -= piece.len();
        self.kept.copy_within(piece.len()..piece.len() + before, 0);
        given
    }

    /// Forgets what was heard: the next sample begins another sound.
    pub fn reset(&mut self) {
        self.kept.fill(0.0);
        (self.at, self.phase) = (0, 0);
    }
}

/// The sum of products, in eight lanes, so that the compiler may use vectors.
fn weighed(window: &[f32], weights: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (window, weights) = (window.as_chunks::<8>().0, weights.as_chunks::<8>().0);
    for (samples, weights) in window.iter().zip(weights) {
        for lane in 0..8 {
            lanes[lane] += samples[lane] * weights[lane];
        }
    }
    lanes.iter().sum()
}

/// The filters of a ratio, made once for all.
fn shared(up: u32, down: u32, taps: usize) -> Arc<[f32]> {
    type Entry = ((u32, u32), Arc<[f32]>);
    static MADE: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, filters)) = made.iter().find(|(ratio, _)| *ratio == (up, down)) {
        return Arc::clone(filters);
    }
    let cutoff = 2.0 * CUTOFF * (f64::from(up) / f64::from(down)).min(1.0);
    let filters: Arc<[f32]> =
        (0..up).flat_map(|phase| filter(f64::from(phase) / f64::from(up), taps, cutoff)).collect();
    if made.len() < MOST_SHARED {
        made.push(((up, down), Arc::clone(&filters)));
    }
    filters
}

/// The weights of `taps` samples for a place that lies `offset` of a sample behind the middle one.
fn filter(offset: f64, taps: usize, cutoff: f64) -> Vec<f32> {
    let half = taps as f64 / 2.0;
    let weight = |tap: usize| {
        let distance = tap as f64 + 1.0 - half - offset;
        let edge = (distance / half).clamp(-1.0, 1.0);
        cutoff * sinc(cutoff * distance) * bessel(BETA * (1.0 - edge * edge).sqrt()) / bessel(BETA)
    };
    let weights: Vec<f64> = (0..taps).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Sine;

    const LIVE: [u32; 4] = [8000, 16_000, 24_000, 48_000];

    fn pairs() -> impl Iterator<Item = (u32, u32)> {
        LIVE.into_iter()
            .flat_map(|from| LIVE.into_iter().map(move |to| (from, to)))
            .filter(|(from, to)| from != to)
    }

    /// A quarter of a second of a tone, converted in frames of 20 ms; the first 40 ms are left out.
    fn converted(from: u32, to: u32, frequency: f64) -> Vec<i16> {
        let mut rates = Rates::new(from, to).unwrap();
        let mut sine = Sine::new(frequency, -10.0, f64::from(from));
        let mut all = Vec::new();
        for _ in 0..12 {
            let frame: Vec<i16> = (0..from / 50).map(|_| sine.sample()).collect();
            let mut out = [0; 960];
            let count = rates.convert(&frame, &mut out);
            assert_eq!(count, to as usize / 50);
            all.extend_from_slice(&out[..count]);
        }
        all.split_off(to as usize / 25)
    }

    fn level(samples: &[i16]) -> f64 {
        let power = samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64;
        10.0 * (power / 32_767f64.powi(2)).max(1e-12).log10()
    }

    #[test]
    fn what_both_rates_can_carry_passes_within_half_a_decibel() {
        for (from, to) in pairs() {
            let top = 0.45 * f64::from(from.min(to));
            for part in [0.01, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0] {
                let apart = level(&converted(from, to, part * top)) + 10.0;
                assert!(apart.abs() < 0.5, "{from} to {to} Hz, {:.0} Hz: {apart:.2} dB", part * top);
            }
        }
    }

    #[test]
    fn what_would_fold_back_is_60_decibels_down() {
        for (from, to) in pairs().filter(|(from, to)| from > to) {
            let (first, last) = (0.525 * f64::from(to), 0.5 * f64::from(from));
            for step in 0..=20 {
                let frequency = first + (last - first) * f64::from(step) / 20.0;
                let left = level(&converted(from, to, frequency)) + 10.0;
                assert!(left < -60.0, "{from} to {to} Hz, {frequency:.0} Hz leaves {left:.1} dB");
            }
        }
    }

    #[test]
    fn no_images_appear_above_what_was_there() {
        for (from, to) in pairs().filter(|(from, to)| from < to) {
            for part in [0.05, 0.2, 0.4, 0.45] {
                let frequency = part * f64::from(from);
                let out = converted(from, to, frequency);
                // What is left when the tone itself is taken out, by the two sums that make its amplitude and phase.
                let step = std::f64::consts::TAU * frequency / f64::from(to);
                let (mut across, mut along) = (0.0, 0.0);
                let whole = out.len() as f64;
                for (n, &sample) in out.iter().enumerate() {
                    across += 2.0 / whole * f64::from(sample) * (step * n as f64).sin();
                    along += 2.0 / whole * f64::from(sample) * (step * n as f64).cos();
                }
                let rest = |(n, &sample): (usize, &i16)| {
                    let angle = step * n as f64;
                    (f64::from(sample) - across * angle.sin() - along * angle.cos()).round() as i16
                };
                let rest: Vec<i16> = out.iter().enumerate().map(rest).collect();
                let left = level(&rest) + 10.0;
                assert!(left < -58.0, "{from} to {to} Hz, {frequency:.0} Hz leaves {left:.1} dB");
            }
        }
    }

    #[test]
    fn the_delay_is_what_it_says_and_small() {
        for (from, to) in pairs() {
            let mut rates = Rates::new(from, to).unwrap();
            let mut click = vec![0i16; from as usize / 50];
            click[0] = 20_000;
            let mut out = [0; 960];
            let count = rates.convert(&click, &mut out);
            let (peak, _) = out[..count].iter().enumerate().max_by_key(|(_, sample)| **sample).unwrap();
            let late = peak as u64 * 1_000_000 / u64::from(to);
            assert!(
                late.abs_diff(rates.delay_us()) <= 1_000_000 / u64::from(from.min(to)),
                "{from} {to} {late}"
            );
            assert!(rates.delay_us() <= 3500);
        }
    }

    #[test]
    fn frames_of_any_length_make_the_same_sound() {
        let sound: Vec<i16> = (0..4410).map(|n| (n * 7919 % 20_011) as i16).collect();
        let by = |piece: usize| {
            let (mut rates, mut all) = (Rates::new(44_100, 48_000).unwrap(), Vec::new());
            for piece in sound.chunks(piece) {
                let mut out = [0; 6000];
                let count = rates.convert(piece, &mut out);
                all.extend_from_slice(&out[..count]);
            }
            all
        };
        assert_eq!(by(4410).len(), 4800);
        for piece in [1, 7, 441, 481] {
            assert!(by(piece) == by(4410), "{piece}");
        }
    }

    #[test]
    fn odd_rates_are_refused_and_equal_ones_copied() {
        assert!(Rates::new(7999, 8000).is_none() && Rates::new(8000, 48_001).is_none());
        assert!(Rates::new(8000, 47_999).is_none());
        let mut out = [0; 3];
        assert_eq!(Rates::new(8000, 8000).unwrap().convert(&[1, 2, 3, 4], &mut out), 3);
        assert_eq!(out, [1, 2, 3]);
    }

    #[test]
    fn full_scale_does_not_wrap_and_what_has_no_room_is_lost() {
        let square: Vec<i16> = (0..960).map(|n| if n / 60 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let mut out = [0; 160];
        assert_eq!(Rates::new(48_000, 8000).unwrap().convert(&square, &mut out), 160);
        assert!(out.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 60_000));
        assert_eq!(Rates::new(48_000, 8000).unwrap().convert(&square, &mut out[..7]), 7);
    }
}
