//! Looks at sound of 8000 Hz, one each 20 ms: how loud it is, and which tones stand out of the last 64 ms.

use std::f32::consts::TAU;
use std::sync::LazyLock;

/// Samples from one look to the next: 20 ms.
pub const HOP: usize = 160;
/// The same in milliseconds.
pub const HOP_MS: u32 = 20;
/// Samples that are looked at for tones.
const WIDTH: usize = 512;
/// Two real samples make a complex one.
const HALF: usize = WIDTH / 2;
/// A bin's width in Hz.
const BIN_HZ: f32 = 8000.0 / WIDTH as f32;
/// Bins on either side that belong to a tone: 47 Hz; tones that are closer count as one.
const SIDE: usize = 3;
/// Below this there are no tones, only hum.
const LOWEST: usize = 16;

/// A tone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tone {
    /// The middle of its power.
    pub frequency_hz: f32,
    /// What part of all power it has, 0 to 1.
    pub share: f32,
}

/// What one look sees.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// The mean square of the last 20 ms, around their mean.
    pub energy: f32,
    /// The mean square of what is looked at for tones, most of it from the middle of the last 64 ms.
    pub power: f32,
    /// The two strongest tones, the stronger first.
    pub tones: [Tone; 2],
}

impl Look {
    /// Whether there is hardly anything but the two strongest tones.
    #[must_use]
    pub fn is_tonal(&self) -> bool {
        self.tones[0].share + self.tones[1].share > 0.85
    }

