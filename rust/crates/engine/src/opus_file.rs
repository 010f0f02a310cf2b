//! An Ogg file of Opus that grows (RFC 7845): complete up to its last page whatever happens to us.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use opus::{Application, Bitrate, Channels, Encoder};

use crate::error::Fault;
use crate::sound_file::{check_space, check_there, fault_of};

/// Packets of a page: a second. 255 would fit.
const PACKETS: usize = 50;
/// Pages whose places are known, so that what lies behind the last voice can be left out: 10 minutes.
const KNOWN_PAGES: usize = 600;
/// Octets of the longest packet that is encoded.
const LONGEST: usize = 1275;
/// Bits a second of each channel: speech is transparent at it.
const BIT_RATE: i32 = 24_000;
/// Granule positions count samples of 48000 Hz, whatever was put in (RFC 7845 §4).
const GRANULES_HZ: u64 = 48_000;
const FIRST: u8 = 2;
const LAST: u8 = 4;
const PAGE_HEADER: usize = 27;

/// The file, and what is not written to it yet.
#[derive(Debug)]
pub struct OpusFile {
    file: File,
    path: PathBuf,
    channels: u16,
    rate_hz: u32,
    keep_free: u64,
    encoder: Encoder,
    serial: u32,
    /// Samples of 48000 Hz that the decoder leaves out at the beginning.
    skip: u64,
    pending: Vec<i16>,
    laces: Vec<u8>,
    packets: usize,
    data: Vec<u8>,
    sequence: u32,
    /// Samples of each channel that were encoded.
    samples: u64,
    octets: u64,
    /// Where pages begin, and how many samples there are up to their ends.
    pages: VecDeque<(u64, u64)>,
}

