//! Samples: G.711 and tones. No I/O, no allocation.
#![forbid(unsafe_code)]

pub mod g711;
pub mod tone;

pub use g711::Law;
pub use tone::Sine;