    /// Whether there is hardly anything but one tone.
    #[must_use]
    pub fn is_lone_tone(&self) -> bool {
        self.tones[0].share > 0.85
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Complex {
    re: f32,
    im: f32,
}

impl Complex {
    fn times(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }

    fn plus(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }

    fn minus(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

/// `e^(-i 2 pi k / WIDTH)`.
static TURNS: LazyLock<[Complex; HALF]> = LazyLock::new(|| {
    std::array::from_fn(|k| {
        let angle = -TAU * k as f32 / WIDTH as f32;
        Complex { re: angle.cos(), im: angle.sin() }
    })
});
/// The window (Hann).
static SHAPE: LazyLock<[f32; WIDTH]> =
    LazyLock::new(|| std::array::from_fn(|at| 0.5 - 0.5 * (TAU * at as f32 / WIDTH as f32).cos()));

/// Cuts sound into looks.
#[derive(Clone, Debug)]
pub struct Spectrum {
    kept: [f32; WIDTH],
    fresh: usize,
}

impl Default for Spectrum {
    fn default() -> Self {
        Self { kept: [0.0; WIDTH], fresh: 0 }
    }
}

impl Spectrum {
    /// Takes samples up to the next look; gives what is left, and the look if it is time for it.
    pub fn take<'a>(&mut self, samples: &'a [i16]) -> (&'a [i16], Option<Look>) {
        let (now, later) = samples.split_at(samples.len().min(HOP - self.fresh));
        let place = WIDTH - HOP + self.fresh;
        for (kept, &sample) in self.kept[place..].iter_mut().zip(now) {
            *kept = f32::from(sample);
        }
        self.fresh += now.len();
        (later, (self.fresh == HOP).then(|| self.look()))
    }

    fn look(&mut self) -> Look {
        let powers = powers(&self.kept);
        let energy = spread(&self.kept[WIDTH - HOP..]);
        self.kept.copy_within(HOP.., 0);
        self.fresh = 0;
        let all: f32 = powers.iter().sum::<f32>() + 1.0;
        let first = peak(&powers, None);
        let second = peak(&powers, Some(first));
        // Parseval: one side of the spectrum, and 3/8 of the power passes the window.
        let power = all * 2.0 / (WIDTH * WIDTH) as f32 * 8.0 / 3.0;
        let tone = |at: usize, without| {
            let (frequency_hz, power) = centre(&powers, at, without);
            Tone { frequency_hz, share: power / all }
        };
        Look { energy, power, tones: [tone(first, None), tone(second, Some(first))] }
    }
}

/// The mean square around the mean.
fn spread(samples: &[f32]) -> f32 {
    let length = samples.len() as f32;
    let mean = samples.iter().sum::<f32>() / length;
    samples.iter().map(|sample| (sample - mean) * (sample - mean)).sum::<f32>() / length
}

/// The strongest bin above the hum that does not belong to a tone that is known.
fn peak(powers: &[f32; HALF], without: Option<usize>) -> usize {
    let free = (LOWEST..HALF - SIDE).filter(|&at| without.is_none_or(|known| at.abs_diff(known) > SIDE));
    free.max_by(|&a, &b| powers[a].total_cmp(&powers[b])).unwrap_or(LOWEST)
}

/// The frequency and power of the tone around a bin.
fn centre(powers: &[f32; HALF], at: usize, without: Option<usize>) -> (f32, f32) {
    let bins = (at - SIDE..=at + SIDE).filter(|&bin| without.is_none_or(|known| bin.abs_diff(known) > SIDE));
    let (mut sum, mut moment) = (1e-9, 0.0);
    for bin in bins {
        sum += powers[bin];
        moment += powers[bin] * (bin as f32 - at as f32);
    }
    ((at as f32 + moment / sum) * BIN_HZ, sum)
}

/// The power in each bin: a transform of half the length over pairs of samples, taken apart afterwards.
fn powers(samples: &[f32; WIDTH]) -> [f32; HALF] {
    let shape = &*SHAPE;
    let mut pairs: [Complex; HALF] = std::array::from_fn(|at| {
        let place = 2 * reversed(at);
        Complex { re: samples[place] * shape[place], im: samples[place + 1] * shape[place + 1] }
    });
    transform(&mut pairs);
    let turns = &*TURNS;
    std::array::from_fn(|k| {
        let (a, b) = (pairs[k], pairs[(HALF - k) % HALF]);
        let even = Complex { re: (a.re + b.re) / 2.0, im: (a.im - b.im) / 2.0 };
        let odd = Complex { re: (a.im + b.im) / 2.0, im: (b.re - a.re) / 2.0 };
        let bin = even.plus(odd.times(turns[k]));
        bin.re * bin.re + bin.im * bin.im
    })
}

fn reversed(at: usize) -> usize {
    at.reverse_bits() >> (usize::BITS - HALF.trailing_zeros())
}

/// The butterflies of a fast Fourier transform, over values in bit-reversed order.
fn transform(values: &mut [Complex; HALF]) {
    let turns = &*TURNS;
    let mut length = 2;
    while length <= HALF {
        let stride = WIDTH / length;
        for group in values.chunks_exact_mut(length) {
            let (low, high) = group.split_at_mut(length / 2);
            for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let turned = b.times(turns[k * stride]);
                (*a, *b) = (a.plus(turned), a.minus(turned));
            }
        }
        length *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sounds::{Noise, mixed, tones};

    fn looks(sound: &[i16]) -> Vec<Look> {
        let (mut spectrum, mut seen) = (Spectrum::default(), Vec::new());
        let mut rest = sound;
        while !rest.is_empty() {
            let (later, look) = spectrum.take(rest);
            seen.extend(look);
            rest = later;
        }
        seen.split_off(4)
    }

    #[test]
    fn a_tone_is_seen_where_it_is_with_all_its_power() {
        for frequency in [350.0, 425.0, 1100.0, 2100.0, 3333.0] {
            for look in looks(&tones(&[(frequency, -20.0)], 300)) {
                assert!((f64::from(look.tones[0].frequency_hz) - frequency).abs() < 2.0, "{look:?}");
                assert!(look.is_lone_tone() && look.is_tonal());
                assert!((look.power / 1.0737e7 - 1.0).abs() < 0.05, "{}", look.power);
            }
        }
    }

    #[test]
    fn two_tones_are_seen_apart() {
        for look in looks(&tones(&[(480.0, -20.0), (620.0, -22.0)], 300)) {
            assert!((look.tones[0].frequency_hz - 480.0).abs() < 3.0, "{look:?}");
            assert!((look.tones[1].frequency_hz - 620.0).abs() < 3.0, "{look:?}");
            assert!(look.is_tonal() && !look.is_lone_tone());
        }
    }

    #[test]
    fn noise_is_no_tone_and_hides_none_that_is_much_louder() {
        let noise = Noise::new(3).sound(-40.0, 8000);
        assert!(looks(&noise).iter().all(|look| !look.is_tonal()));
        let both = mixed(&tones(&[(425.0, -25.0)], 1000), &noise);
        assert!(looks(&both).iter().all(Look::is_lone_tone));
    }
}
