//! Comfort noise (RFC 3389): what a pause sounds like when nothing is sent.

/// Reflection coefficients of the spectrum that are heeded.
const MOST_COEFFICIENTS: usize = 12;
/// The level of nothing, in -dBov: as low as a payload can say.
const SILENCE: u8 = 127;

/// White noise of a power of one.
#[derive(Clone, Copy, Debug)]
pub struct Random(u32);

impl Default for Random {
    fn default() -> Self {
        Self(0x2545_f491)
    }
}

impl Random {
    /// The next sample; the loudest is 1.73.
    pub fn level(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 as i32) as f32 / 2_147_483_648.0 * 3f32.sqrt()
    }
}

/// Makes noise as the peer describes it.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    random: Random,
    /// The level that is wanted and the one that is heard, which follows it smoothly; linear.
    wanted: f32,
    level: f32,
    reflections: [f32; MOST_COEFFICIENTS],
    backward: [f32; MOST_COEFFICIENTS + 1],
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self {
            random: Random::default(),
            wanted: 0.0,
            level: 0.0,
            reflections: [0.0; MOST_COEFFICIENTS],
            backward: [0.0; MOST_COEFFICIENTS + 1],
        }
    }
}

impl ComfortNoise {
    /// Takes a payload of comfort noise: the level, and perhaps the spectrum (RFC 3389 §3). An empty one changes
    /// nothing.
    pub fn hear(&mut self, payload: &[u8]) {
        let Some((&level, spectrum)) = payload.split_first() else { return };
        self.set_level(level);
        self.reflections.fill(0.0);
        for (reflection, &octet) in self.reflections.iter_mut().zip(spectrum) {
            // §3.2: 0 to 254, the middle is 127. What would be unstable is held within.
            *reflection = ((f32::from(octet) - 127.0) / 128.0).clamp(-0.98, 0.98);
        }
    }

    /// White noise of `level` -dBov, 0 (loudest) to 127 (none).
    pub fn set_level(&mut self, level: u8) {
        let level = level & 0x7f;
        self.wanted = if level == SILENCE { 0.0 } else { 32_767.0 * 10f32.powf(-f32::from(level) / 20.0) };
    }

    /// Makes the next samples.
    pub fn fill(&mut self, out: &mut [i16]) {
        // The filter adds power; the excitation is so much weaker.
        let weaker: f32 = self.reflections.iter().map(|reflection| 1.0 - reflection * reflection).product();
        for sample in out {
            self.level += (self.wanted - self.level) * 0.01;
            let mut value = self.level * weaker.sqrt() * self.random.level();
            for at in (0..MOST_COEFFICIENTS).rev() {
                value += self.reflections[at] * self.backward[at];
                self.backward[at + 1] = self.backward[at] - self.reflections[at] * value;
            }
            self.backward[0] = value;
            *sample = value as i16;
        }
    }
}

/// The payload that describes a pause like `samples`: their level, no spectrum (RFC 3389 §3.1).
#[must_use]
pub fn payload(samples: &[i16]) -> [u8; 1] {
    let power =
        samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    let level = -10.0 * (power / 32_767f64.powi(2)).max(1e-13).log10();
    [level.round().clamp(0.0, f64::from(SILENCE)) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(noise: &mut ComfortNoise) -> Vec<i16> {
        let mut out = vec![0; 16_000];
        noise.fill(&mut out);
        out.split_off(4000)
    }

    #[test]
    fn has_the_level_that_was_asked_for_and_says_it_again() {
        for level in [20, 40, 60, 75] {
            for spectrum in [&[][..], &[200], &[60, 180, 100, 127, 140]] {
                let mut noise = ComfortNoise::default();
                noise.hear(&[&[level], spectrum].concat());
                let [heard] = payload(&filled(&mut noise));
                assert!(heard.abs_diff(level) <= 2, "{level} {spectrum:?}: {heard}");
            }
        }
    }

    #[test]
    fn the_spectrum_is_heeded() {
        let mut noise = ComfortNoise::default();
        let alike = |samples: &[i16]| {
            let next: f64 = samples.windows(2).map(|pair| f64::from(pair[0]) * f64::from(pair[1])).sum();
            next / samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()
        };
        // The first reflection coefficient of noise is the likeness of neighbours.
        for (octet, expected) in [(127, 0.0), (127 + 96, 0.75), (127 - 96, -0.75)] {
            noise.hear(&[30, octet]);
            let found = alike(&filled(&mut noise));
            assert!((found - expected).abs() < 0.05, "{octet}: {found}");
        }
    }

    #[test]
    fn silence_is_silent_and_any_payload_is_stable() {
        let mut noise = ComfortNoise::default();
        assert_eq!(payload(&filled(&mut noise)), [SILENCE]);
        noise.hear(&[]);
        for octet in [0, 255, 17] {
            noise.hear(&[10; 1].into_iter().chain([octet; 40]).collect::<Vec<u8>>());
            filled(&mut noise);
        }
        noise.hear(&[255]);
        filled(&mut noise);
        assert_eq!(payload(&filled(&mut noise)), [SILENCE]);
        assert_eq!(payload(&[]), [SILENCE]);
        assert_eq!(payload(&[i16::MIN; 9]), [0]);
    }
}
