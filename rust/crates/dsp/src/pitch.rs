//! How long the period of a voice is: where a sound is most like itself.

use std::ops::RangeInclusive;

/// Samples a second of the first, coarse search.
const COARSE_HZ: usize = 4000;
/// Milliseconds that are compared.
const COMPARED_MS: usize = 20;
/// Samples of the coarse search: 50 ms.
const COARSE: usize = 200;

/// The period, in samples, within `lags`, at the end of `sound` of `rate` samples a second.
///
/// `sound` must hold 20 ms and the longest lag; of a shorter one, the shortest lag is returned.
#[must_use]
pub fn period(sound: &[f32], rate: usize, lags: RangeInclusive<usize>) -> usize {
    let (shortest, longest) = lags.into_inner();
    let factor = (rate / COARSE_HZ).max(1);
    let mut coarse = [0f32; COARSE];
    let count = (sound.len() / factor).min(COARSE);
    let from = sound.len() - count * factor;
    for (mean, samples) in coarse.iter_mut().zip(sound[from..].chunks_exact(factor)) {
        *mean = samples.iter().sum();
    }
    let compared = rate / factor * COMPARED_MS / 1000;
    let near = best(&coarse[..count], compared, shortest.div_ceil(factor)..=longest / factor, 0.01) * factor;
    let low = near.saturating_sub(factor).max(shortest);
    best(sound, rate * COMPARED_MS / 1000, low..=(near + factor).min(longest), 0.0)
}

/// The lag at which the last `compared` samples are most like those before. A multiple of the period is as like:
/// `clearly` is by how much a longer one must be better.
fn best(sound: &[f32], compared: usize, lags: RangeInclusive<usize>, clearly: f32) -> usize {
    let first = *lags.start();
    let Some(from) = sound.len().checked_sub(compared) else { return first };
    let last = &sound[from..];
    let mut found = (f32::MIN, first);
    for lag in lags.take_while(|lag| *lag <= from) {
        let likeness = likeness(last, &sound[from - lag..sound.len() - lag]);
        if likeness > found.0 + clearly {
            found = (likeness, lag);
        }
    }
    found.1
}

/// How like two pieces are, -1 to 1.
#[must_use]
pub fn likeness(a: &[f32], b: &[f32]) -> f32 {
    let (mut product, mut power_a, mut power_b) = ([0f32; 8], [0f32; 8], [0f32; 8]);
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for lane in 0..8 {
            product[lane] += a[lane] * b[lane];
            power_a[lane] += a[lane] * a[lane];
            power_b[lane] += b[lane] * b[lane];
        }
    }
    let sum = |lanes: [f32; 8]| lanes.iter().sum::<f32>();
    sum(product) / (sum(power_a) * sum(power_b)).sqrt().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_period_of_pulses() {
        for rate in [8000, 16_000, 48_000] {
            for period_us in [3000, 5000, 7300, 11_000, 14_500] {
                let expected = rate * period_us / 1_000_000;
                let sound: Vec<f32> =
                    (0..rate / 20).map(|n| 4000.0 * (-((n % expected) as f32) / 9.0).exp()).collect();
                let found = period(&sound, rate, rate / 400..=rate * 15 / 1000);
                let whole = (found as f64 / expected as f64).round() * expected as f64;
                assert!((found as f64 - whole).abs() <= 1.0, "{rate} Hz: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn too_little_sound_gives_the_shortest() {
        assert_eq!(period(&[], 8000, 20..=120), 20);
        assert_eq!(period(&[1.0; 100], 8000, 20..=120), 20);
        assert_eq!(likeness(&[], &[]), 0.0);
    }
}
