//! A tone, a packet's length at a time.

use trunkline_dsp::Sine;

use crate::mailbox::Tone;
use crate::voice::FRAME_NS;

/// Samples a second: a tone has no more than 4000 Hz.
pub const RATE_HZ: u32 = 8000;
/// Samples of 20 ms.
pub const SAMPLES: usize = 160;

/// Makes a tone piece by piece.
#[derive(Clone, Debug)]
pub struct ToneSource {
    /// What was asked for.
    pub tone: Tone,
    sine: Sine,
    frames: u64,
}

impl ToneSource {
    /// The tone from its beginning.
    pub fn new(tone: Tone) -> Self {
        Self { tone, sine: Sine::new(tone.frequency_hz, tone.level_dbov, f64::from(RATE_HZ)), frames: 0 }
    }

    /// Whether nothing was said yet.
    pub fn is_fresh(&self) -> bool {
        self.frames == 0
    }

    /// The next piece; `false` when the tone is over.
    pub fn next(&mut self, sound: &mut [i16]) -> bool {
        if self
            .tone
            .duration_ms
            .is_some_and(|duration| self.frames * FRAME_NS >= duration.saturating_mul(1_000_000))
        {
            return false;
        }
        sound.iter_mut().for_each(|sample| *sample = self.sine.sample());
        self.frames += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_dsp::Law;

    #[test]
    fn ends_after_its_duration() {
        let tone = Tone { frequency_hz: 1000.0, level_dbov: -10.0, law: Law::A, duration_ms: Some(50) };
        let mut source = ToneSource::new(tone);
        let mut sound = [0; SAMPLES];
        assert_eq!((0..10).filter(|_| source.next(&mut sound)).count(), 3);
        assert!(sound.iter().any(|&sample| sample > 5000));
    }

    #[test]
    fn the_longest_duration_does_not_wrap() {
        let duration_ms = Some(u64::MAX / 1_000_000 + 1);
        let mut source =
            ToneSource::new(Tone { frequency_hz: 1000.0, level_dbov: -10.0, law: Law::A, duration_ms });
        assert!((0..3).all(|_| source.next(&mut [0; 160])));
    }
}
