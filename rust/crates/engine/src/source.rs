//! What can be played: files of several kinds, and sounds in memory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;
use trunkline_dsp::ogg::{BadOgg, Step};
use trunkline_dsp::wav::{Coding, LONGEST_HEADER, SUPPORTED};
use trunkline_dsp::{Codec, Decoder, Law, OggOpus, Wav, ogg};

use crate::error::Fault;
use crate::sounds::Sound;

/// Samples a second of raw files that say so by their names: of `.sln16`, 16000.
const RAW_RATES: [(&str, u32); 7] = [
    ("12", 12_000),
    ("16", 16_000),
    ("24", 24_000),
    ("32", 32_000),
    ("44", 44_100),
    ("48", 48_000),
    ("8", 8000),
];
/// Octets of G.722 that are decoded at once: 120 ms.
const G722_BLOCK: usize = 960;
const G722_HZ: u32 = 16_000;

/// One of what is played.
#[derive(Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A sound in memory.
    Memory(Arc<Sound>),
}

/// How its octets are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a file says of itself, or as its name does.
    Plain(Wav),
    /// ITU-T G.722 at 64 kbit/s.
    G722,
    /// Opus in Ogg (RFC 7845).
    Opus,
}

impl Source {
    /// How it is to be read.
    ///
    /// # Errors
    /// The [`Fault`] to tell when it cannot be played.
    pub fn look_at(&self) -> Result<Form, Fault> {
        let path = match self {
            Self::File(path) => path,
            Self::Memory(sound) => return Ok(sound.form),
        };
        let file = open(path).map_err(|error| unreadable(path, &error))?;
        if let Some(form) = form_by_name(path) {
            return Ok(form);
        }
        let mut beginning = Vec::new();
        file.take(LONGEST_HEADER as u64)
            .read_to_end(&mut beginning)
            .map_err(|error| unreadable(path, &error))?;
        form_by_beginning(&beginning).map_err(|why| {
            let text = format!(
                "{}: {why}; what can be played is {SUPPORTED}, and raw sound in files that end in .raw, .sln, .sln16 \
                 and the like, .ulaw, .alaw or .g722",
                path.display()
            );
            Fault::new("media.file_format", text)
        })
    }

    /// Begins to read it, for whom who wants so many samples a second.
    ///
    /// # Errors
    /// The [`Fault`] to tell when that is not possible.
    pub fn open(&self, form: Form, wanted_hz: u32) -> Result<Open, Fault> {
        let (start, length) = if let Form::Plain(wav) = form { (wav.start, wav.length) } else { (0, None) };
        let octets = match self {
            Self::Memory(sound) => Octets::Memory(Arc::clone(sound), start),
            Self::File(path) => {
                let opened = open(path).and_then(|mut file| {
                    file.seek(SeekFrom::Start(start as u64))?;
                    Ok(file)
                });
                let file = opened.map_err(|error| unreadable(path, &error))?;
                Octets::File(file, path.clone())
            }
        };
        let reader = match form {
            Form::Plain(wav) => Reader::Plain(wav),
            Form::G722 => Reader::G722(Decoder::new(Codec::G722).ok()),
            Form::Opus => Reader::Opus(Box::new(OggOpus::new(wanted_hz))),
        };
        Ok(Open { octets, reader, left: length.unwrap_or(u64::MAX) })
    }
}

impl Form {
    /// Samples a second, for whom who wants so many: of Opus just these.
    pub fn rate_hz(self, wanted_hz: u32) -> u32 {
        match self {
            Self::Plain(wav) => wav.rate_hz,
            Self::G722 => G722_HZ,
            Self::Opus => wanted_hz,
        }
    }
}

/// A source that is being read.
pub struct Open {
    octets: Octets,
    reader: Reader,
    left: u64,
}

enum Octets {
    File(File, PathBuf),
    Memory(Arc<Sound>, usize),
}

enum Reader {
    Plain(Wav),
    G722(Option<Decoder>),
    Opus(Box<OggOpus>),
}

