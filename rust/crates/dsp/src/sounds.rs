//! Sounds that the detectors are tried with.

use std::fs;
use std::path::PathBuf;

use crate::tone::Sine;
use crate::wav;

/// Sines of (frequency in Hz, level in dBov) at 8000 Hz.
pub fn tones(parts: &[(f64, f64)], duration_ms: u32) -> Vec<i16> {
    let mut sines: Vec<Sine> = parts.iter().map(|&(hz, level)| Sine::new(hz, level, 8000.0)).collect();
    let sum = |sines: &mut Vec<Sine>| sines.iter_mut().map(|sine| i32::from(sine.sample())).sum::<i32>();
    (0..duration_ms * 8).map(|_| sum(&mut sines).clamp(-32_768, 32_767) as i16).collect()
}

/// Nothing, at 8000 Hz.
pub fn silence(duration_ms: u32) -> Vec<i16> {
    vec![0; duration_ms as usize * 8]
}

/// The sum of two sounds; the longer one's rest as it is.
pub fn mixed(one: &[i16], other: &[i16]) -> Vec<i16> {
    let (long, short) = if one.len() > other.len() { (one, other) } else { (other, one) };
    let quiet = short.iter().copied().chain(std::iter::repeat(0));
    long.iter().zip(quiet).map(|(a, b)| a.saturating_add(b)).collect()
}

/// White noise that is always the same.
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Between -1 and 1 (xorshift).
    pub fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    /// So many samples at `level_dbov`.
    pub fn sound(&mut self, level_dbov: f64, samples: usize) -> Vec<i16> {
        let peak = 32_768.0 * 10f64.powf(level_dbov / 20.0) * 3f64.sqrt();
        (0..samples).map(|_| (self.unit() * peak) as i16).collect()
    }
}

/// The spoken prompts by name, at 8000 Hz.
pub fn prompts() -> Vec<(String, Vec<i16>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../src/trunkline/prompts/en");
    let files = fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("the spoken prompts are not at {}: {error}; `make setup` makes them", folder.display())
    });
    let mut all: Vec<(String, Vec<i16>)> = files
        .map(|file| file.unwrap().path())
        .filter(|path| !path.ends_with("beep.wav"))
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            let samples = bytes[wav::HEADER..].chunks_exact(2);
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, samples.map(|two| i16::from_le_bytes([two[0], two[1]])).collect())
        })
        .collect();
    all.sort();
    assert!(all.len() > 50, "only {} prompts", all.len());
    all
}
