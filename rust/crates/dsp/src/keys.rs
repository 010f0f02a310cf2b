//! Keys as pairs of tones in the sound (ITU-T Q.23), recognised within the limits of ITU-T Q.24.
//!
//! 40 ms are accepted and 23 ms are not; frequencies 1.5 % off are accepted and 3.5 % off are not; the high tone may be
//! 8 dB weaker and 4 dB stronger than the low one. Speech is told apart by what else it has: nearly all of the power
//! must be in the two tones, and they must stay where they are.

use std::sync::LazyLock;

use crate::signal::{MOST_TONES, Step};
use crate::window::{HOP_MS, Part, Probe, View, Window, power_beside};

const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// The key at each row and column.
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// The weakest tone: -44 dBov, which is -38 dBm0.
const WEAKEST: f32 = 42_700.0;
/// What part of all power the two tones have.
const PURITY: f32 = 0.76;
/// How far a tone may be off: at one look, and over all looks at a key.
const OFF_AT_ONCE: f32 = 0.032;
const OFF: f32 = 0.025;
/// The high tone's power against the low one's, with 1 dB to spare: -9 to +5 dB.
const TWIST: std::ops::Range<f32> = 0.126..3.17;
/// So many looks make a key: a tone of 33 ms always gives them, one of 27 ms never.
const LOOKS_DOWN: u32 = 5;
/// So many looks without it release it: a gap of 10 ms does not, one of 40 ms does.
const LOOKS_UP: u32 = 6;
/// The looks at a tone span so much less than the tone.
const UNSEEN_MS: u32 = 13;

static PROBES: LazyLock<[[Probe; 4]; 2]> =
    LazyLock::new(|| [ROWS_HZ.map(Probe::new), COLUMNS_HZ.map(Probe::new)]);

/// What was heard of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHeard {
    /// It is pressed.
    Down(char),
    /// It was released after so many milliseconds.
    Up(char, u32),
}

/// A key that is seen, and for how long.
#[derive(Clone, Copy, Debug)]
struct Press {
    key: char,
    looks: u32,
    /// Looks since it was seen last.
    absent: u32,
    /// How far its tones are off in Hz, summed over `measured` looks.
    drift_hz: [f32; 2],
    measured: u32,
    down: bool,
}

/// A key at one look.
#[derive(Clone, Copy, Debug)]
struct Sight {
    row: usize,
    column: usize,
    drift_hz: [f32; 2],
}

/// Finds keys in sound of 8000 Hz.
#[derive(Clone, Debug, Default)]
pub struct KeyDetector {
    window: Window,
    /// The parts of the eight tones at the last look; nothing when it was too quiet to look closely.
    before: Option<[[Part; 4]; 2]>,
    press: Option<Press>,
    sighted: bool,
}

impl KeyDetector {
    /// Hears the next samples, however many, and tells what becomes of keys.
    pub fn hear(&mut self, samples: &[i16], mut tell: impl FnMut(KeyHeard)) {
        let mut rest = samples;
        while !rest.is_empty() {
            let (later, due) = self.window.take(rest);
            rest = later;
            if due {
                let view = self.window.look();
                let sight = self.sight(&view);
                self.sighted = sight.is_some();
                self.follow(sight, &mut tell);
            }
        }
    }

    /// The key that is pressed.
    #[must_use]
    pub fn pressed(&self) -> Option<char> {
        self.press.filter(|press| press.down).map(|press| press.key)
    }

    /// Whether the last 20 ms look like a key, however short: what shall not be passed on as a tone.
    #[must_use]
    pub fn is_suspected(&self) -> bool {
        self.sighted || self.pressed().is_some()
    }

