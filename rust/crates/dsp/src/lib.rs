//! Samples: codecs, tones, WAV and Ogg files, other sampling rates. No I/O.
#![forbid(unsafe_code)]

pub mod codec;
pub mod conceal;
pub mod g711;
pub mod jitter;
pub mod keys;
pub mod listen;
pub mod machine;
pub mod mix;
pub mod noise;
pub mod ogg;
pub mod pitch;
pub mod progress;
pub mod rates;
pub mod resample;
pub mod signal;
#[cfg(test)]
mod sounds;
pub mod speakers;
pub mod spectrum;
pub mod stretch;
pub mod tone;
pub mod vad;
pub mod wav;
pub mod window;

pub use codec::{Codec, CodecError, Decoder, Encoder};
pub use g711::Law;
pub use ogg::OggOpus;
pub use rates::Rates;
pub use resample::Resampler;
pub use tone::Sine;
pub use wav::Wav;
