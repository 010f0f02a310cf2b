//! Signals: up to four sines at once for a time, one after the other, once or for ever.

use std::f64::consts::{SQRT_2, TAU};

/// Sines that sound at once.
pub const MOST_TONES: usize = 4;
/// A step begins and ends within this time, so that it does not click.
const EDGE_MS: u32 = 3;

/// One step of a signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Frequencies in Hz; 0: none.
    pub frequencies_hz: [f64; MOST_TONES],
    /// 0: for ever.
    pub duration_ms: u32,
    /// Of each sine; a full-scale one has -3 (ITU-T G.100.1).
    pub level_dbov: f64,
}

impl Step {
    /// Silence for so long.
    #[must_use]
    pub fn silence(duration_ms: u32) -> Self {
        Self { frequencies_hz: [0.0; MOST_TONES], duration_ms, level_dbov: -96.0 }
    }
}

/// Generates a signal; allocates nothing while it does.
#[derive(Clone, Debug)]
pub struct Signal {
    steps: Box<[Step]>,
    repeat: bool,
    rate_hz: u32,
    at: usize,
    /// Samples of the step that were given, and all it has.
    given: u64,
    length: u64,
    sines: [Turning; MOST_TONES],
}

/// A sine as a point that turns: no function is called for a sample.
#[derive(Clone, Copy, Debug, Default)]
struct Turning {
    re: f64,
    im: f64,
    step_re: f64,
    step_im: f64,
    amplitude: f64,
}

impl Turning {
    fn new(frequency_hz: f64, level_dbov: f64, rate_hz: u32) -> Self {
        let step = TAU * frequency_hz / f64::from(rate_hz);
        let peak = if frequency_hz > 0.0 { (SQRT_2 * 10f64.powf(level_dbov / 20.0)).min(1.0) } else { 0.0 };
        let amplitude = peak * f64::from(i16::MAX);
        Self { re: 1.0, im: 0.0, step_re: step.cos(), step_im: step.sin(), amplitude }
    }

    fn next(&mut self) -> f64 {
        let value = self.amplitude * self.im;
        (self.re, self.im) = (
            self.re * self.step_re - self.im * self.step_im,
            self.re * self.step_im + self.im * self.step_re,
        );
        value
    }

    /// Takes back what rounding has made of its length.
    fn steady(&mut self) {
        let correction = (3.0 - self.re * self.re - self.im * self.im) / 2.0;
        self.re *= correction;
        self.im *= correction;
    }
}

impl Signal {
    /// A signal at `rate_hz`; without steps it is over at once.
    #[must_use]
    pub fn new(steps: &[Step], repeat: bool, rate_hz: u32) -> Self {
        let mut signal = Self {
            steps: steps.into(),
            repeat,
            rate_hz,
            at: 0,
            given: 0,
            length: 0,
            sines: [Turning::default(); MOST_TONES],
        };
        signal.begin();
        signal
    }

    /// Writes the next samples; fewer than there is room for when the signal ends.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let mut written = 0;
        while written < out.len() && self.at < self.steps.len() {
            let left = usize::try_from(self.length - self.given).unwrap_or(usize::MAX);
            let now = left.min(out.len() - written);
            self.sound(&mut out[written..written + now]);
            written += now;
            if self.given == self.length {
                self.next_step();
            }
        }
        written
    }

    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.at >= self.steps.len()
    }

    fn sound(&mut self, out: &mut [i16]) {
        let edge = u64::from(self.rate_hz * EDGE_MS / 1000).max(1);
        for sample in out.iter_mut() {
            let near = (self.given + 1).min(self.length - self.given).min(edge);
            let sum: f64 = self.sines.iter_mut().map(Turning::next).sum();
            *sample = (sum * near as f64 / edge as f64).round() as i16; // A cast holds what is too large.
            self.given += 1;
        }
        self.sines.iter_mut().for_each(Turning::steady);
    }

    fn next_step(&mut self) {
        self.at += 1;
        if self.repeat && self.at == self.steps.len() {
            self.at = 0;
        }
        self.begin();
    }

    fn begin(&mut self) {
        let Some(step) = self.steps.get(self.at) else { return };
        self.given = 0;
        self.length = match step.duration_ms {
            0 => u64::MAX,
            duration_ms => u64::from(duration_ms) * u64::from(self.rate_hz) / 1000,
        };
        for (sine, frequency_hz) in self.sines.iter_mut().zip(step.frequencies_hz) {
            *sine = Turning::new(frequency_hz, step.level_dbov, self.rate_hz);
        }
    }
}

#[cfg(test)]
mod tests;
