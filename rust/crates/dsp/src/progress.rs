//! Signals of the network told apart by their cadence and, where that says it, by their frequencies.
//!
//! Nearly every country has its own (ITU-T E.180, supplement 2): 425 Hz in most of Europe, 350+440 to 480+620 Hz in North
//! America, 400+450 Hz in the United Kingdom. What they share: a busy tone is as long as its pauses, that of congestion
//! is quicker, ringback pauses for long, and a dial tone does not pause.

use crate::spectrum::{HOP_MS, Look};

/// The weakest tone: -43 dBov.
const WEAKEST: f32 = 53_800.0;
/// A tone is over when it has fallen below this part of its power.
const FALLEN: f32 = 0.25;
/// It may be weaker for so long: a tone that is modulated with 16 Hz, as in Japan, comes and goes.
const DIP_MS: u32 = 40;
/// Dial, busy and ringback tones lie here.
const SIGNALS_HZ: std::ops::RangeInclusive<f32> = 325.0..=680.0;
/// Tones of one signal may differ by so much: 413 and 438 Hz beat.
const SAME_HZ: f32 = 35.0;
/// A tone as long as this does not pause.
const DIAL_MS: u32 = 3200;
/// After a pause of this length after a tone it is ringback.
const RING_PAUSE_MS: u32 = 1300;
/// How long the tones of ringback are: 200 ms is the shortest of a pair.
const RING_MS: std::ops::RangeInclusive<u32> = 300..=3100;
/// Tones and pauses of busy and of congestion.
const BUSY_MS: std::ops::RangeInclusive<u32> = 310..=790;
const CONGESTION_MS: std::ops::RangeInclusive<u32> = 140..=309;
/// The three tones of special information, each 330 ms long or 270 and 380 (ITU-T E.180 §5).
const SPECIAL_HZ: [std::ops::RangeInclusive<f32>; 3] = [890.0..=1010.0, 1345.0..=1455.0, 1745.0..=1855.0];
const SPECIAL_MS: std::ops::RangeInclusive<u32> = 200..=460;
const SPECIAL_ENOUGH_MS: u32 = 200;
/// A pause between them is no longer than this.
const SPECIAL_PAUSE_MS: u32 = 80;
/// A fax that calls: 1100 Hz, 0.5 s, each 3.5 s (ITU-T T.30 §4.2).
const FAX_CALLING_HZ: std::ops::RangeInclusive<f32> = 1060.0..=1140.0;
const FAX_CALLING_MS: std::ops::RangeInclusive<u32> = 400..=600;
/// A fax or a modem that answers: 2100 Hz for some seconds (ITU-T T.30 §4.2, V.25).
const FAX_ANSWERING_HZ: std::ops::RangeInclusive<f32> = 2070.0..=2130.0;
const FAX_ANSWERING_MS: u32 = 900;
/// After so long without it a signal is told again.
const FORGOTTEN_MS: u32 = 10_000;
/// Tones that are remembered.
const REMEMBERED: usize = 4;

/// A signal of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It rings at the far end.
    Ringback,
    /// The far end is engaged.
    Busy,
    /// The network has no way through.
    Congestion,
    /// A number may be dialled.
    Dial,
    /// Special information: an announcement why the call failed follows.
    Special,
    /// A fax calls (CNG).
    FaxCalling,
    /// A fax or modem answers (CED, ANS).
    FaxAnswering,
}

/// A stretch of one tone, or of two at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Burst {
    /// The middle of all its power.
    pub frequency_hz: f32,
    /// Whether there was one tone only.
    pub lone: bool,
    /// How long it was heard.
    pub on_ms: u32,
    /// How long nothing of it has been heard since.
    pub off_ms: u32,
    power: f32,
}

impl Burst {
    fn follow(&mut self, look: &Look, frequency_hz: f32) {
        self.on_ms += HOP_MS + std::mem::take(&mut self.off_ms);
        self.power = self.power.max(look.power);
        if self.on_ms <= 5 * HOP_MS {
            // At its very beginning a tone is blurred.
            self.frequency_hz = frequency_hz;
            self.lone = look.is_lone_tone();
        }
    }

    /// The energy that what follows stays below if the burst has ended for good: 20 dB less.
    #[must_use]
    pub fn quiet(&self) -> f32 {
        self.power / 100.0
    }

    fn is_signal(&self) -> bool {
        SIGNALS_HZ.contains(&self.frequency_hz)
    }
}

/// Finds bursts in looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bursts {
    current: Option<Burst>,
}

/// What a look means for bursts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard {
    /// A burst goes on, or has begun.
    On(Burst),
    /// A burst has ended with this look.
    Over(Burst),
    /// No tone.
    Nothing,
}

