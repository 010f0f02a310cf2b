//! Many voices in one: sums, gains that change without a click, and who is loud enough to be heard.

use crate::speakers::SILENCE;

/// Up to here a sum passes as it is; what is louder is bent below full scale.
const KNEE: f32 = 30_000.0;
/// What is left between the knee and full scale.
const ROOM: f32 = 32_767.0 - KNEE;
/// A sum that is too loud is turned down within this part of a frame.
const ATTACK: f32 = 0.25;
/// What was turned down comes back by so much in a frame: 10 dB in about a second at 20 ms.
const RELEASE: f32 = 1.023;

/// The sum of one frame of every voice; each listener hears it without its own (N-1).
///
/// All voices have the same rate and as many samples as the mix. For each frame: [`Mix::begin`], [`Mix::add`] for each
/// voice, [`Mix::settle`], then as many [`Mix::whole`] and [`Mix::without`] as there are listeners.
#[derive(Clone, Debug)]
pub struct Mix {
    sums: Box<[i32]>,
    voices: usize,
    /// How much is turned down at the beginning and at the end of the frame: one gain for all listeners, so that
    /// nobody hears a step when it begins or ends to speak itself.
    from: f32,
    to: f32,
}

impl Mix {
    /// A mix of frames of so many samples.
    #[must_use]
    pub fn new(samples: usize) -> Self {
        Self { sums: vec![0; samples].into_boxed_slice(), voices: 0, from: 1.0, to: 1.0 }
    }

    /// The next frame: nobody is in it yet.
    pub fn begin(&mut self) {
        self.sums.fill(0);
        self.voices = 0;
        self.from = self.to;
    }

    /// Adds a voice. What a shorter frame lacks is silence, what a longer one has more is not heard.
    pub fn add(&mut self, frame: &[i16]) {
        self.voices += 1;
        for (sum, &sample) in self.sums.iter_mut().zip(frame) {
            *sum += i32::from(sample);
        }
    }

    /// How many voices were added.
    #[must_use]
    pub fn voices(&self) -> usize {
        self.voices
    }

    /// All voices are added: decides how much the frame is turned down.
    pub fn settle(&mut self) {
        let peak = self.sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or(0) as f32;
        let wanted = if peak > KNEE { KNEE / peak } else { 1.0 };
        self.to = wanted.min(self.from * RELEASE);
    }

    /// What somebody hears who is not in the mix.
    pub fn whole(&self, out: &mut [i16]) {
        self.give(out, |sum, _| sum, &[]);
    }

    /// What somebody hears whose own voice is in it: `own` is the frame that was added.
    pub fn without(&self, own: &[i16], out: &mut [i16]) {
        if own.len() >= self.sums.len() {
            self.give(out, |sum, own| sum - i32::from(own), own);
        } else {
            self.whole(out);
            // A frame that is shorter is a mistake of the caller's; nobody shall hear himself for it.
            out.iter_mut().zip(own).for_each(|(sample, &own)| *sample = sample.saturating_sub(own));
        }
    }

    fn give(&self, out: &mut [i16], of: impl Fn(i32, i16) -> i32, own: &[i16]) {
        let length = out.len().min(self.sums.len());
        let (out, rest) = out.split_at_mut(length);
        rest.fill(0);
        let turned = if self.to < self.from { ATTACK * length as f32 } else { length as f32 };
        let ramp = ((turned as usize).max(1)).min(length);
        let step = (self.to - self.from) / ramp as f32;
        let mut own = own.iter();
        let mut at = 0.0;
        for (index, (sample, &sum)) in out.iter_mut().zip(&*self.sums).enumerate() {
            if index < ramp {
                at += 1.0;
            }
            let voice = own.next().copied().unwrap_or(0);
            *sample = bent(of(sum, voice) as f32 * (self.from + step * at));
        }
    }
}

/// Holds a value within 16 bits without a corner.
fn bent(value: f32) -> i16 {
    let size = value.abs();
    let above = (size - KNEE).max(0.0);
    (size.min(KNEE) + ROOM * above / (above + ROOM)).copysign(value).round() as i16
}

/// How much louder somebody is made, changed over a frame and not at once.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    now: f32,
    wanted: f32,
}

impl Default for Gain {
    fn default() -> Self {
        Self { now: 1.0, wanted: 1.0 }
    }
}

impl Gain {
    /// So much louder or quieter from the next frame on.
    pub fn set_db(&mut self, gain_db: f32) {
        self.wanted = 10f32.powf(gain_db / 20.0);
    }

    /// Not heard from the next frame on; `set_db` ends it.
    pub fn mute(&mut self) {
        self.wanted = 0.0;
    }

    /// What is wanted holds at once: of somebody who was not heard so far.
    pub fn settle(&mut self) {
        self.now = self.wanted;
    }

    /// Whether a frame comes out as silence.
    #[must_use]
    pub fn is_mute(&self) -> bool {
        self.now == 0.0 && self.wanted == 0.0
    }

    /// Makes a frame so much louder; too loud is bent below full scale.
    pub fn apply(&mut self, frame: &mut [i16]) {
        if self.now == 1.0 && self.wanted == 1.0 {
            return;
        }
        let step = (self.wanted - self.now) / frame.len().max(1) as f32;
        for sample in frame.iter_mut() {
            self.now += step;
            *sample = bent(f32::from(*sample) * self.now);
        }
        self.now = self.wanted;
    }
}

/// From silence to the voice within this frame.
pub fn fade_in(frame: &mut [i16]) {
    let step = 1.0 / frame.len().max(1) as f32;
    fade(frame, step, step);
}

/// From the voice to silence within this frame.
pub fn fade_out(frame: &mut [i16]) {
    let step = 1.0 / frame.len().max(1) as f32;
    fade(frame, 1.0 - step, -step);
}

fn fade(frame: &mut [i16], from: f32, step: f32) {
    for (index, sample) in frame.iter_mut().enumerate() {
        *sample = (f32::from(*sample) * (from + step * index as f32)).round() as i16;
    }
}

/// The mean of a frame's squared samples, around their mean; 0 without samples.
///
/// A full-scale square wave has 2^30 (0 dBov), a full-scale sine half of it.
#[must_use]
pub fn energy(frame: &[i16]) -> f32 {
    if frame.is_empty() {
        return 0.0;
    }
    let sum: i64 = frame.iter().map(|&sample| i64::from(sample)).sum();
    let squares: i64 = frame.iter().map(|&sample| i64::from(i32::from(sample) * i32::from(sample))).sum();
    let (mean, length) = (sum as f64 / frame.len() as f64, frame.len() as f64);
    (squares as f64 / length - mean * mean).max(0.0) as f32
}

/// An energy in dBov; silence has -96.
#[must_use]
pub fn dbov(energy: f32) -> f32 {
    (10.0 * (energy / 1_073_741_824.0).max(1e-20).log10()).max(-96.0)
}

/// How loud somebody is: quick to rise, slow to fall.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loudness {
    smoothed: f32,
}

impl Loudness {
    /// Hears the next 20 ms and gives the smoothed energy.
    pub fn hear(&mut self, frame: &[i16]) -> f32 {
        let now = energy(frame);
        let weight = if now > self.smoothed { 0.5 } else { 0.1 };
        self.smoothed += weight * (now - self.smoothed);
        self.smoothed
    }

    /// The smoothed energy.
    #[must_use]
    pub fn energy(&self) -> f32 {
        self.smoothed
    }

    /// Whether there is nothing to hear.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.smoothed < SILENCE
    }
}

#[cfg(test)]
mod tests;
