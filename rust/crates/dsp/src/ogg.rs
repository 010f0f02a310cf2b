//! Ogg (RFC 3533) with Opus in it (RFC 7845): the octets of a file in, samples out.
//!
//! What is read of a file is checked as far as it is used: checksums, the order of pages, both headers. What is wrong is
//! told with its place; nothing that a file says takes more memory than a page and a packet do.

mod page;

use std::collections::VecDeque;
use std::fmt;

use opus::{Channels, Decoder};
pub use page::{MAGIC, sum};
use page::{Page, Pages};

use crate::codec::LONGEST;

/// Granule positions count samples of 48000 Hz (RFC 7845 §4).
const GRANULES_HZ: u32 = 48_000;
/// Octets of the longest packet of one stream: 48 frames of 1275 octets, and how long each is (RFC 6716 §3.2.5).
const LONGEST_PACKET: usize = 48 * 1275 + 98;
/// Octets of the head that every stream has (RFC 7845 §5.1).
const HEAD: usize = 19;

/// Why a file cannot be played, or not any further; `at` counts octets from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadOgg {
    /// There is Ogg, but without Opus: what is in it, as far as we know it.
    NotOpus(&'static str),
    /// What shall be the head of the Opus stream is none.
    Head,
    /// What shall be its comments are none.
    Comments,
    /// It has so many channels.
    Channels(u8),
    /// No page begins here.
    NoPage {
        /// Where it should.
        at: u64,
    },
    /// The checksum of a page is wrong.
    Checksum {
        /// Where it begins.
        at: u64,
    },
    /// Pages are missing before this one.
    Missing {
        /// Where it begins.
        at: u64,
    },
    /// A packet is longer than Opus has them.
    Packet {
        /// Where the page begins that makes it too long.
        at: u64,
    },
    /// It ends before its sound begins.
    Short,
}

impl fmt::Display for BadOgg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpus(what) => write!(f, "it is an Ogg file, but what is in it is {what}, not Opus"),
            Self::Head => f.write_str("the head of its Opus stream is broken"),
            Self::Comments => f.write_str("its Opus stream has no comments behind its head"),
            Self::Channels(channels) => write!(f, "it has {channels} channels"),
            Self::NoPage { at } => write!(f, "no Ogg page begins at octet {at}"),
            Self::Checksum { at } => {
                write!(f, "the Ogg page at octet {at} is damaged: its checksum is wrong")
            }
            Self::Missing { at } => write!(f, "an Ogg page is missing before octet {at}"),
            Self::Packet { at } => {
                write!(f, "the Ogg page at octet {at} has a packet that is too long for Opus")
            }
            Self::Short => f.write_str("it ends before its sound begins"),
        }
    }
}

/// What there is after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another packet was decoded.
    Sound,
    /// More octets of the file are needed.
    Hungry,
}

/// Where in a file we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Streams begin; of what kind the first was that is not ours.
    Heads(Option<&'static str>),
    /// The comments are passed over; whether they are seen to be comments.
    Comments(bool),
    Sound,
    /// The stream is over; another one may follow (RFC 3533 §4, chaining).
    Over,
    /// Something else follows the last stream: nothing more is played.
    Done,
}

/// An Opus stream in an Ogg file, and those chained to it: mono, at the rate that was asked for.
#[derive(Debug)]
pub struct OggOpus {
    rate_hz: u32,
    pages: Pages,
    phase: Phase,
    serial: u32,
    /// The number of our next page.
    expected: u32,
    decoder: Option<Decoder>,
    /// What of a packet has come with the pages before.
    begun: Vec<u8>,
    packets: VecDeque<Vec<u8>>,
    /// Samples still to be left out at the beginning.
    skip: usize,
    /// Samples of the stream that were decoded, left out or not, and where they end.
    made: u64,
    end: u64,
    /// The granule position before the first sample, once it is known.
    origin: Option<u64>,
    sound: Box<[i16]>,
}

