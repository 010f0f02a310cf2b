//! One band: a scale that follows the signal, and a predictor with two poles and six zeros.

use super::saturated;
use super::tables::POWERS;

/// What distinguishes the bands.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The largest logarithm of the scale.
    pub most: i32,
    /// Where the point of the scale lies.
    pub shift: i32,
    /// The scale at the beginning.
    pub first: i32,
}

/// What both ends of one band remember.
#[derive(Clone, Debug)]
pub struct Band {
    shape: Shape,
    /// The logarithm of the scale (NBL, NBH) and the scale (DETL, DETH).
    log: i32,
    scale: i32,
    /// The prediction (S) and the zeros' part in it (SZ).
    predicted: i32,
    by_zeros: i32,
    /// Reconstructed signals (RLT), the last one first.
    rebuilt: [i32; 2],
    /// Whether the last partly reconstructed signals (PLT) were negative, the last one first.
    negative: [bool; 2],
    /// Poles (AL).
    poles: [i32; 2],
    /// Zeros (BL), and the differences (DLT) that they weigh, the last one first.
    zeros: [i32; 6],
    differences: [i32; 6],
}

impl Band {
    /// A band in which nothing was heard yet.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            log: 0,
            scale: shape.first,
            predicted: 0,
            by_zeros: 0,
            rebuilt: [0; 2],
            negative: [false; 2],
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
        }
    }

    /// The scale of the next code.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// What the next sample is expected to be.
    pub fn predicted(&self) -> i32 {
        self.predicted
    }

    /// Follows the quantized difference between the sample and its prediction, and how it moves the scale.
    pub fn adapt(&mut self, difference: i32, log_step: i32) {
        let rebuilt = saturated(self.predicted + difference); // RECONS
        let partly = saturated(self.by_zeros + difference); // PARREC
        self.move_poles(partly < 0);
        self.move_zeros(difference);
        self.rebuilt = [rebuilt, self.rebuilt[0]];
        self.predict();
        self.move_scale(log_step);
    }

    /// LOGSCL, SCALEL and their like of the higher band.
    fn move_scale(&mut self, log_step: i32) {
        self.log = (((self.log * 127) >> 7) + log_step).clamp(0, self.shape.most);
        let power = POWERS[(self.log >> 6 & 31) as usize];
        let shift = self.shape.shift - (self.log >> 11);
        self.scale = (if shift < 0 { power << -shift } else { power >> shift }) << 2;
    }

    /// UPPOL2, UPPOL1.
    fn move_poles(&mut self, negative: bool) {
        let four_times = saturated(self.poles[0] << 2);
        let against = if negative == self.negative[0] { -four_times } else { four_times }.min(32_767);
        let sign = if negative == self.negative[1] { 128 } else { -128 };
        let second = (against >> 7) + sign + ((self.poles[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let step = if negative == self.negative[0] { 192 } else { -192 };
        let limit = 15_360 - second;
        let first = (step + ((self.poles[0] * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
        self.negative = [negative, self.negative[0]];
    }

    /// UPZERO; the difference joins those that are weighed.
    fn move_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeros.iter_mut().zip(self.differences) {
            let step = if (earlier < 0) == (difference < 0) { step } else { -step };
            *zero = saturated(step + ((*zero * 32_640) >> 15));
        }
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
    }

    /// FILTEP, FILTEZ, PREDIC.
    fn predict(&mut self) {
        let weighed = |value: i32, weight: i32| (weight * saturated(2 * value)) >> 15;
        let by_poles = weighed(self.rebuilt[0], self.poles[0]) + weighed(self.rebuilt[1], self.poles[1]);
        let by_zeros =
            self.differences.iter().zip(self.zeros).map(|(&value, zero)| weighed(value, zero)).sum();
        self.by_zeros = saturated(by_zeros);
        self.predicted = saturated(saturated(by_poles) + self.by_zeros);
    }
}
