//! A window of 20 ms that moves in steps of 5 ms over sound of 8000 Hz: what the detectors of tones look through.

use std::f32::consts::TAU;
use std::sync::LazyLock;

/// Samples a second.
pub const RATE_HZ: u32 = 8000;
/// Samples in the window.
pub const WIDTH: usize = 160;
/// Samples from one look to the next.
pub const HOP: usize = 40;
/// The same in milliseconds.
pub const HOP_MS: u32 = 5;
/// Sums that are made side by side, as wide as a processor's registers.
const LANES: usize = 8;

/// The window's shape (Hann) and the sum of its squares; it sums to half its width.
static SHAPE: LazyLock<[f32; WIDTH]> =
    LazyLock::new(|| std::array::from_fn(|at| 0.5 - 0.5 * (TAU * at as f32 / WIDTH as f32).cos()));
const SUM: f32 = WIDTH as f32 / 2.0;
const SQUARES: f32 = WIDTH as f32 * 3.0 / 8.0;

/// One frequency's part of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    re: f32,
    im: f32,
}

impl Part {
    /// The mean square of a sine of that very frequency.
    #[must_use]
    pub fn power(self) -> f32 {
        let amplitude_squared = (self.re * self.re + self.im * self.im) / (SUM * SUM / 4.0);
        amplitude_squared / 2.0
    }

    /// How far a lone sine is from the probe's frequency in Hz, -100 to 100, by what it turned since the last look.
    #[must_use]
    pub fn drift_hz(self, before: Self, probe: &Probe) -> f32 {
        let turn = self.turn(before).times(probe.per_hop);
        turn.im.atan2(turn.re) / TAU * RATE_HZ as f32 / HOP as f32
    }

    fn turn(self, before: Self) -> Self {
        self.times(Self { re: before.re, im: -before.im })
    }

    fn times(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

/// How much of a sine's power is seen so many Hz beside it.
#[must_use]
pub fn power_beside(drift_hz: f32) -> f32 {
    let bins = (drift_hz * WIDTH as f32 / RATE_HZ as f32).abs().max(1e-3);
    let rest = 1.0 - bins * bins;
    let angle = bins * TAU / 2.0;
    let response = if rest.abs() < 1e-2 { 0.5 } else { angle.sin() / angle / rest };
    (response * response).max(1e-3)
}

/// Looks for one frequency.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The frequency.
    pub frequency_hz: f32,
    re: [f32; WIDTH],
    im: [f32; WIDTH],
    /// Undoes what a sine of this frequency turns in one hop.
    per_hop: Part,
}

impl Probe {
    /// A probe of this frequency, 50 to 3950.
    #[must_use]
    pub fn new(frequency_hz: f32) -> Self {
        let step = f64::from(frequency_hz) / f64::from(RATE_HZ) * std::f64::consts::TAU;
        let angle = |at: usize| step * at as f64;
        let hop = angle(HOP);
        Self {
            frequency_hz,
            re: std::array::from_fn(|at| angle(at).cos() as f32),
            im: std::array::from_fn(|at| -angle(at).sin() as f32),
            per_hop: Part { re: hop.cos() as f32, im: -hop.sin() as f32 },
        }
    }
}

/// The last 20 ms.
#[derive(Clone, Debug)]
pub struct Window {
    kept: [f32; WIDTH],
    fresh: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { kept: [0.0; WIDTH], fresh: 0 }
    }
}

impl Window {
    /// Takes samples up to the next look; gives what is left, and whether it is time for one.
    pub fn take<'a>(&mut self, samples: &'a [i16]) -> (&'a [i16], bool) {
        let (now, later) = samples.split_at(samples.len().min(HOP - self.fresh));
        let place = WIDTH - HOP + self.fresh;
        for (kept, &sample) in self.kept[place..].iter_mut().zip(now) {
            *kept = f32::from(sample);
        }
        self.fresh += now.len();
        (later, self.fresh == HOP)
    }

    /// The window through its shape, for one look; afterwards it moves on.
    pub fn look(&mut self) -> View {
        let mut shaped = [0.0; WIDTH];
        for ((shaped, kept), shape) in shaped.iter_mut().zip(&self.kept).zip(&*SHAPE) {
            *shaped = kept * shape;
        }
        self.kept.copy_within(HOP.., 0);
        self.fresh = 0;
        View(shaped)
    }
}

/// What is seen at one look.
#[derive(Clone, Copy, Debug)]
pub struct View([f32; WIDTH]);

impl View {
    /// The mean square of all that is in the window.
    #[must_use]
    pub fn power(&self) -> f32 {
        dot(&self.0, &self.0) / SQUARES
    }

    /// The part of one frequency.
    #[must_use]
    pub fn part(&self, probe: &Probe) -> Part {
        Part { re: dot(&self.0, &probe.re), im: dot(&self.0, &probe.im) }
    }
}

fn dot(a: &[f32; WIDTH], b: &[f32; WIDTH]) -> f32 {
    let mut sums = [0f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Sine;

    fn looks(frequency: f64, probe: &Probe) -> Vec<(Part, f32)> {
        let mut sine = Sine::new(frequency, -20.0, 8000.0);
        let sound: Vec<i16> = (0..800).map(|_| sine.sample()).collect();
        let (mut window, mut seen) = (Window::default(), Vec::new());
        let mut rest = &sound[..];
        while !rest.is_empty() {
            let (later, due) = window.take(rest);
            if due {
                let view = window.look();
                seen.push((view.part(probe), view.power()));
            }
            rest = later;
        }
        seen.split_off(4)
    }

    #[test]
    fn a_sine_is_seen_with_all_its_power() {
        let expected = 32_767f32.powi(2) / 100.0;
        for (part, power) in looks(770.0, &Probe::new(770.0)) {
            assert!((part.power() / expected - 1.0).abs() < 0.01);
            assert!((power / expected - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn its_distance_is_told() {
        let probe = Probe::new(1209.0);
        for away in [-80.0, -30.0, -1.0, 0.0, 12.0, 50.0, 90.0] {
            let seen = looks(1209.0 + away, &probe);
            for pair in seen.windows(2) {
                let drift = pair[1].0.drift_hz(pair[0].0, &probe);
                assert!((f64::from(drift) - away).abs() < 0.5, "{drift} for {away}");
                let whole = pair[1].0.power() / power_beside(drift);
                assert!((whole / pair[1].1 - 1.0).abs() < 0.05, "{whole}");
            }
        }
    }
}
