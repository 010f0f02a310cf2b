//! What is played in place of packets that did not come, for codecs that have no way of their own.
//!
//! Speech goes on for a while as it was: the last pitch period is repeated, then two and three of them in turn, so
//! that it does not hum. From 10 ms on it fades, and after 60 ms only the noise of the background is left. What
//! comes next is faded in over what would have gone on. Nothing is delayed for it. The idea is that of ITU-T G.711
//! Appendix I; its numbers serve here where they are good ones.

use crate::noise::Random;
use crate::pitch;

/// Milliseconds of sound that are kept: three pitch periods of the lowest voice and a bit more.
const KEPT_MS: usize = 50;
/// Periods of the voices that are known: 400 down to 66 Hz, in tenths of a millisecond.
const SHORTEST: usize = 25;
const LONGEST: usize = 150;
/// Milliseconds from which on it fades, and at which only noise is left.
const FADE_MS: usize = 10;
const GONE_MS: usize = 60;
/// The loudest noise that is taken for background (about -41 dBov), and how fast the estimate rises, each frame.
const MOST_NOISE: f32 = 300.0;
const NOISE_RISE: f32 = 1.01;

/// Hears what a decoder gave, and goes on in its manner.
#[derive(Clone, Debug)]
pub struct Concealment {
    rate: usize,
    /// The last sound, the latest at the end.
    kept: Vec<f32>,
    /// Samples invented since the last one that was decoded.
    invented: usize,
    period: usize,
    /// How many periods are repeated, and where among them the next sample is.
    voice: Place,
    /// Those before, which fade out: at the beginning of more periods.
    before: Option<(Place, usize)>,
    /// The step between what was heard last and what is repeated, which is evened out.
    step: f32,
    /// The level of the background, once something was heard.
    noise: Option<f32>,
    random: Random,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    periods: usize,
    at: usize,
}

