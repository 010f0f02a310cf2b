//! A WAV file that grows: valid up to its last update whatever happens to us.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::fstatvfs;
use trunkline_dsp::wav::{HEADER, header_at};

use crate::error::Fault;

/// Octets that may gather before they are written.
const BLOCK: usize = 16_384;

/// The file, 16 bits a sample, and what is not written to it yet.
#[derive(Debug)]
pub struct SoundFile {
    file: File,
    path: PathBuf,
    channels: u16,
    rate_hz: u32,
    /// Octets that shall stay free on the file system.
    pub keep_free: u64,
    /// Octets of sound in the file.
    written: u64,
    pending: Vec<u8>,
}

impl SoundFile {
    /// Makes a file where nothing is yet.
    ///
    /// # Errors
    /// The [`Fault`] to tell when that is not possible.
    pub fn create(path: &Path, channels: u16, rate_hz: u32, keep_free: u64) -> Result<Self, Fault> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| fault_of(path, &error))?;
        let made =
            Self { file, path: path.into(), channels, rate_hz, keep_free, written: 0, pending: Vec::new() };
        if let Err(fault) = made.check_space().and_then(|()| made.write_header()) {
            // Nothing is in it: another try shall find the path free.
            let _ = fs::remove_file(path);
            return Err(fault);
        }
        Ok(made)
    }

    /// Octets of a sample of all channels.
    pub fn block(&self) -> u64 {
        2 * u64::from(self.channels)
    }

    /// Samples that a file of so many octets has.
    pub fn most_samples(&self, octets: u64) -> u64 {
        octets.saturating_sub(HEADER as u64) / self.block()
    }

    /// Samples of each channel that are in the file.
    pub fn samples(&self) -> u64 {
        self.written / self.block()
    }

    /// One more sample, of the channels in turn.
    pub fn push(&mut self, sample: i16) {
        self.pending.extend(sample.to_le_bytes());
    }

    /// Writes what has gathered, if it is much.
    ///
    /// # Errors
    /// The [`Fault`] that ends the recording.
    pub fn keep_small(&mut self) -> Result<(), Fault> {
        if self.pending.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    /// Writes what has gathered, and how much there is.
    ///
    /// # Errors
    /// The [`Fault`] that ends the recording.
    pub fn update(&mut self) -> Result<(), Fault> {
        self.flush()?;
        self.write_header()
    }

    /// Writes everything, and leaves out what lies behind so many samples.
    ///
    /// # Errors
    /// The [`Fault`] to tell.
    pub fn complete(&mut self, samples: u64) -> Result<(), Fault> {
        self.flush()?;
        check_there(&self.file, &self.path)?;
        self.written = self.written.min(samples * self.block());
        let length = HEADER as u64 + self.written;
        self.file.set_len(length).map_err(|error| fault_of(&self.path, &error))?;
        self.write_header()
    }

    /// Looks whether the file is still there, and enough stays free.
    ///
    /// # Errors
    /// The [`Fault`] when it does not.
    pub fn check_space(&self) -> Result<(), Fault> {
        check_there(&self.file, &self.path)?;
        check_space(&self.file, &self.path, self.keep_free)
    }

    /// Octets that there is room for in memory.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.pending.capacity()
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let place = HEADER as u64 + self.written;
        self.file.write_all_at(&self.pending, place).map_err(|error| fault_of(&self.path, &error))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    fn write_header(&self) -> Result<(), Fault> {
        let bytes = header_at(self.rate_hz, self.channels, self.written);
        self.file.write_all_at(&bytes, 0).map_err(|error| fault_of(&self.path, &error))
    }
}

/// Looks whether so many octets stay free on the file system of a file.
///
/// # Errors
/// The [`Fault`] when they do not.
pub fn check_space(file: &File, path: &Path, keep_free: u64) -> Result<(), Fault> {
    if keep_free == 0 {
        return Ok(());
    }
    // A file system that does not tell how full it is will say so when it is.
    let Ok(space) = fstatvfs(file) else { return Ok(()) };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if free >= keep_free {
        return Ok(());
    }
    let text =
        format!("{}: {free} octets are free on the file system, {keep_free} shall stay so", path.display());
    Err(Fault::new("media.disk_full", text))
}

/// Looks whether a file that is written has still a name: one that was deleted takes all that is written, and nobody
/// ever finds it. One that was moved is followed.
///
/// # Errors
/// The [`Fault`] when it has none.
pub fn check_there(file: &File, path: &Path) -> Result<(), Fault> {
    match file.metadata() {
        Ok(known) if known.nlink() == 0 => {
            let text = format!("{}: it was deleted while it was written", path.display());
            Err(Fault::new("media.file_unwritable", text))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(fault_of(path, &error)),
    }
}

/// What to tell of a file that cannot be made or written.
pub fn fault_of(path: &Path, error: &io::Error) -> Fault {
    let code = match error.kind() {
        io::ErrorKind::AlreadyExists => "media.file_exists",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "media.disk_full",
        _ => "media.file_unwritable",
    };
    Fault::new(code, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_full_disk_has_a_code_of_its_own_and_leaves_no_empty_file() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(fault_of(Path::new("a.wav"), &full).code, "media.disk_full");
        let scratch = Scratch::new();
        let path = scratch.path("a.wav");
        assert_eq!(SoundFile::create(&path, 1, 8000, u64::MAX).unwrap_err().code, "media.disk_full");
        assert!(!path.exists());
    }
}