impl Open {
    /// Appends the samples of the next `block` octets at most, or about so many samples; returns whether there may be
    /// more.
    ///
    /// # Errors
    /// The [`Fault`] to tell.
    pub fn read(&mut self, block: usize, samples: &mut Vec<i16>) -> Result<bool, Fault> {
        if let Reader::Opus(file) = &mut self.reader {
            while samples.len() < block / 2 {
                match file.decode(samples).map_err(|why| self.octets.broken(why))? {
                    Step::Sound => {}
                    Step::Hungry if samples.is_empty() => break,
                    Step::Hungry => return Ok(true),
                }
            }
            if !samples.is_empty() {
                return Ok(true);
            }
        }
        let whole = if let Reader::Plain(wav) = self.reader { block - block % wav.block() } else { block };
        let wanted = self.left.min(whole as u64);
        let octets = self.octets.read(wanted)?;
        self.left -= octets.len() as u64;
        let more = octets.len() as u64 == wanted && self.left > 0;
        match &mut self.reader {
            Reader::Plain(wav) => wav.decode(&octets, samples),
            Reader::G722(decoder) => decode(decoder.as_mut(), &octets, samples),
            Reader::Opus(file) if octets.is_empty() => {
                file.finish().map_err(|why| self.octets.broken(why))?;
                return Ok(false);
            }
            Reader::Opus(file) => {
                file.push(&octets);
                return Ok(true);
            }
        }
        Ok(more)
    }
}

fn decode(decoder: Option<&mut Decoder>, octets: &[u8], samples: &mut Vec<i16>) {
    let Some(decoder) = decoder else { return };
    let mut sound = [0; 2 * G722_BLOCK];
    for block in octets.chunks(G722_BLOCK) {
        let made = decoder.decode(block, &mut sound).unwrap_or(0);
        samples.extend_from_slice(&sound[..made]);
    }
}

impl Octets {
    /// What to tell of what is in it.
    fn broken(&self, why: BadOgg) -> Fault {
        let text = match self {
            Self::File(_, path) => format!("{}: {why}", path.display()),
            Self::Memory(..) => format!("a sound in memory: {why}"),
        };
        Fault::new("media.file_format", text)
    }

    fn read(&mut self, wanted: u64) -> Result<Vec<u8>, Fault> {
        match self {
            Self::File(file, path) => {
                let mut octets = Vec::new();
                let read = file.take(wanted).read_to_end(&mut octets);
                read.map(|_| octets).map_err(|error| unreadable(path, &error))
            }
            Self::Memory(sound, at) => {
                let rest = sound.octets.get(*at..).unwrap_or_default();
                let octets = &rest[..rest.len().min(wanted as usize)];
                *at += octets.len();
                Ok(octets.to_vec())
            }
        }
    }
}

/// What the beginning of a file says.
///
/// # Errors
/// Why it cannot be played.
pub fn form_by_beginning(beginning: &[u8]) -> Result<Form, String> {
    if beginning.starts_with(ogg::MAGIC) {
        return OggOpus::look_at(beginning).map(|()| Form::Opus).map_err(|why| why.to_string());
    }
    Wav::parse(beginning).map(Form::Plain).map_err(|why| why.to_string())
}

/// What the name of a file says of raw sound in it.
fn form_by_name(path: &Path) -> Option<Form> {
    let suffix = path.extension()?.to_str()?.to_ascii_lowercase();
    let plain = |coding, rate_hz| Some(Form::Plain(raw(coding, rate_hz)));
    match suffix.as_str() {
        "raw" | "sln" => plain(Coding::Pcm16, 8000),
        "ulaw" | "ul" => plain(Coding::G711(Law::Mu), 8000),
        "alaw" | "al" => plain(Coding::G711(Law::A), 8000),
        "g722" => Some(Form::G722),
        other => {
            let thousands = other.strip_prefix("sln")?;
            let (_, rate_hz) = RAW_RATES.into_iter().find(|(name, _)| *name == thousands)?;
            plain(Coding::Pcm16, rate_hz)
        }
    }
}

/// Samples of one channel, from the first octet to the last.
pub fn raw(coding: Coding, rate_hz: u32) -> Wav {
    Wav { coding, channels: 1, rate_hz, start: 0, length: None }
}

/// Opens a regular file; anything else could keep the thread waiting for ever.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::new("media.file_unreadable", format!("{}: {error}", path.display()))
}
