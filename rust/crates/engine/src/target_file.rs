//! What a recording writes: a WAV file, or Opus where the name of the file ends so.

use std::path::Path;

use crate::error::Fault;
use crate::opus_file::OpusFile;
use crate::sound_file::SoundFile;

/// A file that grows.
#[derive(Debug)]
pub enum TargetFile {
    /// RIFF WAVE.
    Wav(SoundFile),
    /// Ogg Opus.
    Opus(Box<OpusFile>),
}

/// The same on either.
macro_rules! on_either {
    ($self:ident, $file:ident => $what:expr) => {
        match $self {
            Self::Wav($file) => $what,
            Self::Opus($file) => $what,
        }
    };
}

impl TargetFile {
    /// Makes a file where nothing is yet.
    ///
    /// # Errors
    /// The [`Fault`] to tell when that is not possible.
    pub fn create(
        path: &Path,
        channels: u16,
        rate_hz: u32,
        keep_free: u64,
        number: u64,
    ) -> Result<Self, Fault> {
        let opus = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("opus"));
        if opus {
            let file = OpusFile::create(path, channels, rate_hz, keep_free, number as u32)?;
            Ok(Self::Opus(Box::new(file)))
        } else {
            SoundFile::create(path, channels, rate_hz, keep_free).map(Self::Wav)
        }
    }

    /// Samples that a file of so many octets has.
    pub fn most_samples(&self, octets: u64) -> u64 {
        on_either!(self, file => file.most_samples(octets))
    }

    /// Samples of each channel that are in the file.
    pub fn samples(&self) -> u64 {
        on_either!(self, file => file.samples())
    }

    /// One more sample, of the channels in turn.
    pub fn push(&mut self, sample: i16) {
        on_either!(self, file => file.push(sample));
    }

    /// Writes what has gathered, if it is much.
    ///
    /// # Errors
    /// The [`Fault`] that ends the recording.
    pub fn keep_small(&mut self) -> Result<(), Fault> {
        on_either!(self, file => file.keep_small())
    }

    /// Writes what has gathered, and how much there is.
    ///
    /// # Errors
    /// The [`Fault`] that ends the recording.
    pub fn update(&mut self) -> Result<(), Fault> {
        on_either!(self, file => file.update())
    }

    /// Writes everything, and leaves out what lies behind so many samples.
    ///
    /// # Errors
    /// The [`Fault`] to tell.
    pub fn complete(&mut self, samples: u64) -> Result<(), Fault> {
        on_either!(self, file => file.complete(samples))
    }

    /// Looks whether enough stays free.
    ///
    /// # Errors
    /// The [`Fault`] when it does not.
    pub fn check_space(&self) -> Result<(), Fault> {
        on_either!(self, file => file.check_space())
    }

    /// Octets that there is room for in memory.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        match self {
            Self::Wav(file) => file.waiting(),
            Self::Opus(_) => 0,
        }
    }
}
