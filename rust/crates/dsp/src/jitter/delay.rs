//! How long sound must be held so that nearly all of it is there in time.

/// The bounds of the target.
const LEAST_US: i64 = 20_000;
const MOST_US: i64 = 200_000;
/// The target before anything is known.
const FIRST_US: i64 = 40_000;
/// Added to the percentile, for what pulls in frames.
const MARGIN_US: i64 = 5_000;
/// Packets that are remembered: 5 s of them.
const WINDOW: usize = 256;
/// Packets from which on the first guess is forgotten.
const ENOUGH: u32 = 50;
/// Packets between two estimates, and how much the target falls at most from one to the next.
const EVERY: u32 = 8;
const FALL_US: i64 = 1_000;

/// The transit times of late.
#[derive(Debug)]
pub struct Delay {
    /// Transit times in microseconds, against the first one.
    transits: [i32; WINDOW],
    first_us: i64,
    heard: u32,
    least: i32,
    target_us: i64,
}

impl Default for Delay {
    fn default() -> Self {
        Self { transits: [0; WINDOW], first_us: 0, heard: 0, least: 0, target_us: FIRST_US }
    }
}

impl Delay {
    /// Another stream begins: its transit times cannot be compared, its jitter can.
    pub fn begin_anew(&mut self) {
        self.heard = 0;
        self.least = 0;
    }

    /// A packet came: its arrival less its timestamp.
    pub fn arrived(&mut self, transit_us: i64) {
        if self.heard == 0 {
            self.first_us = transit_us;
        }
        // Half an hour of drift or of delay fits; beyond that it stands still.
        let transit = (transit_us - self.first_us).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        self.transits[self.heard as usize % WINDOW] = transit;
        self.heard = if self.heard == u32::MAX { WINDOW as u32 * 2 } else { self.heard + 1 };
        self.least = self.least.min(transit);
        if self.heard.is_multiple_of(EVERY) {
            self.estimate();
        }
    }

    fn estimate(&mut self) {
        let mut sorted = self.transits;
        let known = &mut sorted[..WINDOW.min(self.heard as usize)];
        let place = (known.len() * 97).div_ceil(100) - 1;
        let percentile = *known.select_nth_unstable(place).1;
        self.least = known.iter().copied().min().unwrap_or(self.least);
        let jitter = i64::from(percentile) - i64::from(self.least);
        let wanted = (jitter + MARGIN_US).clamp(LEAST_US, MOST_US);
        let floor = if self.heard < ENOUGH { self.target_us } else { self.target_us - FALL_US };
        self.target_us = wanted.max(floor);
    }

    /// The least transit time of late.
    pub fn least_us(&self) -> i64 {
        self.first_us + i64::from(self.least)
    }

    /// How much later than the fastest packet sound should be heard.
    pub fn target_us(&self) -> i64 {
        self.target_us
    }
}