impl OpusFile {
    /// Makes a file where nothing is yet; `rate_hz` is 8000 or 16000.
    ///
    /// # Errors
    /// The [`Fault`] to tell when that is not possible.
    pub fn create(
        path: &Path,
        channels: u16,
        rate_hz: u32,
        keep_free: u64,
        serial: u32,
    ) -> Result<Self, Fault> {
        let kind = if channels == 2 { Channels::Stereo } else { Channels::Mono };
        let unusable = |error: opus::Error| Fault::new("media.codec", format!("{}: {error}", path.display()));
        let mut encoder = Encoder::new(rate_hz, kind, Application::Audio).map_err(unusable)?;
        encoder.set_bitrate(Bitrate::Bits(BIT_RATE * i32::from(channels))).map_err(unusable)?;
        let ahead = encoder.get_lookahead().map_err(unusable)?;
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| fault_of(path, &error))?;
        let mut made = Self {
            file,
            path: path.into(),
            channels,
            rate_hz,
            keep_free,
            encoder,
            serial,
            skip: ahead.max(0) as u64 * GRANULES_HZ / u64::from(rate_hz),
            pending: Vec::new(),
            laces: Vec::new(),
            packets: 0,
            data: Vec::new(),
            sequence: 0,
            samples: 0,
            octets: 0,
            pages: VecDeque::new(),
        };
        if let Err(fault) = made.check_space().and_then(|()| made.begin()) {
            // Nothing is in it: another try shall find the path free.
            let _ = fs::remove_file(path);
            return Err(fault);
        }
        Ok(made)
    }

    /// The two packets that every such file begins with, each on a page of its own (RFC 7845 §5).
    fn begin(&mut self) -> Result<(), Fault> {
        let mut head = b"OpusHead\x01".to_vec();
        head.push(self.channels as u8);
        head.extend((self.skip as u16).to_le_bytes());
        head.extend(self.rate_hz.to_le_bytes());
        head.extend([0; 3]);
        self.add(&head);
        self.write_page(FIRST, 0)?;
        let mut tags = b"OpusTags".to_vec();
        tags.extend(9u32.to_le_bytes());
        tags.extend(b"Trunkline");
        tags.extend(0u32.to_le_bytes());
        self.add(&tags);
        self.write_page(0, 0)?;
        self.pages.clear();
        Ok(())
    }

    /// Samples that a file of so many octets has: known only when it has them.
    pub fn most_samples(&self, octets: u64) -> u64 {
        let reached = self.octets + (self.data.len() + 2 * LONGEST) as u64 >= octets;
        if reached { self.samples } else { u64::MAX }
    }

    /// Samples of each channel that were encoded.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// One more sample, of the channels in turn.
    pub fn push(&mut self, sample: i16) {
        self.pending.push(sample);
    }

    /// Encodes what has gathered, and writes it when it is a page.
    ///
    /// # Errors
    /// The [`Fault`] that ends the recording.
    pub fn keep_small(&mut self) -> Result<(), Fault> {
        let frame = (self.rate_hz / 50) as usize * usize::from(self.channels);
        let mut done = 0;
        while self.pending.len() - done >= frame {
            let mut packet = [0; LONGEST];
            let encoded = self.encoder.encode(&self.pending[done..done + frame], &mut packet);
            done += frame;
            self.samples += u64::from(self.rate_hz / 50);
            let length = encoded
                .map_err(|error| Fault::new("media.codec", format!("{}: {error}", self.path.display())))?;
            self.add(&packet[..length]);
            if self.packets >= PACKETS || self.laces.len() > 200 {
                self.update()?;
            }
        }
        self.pending.drain(..done);
        Ok(())
    }

    /// Writes what was encoded.
    ///
    /// # Errors
    /// The [`Fault`] that ends the recording.
    pub fn update(&mut self) -> Result<(), Fault> {
        if self.packets == 0 {
            return Ok(());
        }
        // What the decoder leaves out at the beginning is among the samples encoded (RFC 7845 §4.3).
        self.write_page(0, self.samples * GRANULES_HZ / u64::from(self.rate_hz))
    }

    /// Writes everything, and leaves out what lies behind so many samples.
    ///
    /// # Errors
    /// The [`Fault`] to tell.
    pub fn complete(&mut self, samples: u64) -> Result<(), Fault> {
        check_there(&self.file, &self.path)?;
        let end = samples.min(self.samples + self.pending.len() as u64 / u64::from(self.channels));
        // What the encoder still holds back comes out with silence behind it.
        let ahead = self.skip * u64::from(self.rate_hz) / GRANULES_HZ + u64::from(self.rate_hz / 50);
        self.pending.resize(self.pending.len() + ahead as usize * usize::from(self.channels), 0);
        self.keep_small()?;
        self.update()?;
        self.end_at(end)
    }

    /// Looks whether the file is still there, and enough stays free.
    ///
    /// # Errors
    /// The [`Fault`] when it does not.
    pub fn check_space(&self) -> Result<(), Fault> {
        check_there(&self.file, &self.path)?;
        check_space(&self.file, &self.path, self.keep_free)
    }

    /// The page in which the sound ends becomes the last one; its position says where (RFC 7845 §4.4).
    fn end_at(&mut self, samples: u64) -> Result<(), Fault> {
        // Not the samples, but what comes out of the decoder must reach the end.
        let needed = samples + self.skip * u64::from(self.rate_hz) / GRANULES_HZ;
        let known = self.pages.iter().position(|&(_, end)| end >= needed);
        let Some(&(at, _)) = known.or(self.pages.len().checked_sub(1)).and_then(|at| self.pages.get(at))
        else {
            return Ok(());
        };
        let mut header = [0; PAGE_HEADER];
        let failed = |error| fault_of(&self.path, &error);
        self.file.read_exact_at(&mut header, at).map_err(failed)?;
        let mut laces = vec![0; usize::from(header[26])];
        self.file.read_exact_at(&mut laces, at + PAGE_HEADER as u64).map_err(failed)?;
        let length: usize =
            PAGE_HEADER + laces.len() + laces.iter().map(|&lace| usize::from(lace)).sum::<usize>();
        let mut page = vec![0; length];
        self.file.read_exact_at(&mut page, at).map_err(failed)?;
        page[5] |= LAST;
        page[6..14].copy_from_slice(&self.granule_of(samples).to_le_bytes());
        seal(&mut page);
        self.file.write_all_at(&page, at).map_err(failed)?;
        self.file.set_len(at + length as u64).map_err(failed)?;
        self.samples = samples;
        Ok(())
    }

    /// Where the sound ends that so many samples are.
    fn granule_of(&self, samples: u64) -> u64 {
        self.skip + samples * GRANULES_HZ / u64::from(self.rate_hz)
    }

    fn add(&mut self, packet: &[u8]) {
        self.laces.resize(self.laces.len() + packet.len() / 255, 255);
        self.laces.push((packet.len() % 255) as u8);
        self.data.extend_from_slice(packet);
        self.packets += 1;
    }

    fn write_page(&mut self, flags: u8, granule: u64) -> Result<(), Fault> {
        let mut page = Vec::with_capacity(PAGE_HEADER + self.laces.len() + self.data.len());
        page.extend(b"OggS\0");
        page.push(flags);
        page.extend(granule.to_le_bytes());
        page.extend(self.serial.to_le_bytes());
        page.extend(self.sequence.to_le_bytes());
        page.extend([0; 4]);
        page.push(self.laces.len() as u8);
        page.append(&mut self.laces);
        page.append(&mut self.data);
        seal(&mut page);
        self.file.write_all_at(&page, self.octets).map_err(|error| fault_of(&self.path, &error))?;
        self.pages.push_back((self.octets, self.samples));
        if self.pages.len() > KNOWN_PAGES {
            self.pages.pop_front();
        }
        self.octets += page.len() as u64;
        self.sequence += 1;
        self.packets = 0;
        Ok(())
    }
}

/// Writes a page's checksum (RFC 3533 §6): that of the page with none.
fn seal(page: &mut [u8]) {
    page[22..26].fill(0);
    let sum = page.iter().fold(0u32, |sum, &octet| {
        (0..8).fold(sum ^ u32::from(octet) << 24, |sum, _| {
            if sum & 0x8000_0000 == 0 { sum << 1 } else { sum << 1 ^ 0x04c1_1db7 }
        })
    });
    page[22..26].copy_from_slice(&sum.to_le_bytes());
}