impl Bursts {
    /// Hears the next look.
    pub fn hear(&mut self, look: &Look) -> Heard {
        let frequency_hz = middle_of(look);
        let tonal = look.is_tonal() && look.power >= WEAKEST;
        match &mut self.current {
            Some(burst) => {
                let moved = burst.on_ms > 3 * HOP_MS && (frequency_hz - burst.frequency_hz).abs() > SAME_HZ;
                if tonal && !moved && look.power >= burst.power * FALLEN {
                    burst.follow(look, frequency_hz);
                    return Heard::On(*burst);
                }
                burst.off_ms += HOP_MS;
                // Another tone is no weakness of this one.
                if burst.off_ms <= DIP_MS && !(tonal && moved) {
                    return Heard::On(*burst);
                }
                let over = *burst;
                self.current = None;
                Heard::Over(over)
            }
            None if tonal => {
                let mut burst = Burst::default();
                burst.follow(look, frequency_hz);
                self.current = Some(burst);
                Heard::On(burst)
            }
            None => Heard::Nothing,
        }
    }
}

fn middle_of(look: &Look) -> f32 {
    if look.is_lone_tone() {
        return look.tones[0].frequency_hz;
    }
    let [a, b] = look.tones;
    (a.frequency_hz * a.share + b.frequency_hz * b.share) / (a.share + b.share).max(1e-3)
}

/// Tells signals of the network from what is heard.
#[derive(Clone, Debug, Default)]
pub struct ProgressDetector {
    bursts: Bursts,
    /// The last bursts, the latest first.
    past: [Burst; REMEMBERED],
    told: Option<Progress>,
    quiet_ms: u32,
}

impl ProgressDetector {
    /// Hears the next look; a signal is told once for each of its stretches.
    pub fn hear(&mut self, look: &Look) -> Option<Progress> {
        let seen = match self.bursts.hear(look) {
            Heard::On(burst) => self.while_on(burst),
            Heard::Over(burst) => {
                self.remember(burst);
                self.after()
            }
            Heard::Nothing => {
                self.past[0].off_ms = self.past[0].off_ms.saturating_add(HOP_MS);
                self.in_pause()
            }
        };
        self.quiet_ms = if seen.is_some() { 0 } else { self.quiet_ms + HOP_MS };
        if self.quiet_ms >= FORGOTTEN_MS {
            self.told = None;
        }
        let news = seen.filter(|_| seen != self.told);
        self.told = seen.or(self.told);
        news
    }

    /// A burst shorter than a look at it is a remainder of another one, or a click.
    fn remember(&mut self, burst: Burst) {
        if burst.on_ms <= 2 * HOP_MS {
            self.past[0].off_ms += burst.on_ms + burst.off_ms;
            return;
        }
        self.past.rotate_right(1);
        self.past[0] = burst;
    }

    fn while_on(&self, burst: Burst) -> Option<Progress> {
        if burst.lone && FAX_ANSWERING_HZ.contains(&burst.frequency_hz) && burst.on_ms >= FAX_ANSWERING_MS {
            return Some(Progress::FaxAnswering);
        }
        if burst.is_signal() && burst.on_ms >= DIAL_MS {
            return Some(Progress::Dial);
        }
        let special = SPECIAL_HZ[2].contains(&burst.frequency_hz) && burst.on_ms >= SPECIAL_ENOUGH_MS;
        let before = |at: usize, nth: usize| {
            let burst = self.past[at];
            SPECIAL_HZ[nth].contains(&burst.frequency_hz)
                && SPECIAL_MS.contains(&burst.on_ms)
                && burst.off_ms <= SPECIAL_PAUSE_MS
        };
        (special && before(0, 1) && before(1, 0)).then_some(Progress::Special)
    }

    /// A burst has just ended: the last two and the pause between them say whether they are quick.
    fn after(&self) -> Option<Progress> {
        let [last, before, ..] = self.past;
        let same = (last.frequency_hz - before.frequency_hz).abs() <= SAME_HZ;
        if !same || !last.is_signal() {
            return None;
        }
        let even = |a: u32, b: u32| a.abs_diff(b) * 100 <= a.max(b) * 35;
        let regular = even(last.on_ms, before.on_ms) && even(last.on_ms, before.off_ms);
        let middle = (last.on_ms + before.on_ms + before.off_ms) / 3;
        if regular && BUSY_MS.contains(&middle) {
            Some(Progress::Busy)
        } else if regular && CONGESTION_MS.contains(&middle) {
            Some(Progress::Congestion)
        } else {
            None
        }
    }

    fn in_pause(&self) -> Option<Progress> {
        let last = self.past[0];
        let calling = last.lone && FAX_CALLING_HZ.contains(&last.frequency_hz);
        if calling && FAX_CALLING_MS.contains(&last.on_ms) && last.off_ms >= 200 {
            return Some(Progress::FaxCalling);
        }
        let rings = last.is_signal() && RING_MS.contains(&last.on_ms) && last.off_ms == RING_PAUSE_MS;
        (rings && self.told != Some(Progress::Busy)).then_some(Progress::Ringback)
    }
}

#[cfg(test)]
mod tests;
