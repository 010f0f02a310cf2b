//! A sine with a continuous phase.

use std::f64::consts::{SQRT_2, TAU};

/// Generates a sine sample by sample.
#[derive(Clone, Copy, Debug)]
pub struct Sine {
    phase: f64,
    step: f64,
    amplitude: f64,
}

impl Sine {
    /// A sine of `frequency_hz` at `rate_hz` samples a second and `level_dbov`.
    ///
    /// 0 dBov is the power of a full-scale square wave (RFC 6464 §3, ITU-T G.100.1), so that a full-scale
    /// sine has -3 dBov; louder levels are held at full scale.
    #[must_use]
    pub fn new(frequency_hz: f64, level_dbov: f64, rate_hz: f64) -> Self {
        let peak = SQRT_2 * 10f64.powf(level_dbov / 20.0);
        Self {
            phase: 0.0,
            step: TAU * frequency_hz / rate_hz,
            amplitude: peak.min(1.0) * f64::from(i16::MAX),
        }
    }

    /// The next sample.
    pub fn sample(&mut self) -> i16 {
        let value = self.amplitude * self.phase.sin();
        self.phase += self.step;
        if self.phase >= TAU {
            self.phase -= TAU;
        }
        value.round() as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(frequency: f64, level: f64) -> Vec<i16> {
        let mut sine = Sine::new(frequency, level, 8000.0);
        (0..8000).map(|_| sine.sample()).collect()
    }

    #[test]
    fn has_the_frequency_asked_for() {
        let rising = samples(1000.0, -10.0).windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        assert!((999..=1000).contains(&rising), "{rising}");
    }

    #[test]
    fn has_the_level_asked_for() {
        let all = samples(440.0, -20.0);
        let power = all.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / all.len() as f64;
        let level = 10.0 * (power / (32_767.0 * 32_767.0)).log10();
        assert!((level + 20.0).abs() < 0.05, "{level}");
    }

    #[test]
    fn never_exceeds_full_scale() {
        assert_eq!(samples(440.0, 0.0).into_iter().max(), Some(32_767));
    }
}
