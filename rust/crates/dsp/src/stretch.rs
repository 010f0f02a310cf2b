//! Sound made a bit shorter or longer where nobody hears it: a pitch period is taken out or put in.

use crate::pitch::likeness;

/// Periods that are tried, in tenths of a millisecond.
const SHORTEST: usize = 25;
const LONGEST: usize = 100;
/// How like two periods must be to pass for one, and the level (linear) below which anything may.
const ALIKE: f32 = 0.8;
const QUIET: f32 = 100.0;
/// Samples of the longest frame: 60 ms of 48000 Hz.
const MOST: usize = 2880;

/// Takes a period out of `frame`, or puts one in.
#[derive(Clone, Debug)]
pub struct Stretch {
    rate: usize,
    sound: Vec<f32>,
}

impl Stretch {
    /// For sound of `rate_hz`.
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        Self { rate: rate_hz.clamp(8000, 48_000) as usize, sound: Vec::with_capacity(MOST) }
    }

    /// Makes the first `count` samples of `frame` shorter when `surplus_us` is positive, longer when it is negative,
    /// by one period of at most 10 ms, if there is one; returns how many they are then.
    ///
    /// A frame of 15 to 60 ms may change, a shorter one does not; to become longer it needs room behind it.
    pub fn change(&mut self, frame: &mut [i16], count: usize, surplus_us: i64) -> usize {
        let count = count.min(frame.len());
        if surplus_us == 0 || count > MOST || count < self.rate * 15 / 1000 {
            return count;
        }
        self.sound.clear();
        self.sound.extend(frame[..count].iter().map(|&sample| f32::from(sample)));
        let Some(period) = self.period() else { return count };
        let overlap = (count - period).min(period);
        if surplus_us > 0 {
            self.shorten(frame, count, period, overlap)
        } else if count + period <= frame.len() {
            self.lengthen(frame, count, period, overlap)
        } else {
            count
        }
    }

    /// The period by which the beginning is most like what follows it.
    fn period(&self) -> Option<usize> {
        let half = self.sound.len() / 2;
        let longest = (self.rate * LONGEST / 10_000).min(half);
        let power: f32 = self.sound.iter().map(|sample| sample * sample).sum();
        if power <= QUIET * QUIET * self.sound.len() as f32 {
            return Some(longest);
        }
        let step = (self.rate / 16_000).max(1);
        let periods = (self.rate * SHORTEST / 10_000..=longest).step_by(step);
        let alike = |period: usize| likeness(&self.sound[..half], &self.sound[period..period + half]);
        let (best, period) =
            periods.map(|period| (alike(period), period)).max_by(|a, b| a.0.total_cmp(&b.0))?;
        (best >= ALIKE).then_some(period)
    }

    fn shorten(&self, frame: &mut [i16], count: usize, period: usize, overlap: usize) -> usize {
        for (at, sample) in frame[..overlap].iter_mut().enumerate() {
            *sample = self.led_over(at, at + period, at, overlap);
        }
        frame.copy_within(overlap + period..count, overlap);
        count - period
    }

    fn lengthen(&self, frame: &mut [i16], count: usize, period: usize, overlap: usize) -> usize {
        frame.copy_within(overlap..count, overlap + period);
        for at in 0..overlap {
            frame[period + at] = self.led_over(period + at, at, at, overlap);
        }
        count + period
    }

    /// The sample at `from`, which becomes that at `to` as `at` approaches `overlap`.
    fn led_over(&self, from: usize, to: usize, at: usize, overlap: usize) -> i16 {
        let part = (at + 1) as f32 / (overlap + 1) as f32;
        ((1.0 - part) * self.sound[from] + part * self.sound[to]) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Sine;

    fn tone(rate: u32, frequency: f64, count: usize) -> Vec<i16> {
        let mut sine = Sine::new(frequency, -15.0, f64::from(rate));
        (0..count).map(|_| sine.sample()).collect()
    }

    fn steepest(sound: &[i16]) -> u16 {
        sound.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap()
    }

    #[test]
    fn a_voiced_frame_changes_by_a_period_and_its_edges_stay() {
        for rate in [8000, 16_000, 48_000u32] {
            for (surplus, longer) in [(1, false), (-1, true)] {
                let count = rate as usize / 50;
                let sound = tone(rate, 200.0, count);
                let mut frame = [sound.clone(), vec![0; count]].concat();
                let changed = Stretch::new(rate).change(&mut frame, count, surplus);
                let apart = changed.abs_diff(count) as u32;
                assert_eq!(changed > count, longer);
                assert!(apart.is_multiple_of(rate / 200), "{rate}: {apart}");
                let frame = &frame[..changed];
                assert!(frame[0].abs_diff(sound[0]) < 200);
                assert_eq!(frame.last(), sound.last());
                assert!(steepest(frame) <= steepest(&sound) * 11 / 10);
            }
        }
    }

    #[test]
    fn silence_changes_at_once_and_noise_not_at_all() {
        let mut random = crate::noise::Random::default();
        let mut frame = [0; 320];
        assert_eq!(Stretch::new(8000).change(&mut frame, 160, 9), 80);
        assert_eq!(Stretch::new(8000).change(&mut frame, 160, -9), 240);
        frame.iter_mut().for_each(|sample| *sample = (3000.0 * random.level()) as i16);
        assert_eq!(Stretch::new(8000).change(&mut frame, 160, 9), 160);
    }

    #[test]
    fn what_needs_no_change_or_has_no_room_stays() {
        let mut frame = tone(8000, 200.0, 160);
        for (count, surplus) in [(160, 0), (160, -5), (80, 5), (0, 5)] {
            assert_eq!(Stretch::new(8000).change(&mut frame, count, surplus), count);
        }
        assert_eq!(frame, tone(8000, 200.0, 160));
    }
}