impl Concealment {
    /// For sound of `rate_hz`, 8000 to 48000.
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        let rate = rate_hz.clamp(8000, 48_000) as usize;
        Self {
            rate,
            kept: vec![0.0; rate * KEPT_MS / 1000],
            invented: 0,
            period: rate / 100,
            voice: Place::default(),
            before: None,
            step: 0.0,
            noise: None,
            random: Random::default(),
        }
    }

    /// Takes the next samples that were decoded, and changes their beginning when something was invented before
    /// them; returns their number.
    pub fn heard(&mut self, samples: &mut [i16]) -> usize {
        if self.invented > 0 {
            self.fade_in(samples);
            self.invented = 0;
        }
        self.follow_noise(samples);
        self.keep(samples);
        samples.len()
    }

    /// Fills `out` with what might have been said.
    pub fn conceal(&mut self, out: &mut [i16]) {
        if self.invented == 0 {
            self.begin();
        }
        for sample in &mut *out {
            *sample = self.next() as i16;
        }
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        self.kept.fill(0.0);
        self.invented = 0;
        self.noise = None;
    }

    fn begin(&mut self) {
        let lags = self.rate * SHORTEST / 10_000..=self.rate * LONGEST / 10_000;
        self.period = pitch::period(&self.kept, self.rate, lags);
        self.voice = Place { periods: 1, at: 0 };
        self.before = None;
        let end = self.kept.len();
        self.step = self.kept[end - 1] - self.kept[end - 1 - self.period];
    }

    /// The next sample that is invented.
    fn next(&mut self) -> f32 {
        let ms = |samples: usize| samples * 1000 / self.rate;
        let overlap = self.period / 4;
        let wanted = 1 + ms(self.invented) / FADE_MS;
        if wanted.min(3) > self.voice.periods && self.before.is_none() {
            self.before = Some((self.voice, 0));
            self.voice = Place { periods: self.voice.periods + 1, at: self.voice.at % self.period };
        }
        let mut sample = self.repeated(self.voice, overlap);
        self.voice.at = (self.voice.at + 1) % (self.voice.periods * self.period);
        if let Some((mut place, faded)) = self.before {
            let part = faded as f32 / overlap as f32;
            sample = part * sample + (1.0 - part) * self.repeated(place, overlap);
            place.at = (place.at + 1) % (place.periods * self.period);
            self.before = (faded + 1 < overlap).then_some((place, faded + 1));
        }
        if self.invented < overlap {
            sample += self.step * (1.0 - self.invented as f32 / overlap as f32);
        }
        let (fade, gone) = (self.rate * FADE_MS / 1000, self.rate * GONE_MS / 1000);
        let faded = self.invented.saturating_sub(fade) as f32 / (gone - fade) as f32;
        let gain = 1.0 - faded.min(1.0);
        self.invented = (self.invented + 1).min(gone);
        gain * sample + (1.0 - gain) * self.noise.unwrap_or(0.0) * self.random.level()
    }

    /// One sample of the last periods; the end of the last one leads over to the beginning of the first.
    fn repeated(&self, place: Place, overlap: usize) -> f32 {
        let length = place.periods * self.period;
        let from = self.kept.len() - length;
        let sample = self.kept[from + place.at];
        let left = length - place.at;
        if left > overlap || from < length.min(self.period) {
            return sample;
        }
        let part = (overlap - left + 1) as f32 / (overlap + 1) as f32;
        // What lies a whole round before the end leads to the beginning.
        let Some(earlier) = (from + place.at).checked_sub(length) else { return sample };
        (1.0 - part) * sample + part * self.kept[earlier]
    }

    fn fade_in(&mut self, samples: &mut [i16]) {
        let lost_ms = self.invented * 1000 / self.rate;
        let overlap = self.rate * (4 + 4 * (lost_ms / 10).saturating_sub(1)).min(10) / 1000;
        let overlap = overlap.min(samples.len());
        for (at, sample) in samples[..overlap].iter_mut().enumerate() {
            let part = (at + 1) as f32 / (overlap + 1) as f32;
            *sample = (part * f32::from(*sample) + (1.0 - part) * self.next()) as i16;
        }
    }

    /// The background is what is left between words: down at once, up slowly.
    fn follow_noise(&mut self, samples: &[i16]) {
        let power: f32 = samples.iter().map(|&sample| f32::from(sample).powi(2)).sum();
        let level = (power / samples.len().max(1) as f32).sqrt();
        let most = self.noise.map_or(MOST_NOISE, |noise| noise.max(1.0) * NOISE_RISE);
        self.noise = Some(level.min(most).min(MOST_NOISE));
    }

    fn keep(&mut self, samples: &[i16]) {
        let samples = &samples[samples.len().saturating_sub(self.kept.len())..];
        self.kept.copy_within(samples.len().., 0);
        let from = self.kept.len() - samples.len();
        self.kept[from..].iter_mut().zip(samples).for_each(|(kept, &sample)| *kept = f32::from(sample));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voiced sound: a pulse each `period` samples, through something like a throat.
    fn voice(rate: usize, period: usize, samples: usize) -> Vec<i16> {
        let (mut last, mut before) = (0.0, 0.0);
        let angle = std::f64::consts::TAU * 700.0 / rate as f64;
        let sample = |n: usize| {
            let pulse = if n.is_multiple_of(period) { 9000.0 } else { 0.0 };
            let next = pulse + 1.9 * angle.cos() * last - 0.9025 * before;
            (before, last) = (last, next);
            next as i16
        };
        (0..samples).map(sample).collect()
    }

    fn level(samples: &[i16]) -> f64 {
        (samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
    }

    /// The sound with frame `lost` of 20 ms invented.
    fn repaired(rate: usize, sound: &[i16], lost: usize) -> Vec<i16> {
        let mut concealment = Concealment::new(rate as u32);
        let mut all = Vec::new();
        for (n, frame) in sound.chunks(rate / 50).enumerate() {
            let mut frame = frame.to_vec();
            if n == lost {
                concealment.conceal(&mut frame);
            } else {
                concealment.heard(&mut frame);
            }
            all.extend(frame);
        }
        all
    }

    #[test]
    fn a_steady_voice_goes_on_nearly_as_it_would_have() {
        for rate in [8000, 16_000, 44_100, 48_000] {
            for pitch_hz in [80, 120, 210, 350] {
                let sound = voice(rate, rate / pitch_hz, rate / 2);
                let repaired = repaired(rate, &sound, 10);
                let frame = rate / 50;
                // The first 10 ms are not faded yet.
                let range = 10 * frame..10 * frame + frame / 2;
                let apart: Vec<i16> = range.clone().map(|at| sound[at] - repaired[at]).collect();
                let ratio = 20.0 * (level(&sound[range]) / level(&apart).max(1.0)).log10();
                assert!(ratio > 12.0, "{rate} Hz, voice of {pitch_hz} Hz: {ratio:.1} dB");
            }
        }
    }

    #[test]
    fn nothing_clicks_at_the_edges() {
        for rate in [8000, 16_000] {
            let sound = voice(rate, rate / 137, rate / 2);
            let steepest =
                |sound: &[i16]| sound.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap();
            let repaired = repaired(rate, &sound, 12);
            let settled = rate / 50 * 2;
            assert!(steepest(&repaired[settled..]) <= steepest(&sound[settled..]) * 5 / 4, "{rate}");
        }
    }

    #[test]
    fn a_long_loss_fades_into_the_background() {
        let mut concealment = Concealment::new(8000);
        let mut random = Random::default();
        for n in 0..150 {
            let mut frame: Vec<i16> = (0..160).map(|_| (50.0 * random.level()) as i16).collect();
            if n >= 100 {
                frame.iter_mut().zip(voice(8000, 60, 160)).for_each(|(noise, voice)| *noise += voice);
            }
            concealment.heard(&mut frame);
        }
        let mut out = [0; 1600];
        concealment.conceal(&mut out);
        assert!(level(&out[..80]) > 1000.0);
        let left = level(&out[480..]);
        assert!((30.0..130.0).contains(&left), "{left}");
    }

    #[test]
    fn it_begins_with_silence_and_forgets_when_told() {
        let mut concealment = Concealment::new(8000);
        let mut out = [1; 160];
        concealment.conceal(&mut out);
        assert!(level(&out) < 3.0);
        concealment.heard(&mut voice(8000, 50, 800));
        concealment.reset();
        concealment.conceal(&mut out);
        assert!(level(&out) < 3.0);
    }

    #[test]
    fn frames_of_any_length_do_no_harm() {
        let mut concealment = Concealment::new(8000);
        for length in [0, 1, 7, 80, 5760, 3, 160] {
            concealment.heard(&mut vec![i16::MIN; length]);
            concealment.conceal(&mut vec![0; length]);
            concealment.heard(&mut vec![i16::MAX; length]);
            concealment.conceal(&mut vec![0; 2 * length]);
        }
    }
}