impl OggOpus {
    /// Nothing read yet; `rate_hz` is one that Opus has: 8000, 12000, 16000, 24000 or 48000.
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz,
            pages: Pages::default(),
            phase: Phase::Heads(None),
            serial: 0,
            expected: 0,
            decoder: None,
            begun: Vec::new(),
            packets: VecDeque::new(),
            skip: 0,
            made: 0,
            end: u64::MAX,
            origin: None,
            sound: vec![0; LONGEST].into(),
        }
    }

    /// Whether a file with this beginning can be played, as far as that tells.
    ///
    /// # Errors
    /// [`BadOgg`], for any octets whatsoever.
    pub fn look_at(beginning: &[u8]) -> Result<(), BadOgg> {
        let mut file = Self::new(GRANULES_HZ);
        file.push(beginning);
        while file.decoder.is_none() {
            if !file.turn_page()? {
                return Err(BadOgg::Short);
            }
        }
        Ok(())
    }

    /// Takes the next octets of the file.
    pub fn push(&mut self, octets: &[u8]) {
        if self.phase != Phase::Done {
            self.pages.push(octets);
        }
    }

    /// Appends the samples of the next packet.
    ///
    /// # Errors
    /// [`BadOgg`]: there is nothing more to be had.
    pub fn decode(&mut self, samples: &mut Vec<i16>) -> Result<Step, BadOgg> {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                self.play(&packet, samples);
                return Ok(Step::Sound);
            }
            if !self.turn_page()? {
                return Ok(Step::Hungry);
            }
        }
    }

    /// The file has no more octets. One that ends within a page, or without saying that it ends, was not finished by its
    /// writer; what is there is played.
    ///
    /// # Errors
    /// [`BadOgg`] when its sound has not begun.
    pub fn finish(&self) -> Result<(), BadOgg> {
        match self.phase {
            Phase::Heads(Some(what)) => Err(BadOgg::NotOpus(what)),
            Phase::Heads(None) | Phase::Comments(_) => Err(BadOgg::Short),
            Phase::Sound | Phase::Over | Phase::Done => Ok(()),
        }
    }

    /// Reads a page, if it is there.
    fn turn_page(&mut self) -> Result<bool, BadOgg> {
        let page = match self.pages.next() {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(false),
            // Some programs write other things behind the end.
            Err(BadOgg::NoPage { .. }) if self.phase == Phase::Over => {
                self.phase = Phase::Done;
                self.pages = Pages::default();
                return Ok(false);
            }
            Err(why) => return Err(why),
        };
        let first = page.packet();
        // Before ours has begun, any number may be that of another.
        let is_ours = self.decoder.is_some() && page.serial == self.serial;
        if page.begins() && (is_ours || first.starts_with(b"OpusHead")) {
            // In `Heads` the first of several streams is ours; later ones follow the one before.
            if !matches!(self.phase, Phase::Comments(_)) {
                return self.begin(&page).map(|()| true);
            }
        }
        if let Phase::Heads(other) = self.phase {
            let what = other.or(Some(kind_of(first)));
            if !page.begins() {
                return Err(BadOgg::NotOpus(what.unwrap_or("no stream that begins")));
            }
            self.phase = Phase::Heads(what);
            return Ok(true);
        }
        if page.serial == self.serial && self.phase != Phase::Over {
            self.read(&page)?;
        }
        Ok(true)
    }

    /// The head of a stream (RFC 7845 §5.1).
    fn begin(&mut self, page: &Page) -> Result<(), BadOgg> {
        let head = page.packet();
        if !head.starts_with(b"OpusHead") {
            return Err(BadOgg::NotOpus(kind_of(head)));
        }
        // Versions of which the upper half is 0 are like the first.
        let &[version, channels, skip_low, skip_high, _, _, _, _, gain_low, gain_high, family] =
            head.get(8..HEAD).and_then(|fields| fields.first_chunk()).ok_or(BadOgg::Head)?;
        if version & 0xf0 != 0 || channels == 0 {
            return Err(BadOgg::Head);
        }
        // One stream of Opus has one or two channels, whatever they are called.
        if channels > 2 || (family != 0 && head.get(HEAD) != Some(&1)) {
            return Err(BadOgg::Channels(channels));
        }
        let mut decoder = Decoder::new(self.rate_hz, Channels::Mono).map_err(|_| BadOgg::Head)?;
        decoder.set_gain(i32::from(i16::from_le_bytes([gain_low, gain_high]))).map_err(|_| BadOgg::Head)?;
        self.decoder = Some(decoder);
        let skip = u16::from_le_bytes([skip_low, skip_high]);
        self.skip = self.samples(u64::from(skip)) as usize;
        (self.serial, self.expected) = (page.serial, page.number.wrapping_add(1));
        (self.made, self.end, self.origin) = (0, u64::MAX, None);
        self.begun.clear();
        self.phase = Phase::Comments(false);
        Ok(())
    }

    /// A page of our stream: its packets, complete or not.
    fn read(&mut self, page: &Page) -> Result<(), BadOgg> {
        if page.number != self.expected {
            return Err(BadOgg::Missing { at: page.at });
        }
        self.expected = self.expected.wrapping_add(1);
        if let Phase::Comments(seen) = self.phase {
            return self.pass_comments(page, seen);
        }
        if !page.continues() {
            self.begun.clear();
        }
        let headless = usize::from(page.continues() && self.begun.is_empty());
        for (packet, whole) in page.packets().skip(headless) {
            if self.begun.len() + packet.len() > LONGEST_PACKET {
                return Err(BadOgg::Packet { at: page.at });
            }
            self.begun.extend_from_slice(packet);
            if whole {
                self.packets.push_back(std::mem::take(&mut self.begun));
            }
        }
        if !self.packets.is_empty() {
            self.place(page);
        }
        if page.ends() {
            self.phase = Phase::Over;
        }
        Ok(())
    }

    /// The comments may be pictures of any size: nothing of them is kept. Their last page ends with them.
    fn pass_comments(&mut self, page: &Page, seen: bool) -> Result<(), BadOgg> {
        if !seen && !page.packet().starts_with(b"OpusTags") {
            return Err(BadOgg::Comments);
        }
        let whole = page.packets().any(|(_, whole)| whole);
        self.phase = if whole { Phase::Sound } else { Phase::Comments(true) };
        if page.ends() {
            self.phase = Phase::Over;
        }
        Ok(())
    }

    /// What the position of a page says of its packets: where the stream began, and where it ends (RFC 7845 §4.4, 4.5).
    fn place(&mut self, page: &Page) {
        let Some(granule) = page.granule else { return };
        let position = self.samples(granule);
        if self.origin.is_none() {
            let decoder = self.decoder.as_ref();
            let lasts = |packet: &Vec<u8>| decoder.and_then(|one| one.get_nb_samples(packet).ok());
            let sum: usize = self.packets.iter().filter_map(lasts).sum();
            // What ends where it begins may be cut; anything else was recorded since before its beginning.
            self.origin = Some(if page.ends() { 0 } else { position.saturating_sub(sum as u64) });
        }
        if page.ends() {
            self.end = position.saturating_sub(self.origin.unwrap_or(0));
        }
    }

    fn play(&mut self, packet: &[u8], samples: &mut Vec<i16>) {
        // To libopus no octets at all would mean a loss. What is no packet of Opus has no length.
        let decoded = self.decoder.as_mut().filter(|_| !packet.is_empty());
        let made =
            decoded.and_then(|decoder| decoder.decode(packet, &mut self.sound, false).ok()).unwrap_or(0);
        let left = usize::try_from(self.end.saturating_sub(self.made)).unwrap_or(usize::MAX).min(made);
        let skipped = self.skip.min(left);
        self.skip -= self.skip.min(made);
        self.made += made as u64;
        samples.extend_from_slice(&self.sound[skipped..left]);
    }

    /// Samples of ours for so many of granule positions.
    fn samples(&self, granules: u64) -> u64 {
        (u128::from(granules) * u128::from(self.rate_hz) / u128::from(GRANULES_HZ)) as u64
    }
}

/// What a stream is, by its first packet.
fn kind_of(head: &[u8]) -> &'static str {
    let known: [(&[u8], &str); 7] = [
        (b"\x01vorbis", "Vorbis"),
        (b"\x7fFLAC", "FLAC"),
        (b"Speex   ", "Speex"),
        (b"\x80theora", "Theora"),
        (b"PCM     ", "PCM"),
        (b"fishead\0", "a skeleton"),
        (b"", "something unknown"),
    ];
    known.iter().find(|(magic, _)| head.starts_with(magic)).map_or("", |&(_, name)| name)
}

#[cfg(test)]
mod tests;