    fn sight(&mut self, view: &View) -> Option<Sight> {
        let all = view.power();
        if all < WEAKEST * 2.0 {
            self.before = None;
            return None;
        }
        let parts = [0, 1].map(|group| [0, 1, 2, 3].map(|one| view.part(&PROBES[group][one])));
        let before = self.before.replace(parts)?;
        let (row, low, low_drift_hz) = strongest(0, &parts, &before)?;
        let (column, high, high_drift_hz) = strongest(1, &parts, &before)?;
        let heard = low.min(high) >= WEAKEST && low + high >= PURITY * all && TWIST.contains(&(high / low));
        heard.then_some(Sight { row, column, drift_hz: [low_drift_hz, high_drift_hz] })
    }

    fn follow(&mut self, sight: Option<Sight>, tell: &mut impl FnMut(KeyHeard)) {
        if let Some(sight) = sight {
            let key = KEYS[sight.row][sight.column];
            if let Some(other) = self.press.filter(|press| press.key != key) {
                release(other, tell);
                self.press = None;
            }
            let press = self.press.get_or_insert(Press::new(key));
            press.see(&sight);
            if press.is_due(&sight) {
                press.down = true;
                tell(KeyHeard::Down(key));
            }
        } else if let Some(press) = &mut self.press {
            press.absent += 1;
            // What was seen too shortly must not be continued by what comes later.
            if press.absent >= LOOKS_UP || !press.down && press.absent > 1 {
                release(*press, tell);
                self.press = None;
            }
        }
    }
}

impl Press {
    fn new(key: char) -> Self {
        Self { key, looks: 0, absent: 0, drift_hz: [0.0; 2], measured: 0, down: false }
    }

    fn see(&mut self, sight: &Sight) {
        if self.down {
            self.looks += self.absent; // A short gap is part of the key.
        }
        self.looks += 1;
        self.absent = 0;
        if !self.down {
            self.measured += 1;
            self.drift_hz[0] += sight.drift_hz[0];
            self.drift_hz[1] += sight.drift_hz[1];
        }
    }

    fn is_due(&self, sight: &Sight) -> bool {
        let within = |group: usize, frequency_hz: f32| {
            (self.drift_hz[group] / self.measured as f32).abs() <= OFF * frequency_hz
        };
        !self.down
            && self.looks >= LOOKS_DOWN
            && within(0, ROWS_HZ[sight.row])
            && within(1, COLUMNS_HZ[sight.column])
    }
}

fn release(press: Press, tell: &mut impl FnMut(KeyHeard)) {
    if press.down {
        tell(KeyHeard::Up(press.key, (press.looks - 1) * HOP_MS + UNSEEN_MS));
    }
}

/// The strongest tone of a group with its power and its distance in Hz, unless it is too far off.
fn strongest(group: usize, parts: &[[Part; 4]; 2], before: &[[Part; 4]; 2]) -> Option<(usize, f32, f32)> {
    let powers = parts[group].map(Part::power);
    let most = (0..4).max_by(|&a, &b| powers[a].total_cmp(&powers[b]))?;
    let probe = &PROBES[group][most];
    let drift_hz = parts[group][most].drift_hz(before[group][most], probe);
    let near = drift_hz.abs() <= OFF_AT_ONCE * probe.frequency_hz;
    near.then(|| (most, powers[most] / power_beside(drift_hz), drift_hz))
}

/// The two frequencies of a key, 0-9 * # A-D.
#[must_use]
pub fn frequencies_of(key: char) -> Option<(f64, f64)> {
    let key = key.to_ascii_uppercase();
    let row = KEYS.iter().position(|keys| keys.contains(&key))?;
    let column = KEYS[row].iter().position(|&other| other == key)?;
    Some((f64::from(ROWS_HZ[row]), f64::from(COLUMNS_HZ[column])))
}

/// A key as a step of a signal.
#[must_use]
pub fn step_of(key: char, duration_ms: u32, level_dbov: f64) -> Option<Step> {
    let (low, high) = frequencies_of(key)?;
    let mut frequencies_hz = [0.0; MOST_TONES];
    (frequencies_hz[0], frequencies_hz[1]) = (low, high);
    Some(Step { frequencies_hz, duration_ms, level_dbov })
}

#[cfg(test)]
mod tests;
