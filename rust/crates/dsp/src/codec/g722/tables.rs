//! The tables of ITU-T G.722, clause 6, as its Tables 11 to 21 give them.

/// Coefficients of the quadrature mirror filters.
pub const QMF_TAPS: usize = 24;

/// Table 11, times 8192.
pub const QMF: [i32; QMF_TAPS] = [
    3, -11, -11, 53, 12, -156, 32, 362, -210, -805, 951, 3876, 3876, 951, -805, -210, 362, 32, -156, 12, 53,
    -11, -11, 3,
];

/// Decision levels of the lower band's quantizer (Q6), but for the first, which is 0.
pub const DECISIONS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];

/// What a code of 6 bits means (QQ6).
pub const INVERSE_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];

/// What its upper four bits mean (QQ4).
pub const INVERSE_4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];

/// How they move the lower band's scale (WL).
pub const LOW_LOG: [i32; 16] =
    [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];

/// The decision level of the higher band.
pub const HIGH_DECISION: i32 = 564;

/// What a code of the higher band means (QQ2).
pub const HIGH_INVERSE: [i32; 4] = [-7408, -1616, 7408, 1616];

/// How it moves the higher band's scale (WH).
pub const HIGH_LOG: [i32; 4] = [798, -214, 798, -214];

/// From logarithms to numbers (ILB): 2048 times 2 to the power of n/32.
pub const POWERS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
