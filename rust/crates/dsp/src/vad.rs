//! Whether somebody speaks: louder than the noise of the line, and not one of its tones.

use crate::spectrum::{HOP_MS, Look, Tone};

/// Nothing below this is a voice: -52 dBov.
const QUIETEST: f32 = 6_775.0;
/// The noise is never taken for louder than this, -36 dBov: whoever speaks from the first moment is heard.
const LOUDEST_NOISE: f32 = 269_700.0;
/// A voice is louder than the noise by 6 dB.
const ABOVE_NOISE: f32 = 4.0;
/// The noise is the quietest moment of so many stretches of so many looks: 1.8 s.
const STRETCHES: usize = 9;
const STRETCH_LOOKS: u32 = 10;
/// A tone that stays where it is for so many looks is of the line and not of a voice.
const STEADY_LOOKS: u32 = 4;
/// How far a tone of a line moves from look to look, in Hz, and how much its power changes.
const STEADY_HZ: f32 = 3.0;
const STEADY_POWER: std::ops::Range<f32> = 0.7..1.43;
/// So many active looks of the last eight begin a voice.
const BEGIN_LOOKS: u32 = 4;

/// What becomes of a voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoiceHeard {
    /// Somebody begins to speak.
    Started,
    /// Nobody speaks any more; it lasted so many milliseconds.
    Ended(u32),
}

/// What a look is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Noise, a tone of the line, or nothing.
    No,
    /// It could be a tone that has just begun: no voice begins with it, but one may go on.
    Perhaps,
    /// It is.
    Yes,
}

/// Tells for each look whether it is speech.
#[derive(Clone, Debug)]
pub struct Activity {
    /// The quietest moment of the stretch that goes on, and of those before.
    quietest: f32,
    before: [f32; STRETCHES],
    at: usize,
    looks: u32,
    steady: Steady,
}

impl Default for Activity {
    fn default() -> Self {
        Self { quietest: f32::MAX, before: [f32::MAX; STRETCHES], at: 0, looks: 0, steady: Steady::default() }
    }
}

impl Activity {
    /// Whether this look is speech.
    pub fn judge(&mut self, look: &Look) -> Speech {
        let steady = self.steady.judge(look);
        self.listen_for_noise(look.energy);
        if steady || look.energy < QUIETEST.max(self.noise() * ABOVE_NOISE) {
            Speech::No
        } else if look.is_tonal() {
            Speech::Perhaps
        } else {
            Speech::Yes
        }
    }

    /// The energy of the noise, as far as it is known.
    #[must_use]
    pub fn noise(&self) -> f32 {
        let before = self.before.iter().copied().fold(f32::MAX, f32::min);
        before.min(self.quietest).min(LOUDEST_NOISE)
    }

    fn listen_for_noise(&mut self, energy: f32) {
        self.quietest = self.quietest.min(energy);
        self.looks += 1;
        if self.looks == STRETCH_LOOKS {
            self.before[self.at] = self.quietest;
            self.at = (self.at + 1) % STRETCHES;
            (self.quietest, self.looks) = (f32::MAX, 0);
        }
    }
}

/// Finds tones that do not move.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steady {
    last: [Tone; 2],
    power: f32,
    looks: u32,
}

impl Steady {
    /// Whether the last looks were at the same tones, equally loud.
    pub fn judge(&mut self, look: &Look) -> bool {
        let lone = look.is_lone_tone();
        let near = |at: usize| (look.tones[at].frequency_hz - self.last[at].frequency_hz).abs() < STEADY_HZ;
        // Of two equally strong tones now the one and now the other is the stronger.
        let crossed =
            |at: usize| (look.tones[at].frequency_hz - self.last[1 - at].frequency_hz).abs() < STEADY_HZ;
        let same = near(0) && (lone || near(1)) || !lone && crossed(0) && crossed(1);
        let even = STEADY_POWER.contains(&(look.power / self.power.max(1.0)));
        self.looks = if look.is_tonal() && same && even { self.looks + 1 } else { 0 };
        (self.last, self.power) = (look.tones, look.power);
        self.looks >= STEADY_LOOKS
    }
}

/// Follows a voice from its beginning to its end.
#[derive(Clone, Debug)]
pub struct VoiceDetector {
    end_ms: u32,
    /// One bit for each of the last looks, the latest lowest: whether it was speech.
    recent: u8,
    /// While a voice is heard: for how long, and for how long not any more.
    speaking: Option<(u32, u32)>,
}

impl VoiceDetector {
    /// So many milliseconds without speech end a voice.
    #[must_use]
    pub fn new(end_ms: u32) -> Self {
        Self { end_ms: end_ms.max(HOP_MS), recent: 0, speaking: None }
    }

    /// Whether a voice is heard.
    #[must_use]
    pub fn is_speaking(&self) -> bool {
        self.speaking.is_some()
    }

    /// Hears whether the next look is speech.
    pub fn hear(&mut self, speech: Speech) -> Option<VoiceHeard> {
        let active = if self.is_speaking() { speech != Speech::No } else { speech == Speech::Yes };
        self.recent = self.recent << 1 | u8::from(active);
        let Some((spoken_ms, silent_ms)) = &mut self.speaking else {
            return self.begin(active);
        };
        *spoken_ms += HOP_MS;
        // A click in a pause does not go on with the voice.
        *silent_ms = if self.recent & 3 == 3 { 0 } else { *silent_ms + HOP_MS };
        if *silent_ms < self.end_ms {
            return None;
        }
        let lasted_ms = *spoken_ms - *silent_ms;
        (self.speaking, self.recent) = (None, 0);
        Some(VoiceHeard::Ended(lasted_ms))
    }

    fn begin(&mut self, active: bool) -> Option<VoiceHeard> {
        if !active || self.recent.count_ones() < BEGIN_LOOKS {
            return None;
        }
        let first = u8::BITS - self.recent.leading_zeros();
        self.speaking = Some((first * HOP_MS, 0));
        Some(VoiceHeard::Started)
    }
}

#[cfg(test)]
mod tests;
