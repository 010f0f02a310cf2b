//! The pages of an Ogg file (RFC 3533 §6).

use super::BadOgg;

/// What every page begins with.
pub const MAGIC: &[u8; 4] = b"OggS";

const HEADER: usize = 27;
const CONTINUES: u8 = 1;
const BEGINS: u8 = 2;
const ENDS: u8 = 4;
/// The polynomial of the checksum; its bits are not reflected.
const POLYNOMIAL: u32 = 0x04c1_1db7;
const SUMS: [u32; 256] = sums();

/// Octets of a file, of which pages are made.
#[derive(Debug, Default)]
pub struct Pages {
    octets: Vec<u8>,
    /// Where in the file they begin.
    at: u64,
}

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Where in the file it begins.
    pub at: u64,
    /// The stream that it belongs to.
    pub serial: u32,
    /// Its number in the stream.
    pub number: u32,
    /// Where the last packet that ends in it ends, if one does.
    pub granule: Option<u64>,
    flags: u8,
    laces: usize,
    octets: Vec<u8>,
}

impl Pages {
    /// The next octets of the file.
    pub fn push(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    /// The next page, once all of it is there.
    ///
    /// # Errors
    /// [`BadOgg::NoPage`], [`BadOgg::Checksum`].
    pub fn next(&mut self) -> Result<Option<Page>, BadOgg> {
        let there = self.octets.len().min(MAGIC.len());
        let Some(header) = self.octets.first_chunk::<HEADER>() else {
            let begins = self.octets[..there] == MAGIC[..there];
            return if begins { Ok(None) } else { Err(BadOgg::NoPage { at: self.at }) };
        };
        // There is one version only.
        if !header.starts_with(MAGIC) || header[4] != 0 {
            return Err(BadOgg::NoPage { at: self.at });
        }
        let laces = usize::from(header[26]);
        let Some(lengths) = self.octets.get(HEADER..HEADER + laces) else { return Ok(None) };
        let length = HEADER + laces + lengths.iter().map(|&lace| usize::from(lace)).sum::<usize>();
        if self.octets.len() < length {
            return Ok(None);
        }
        let rest = self.octets.split_off(length);
        let octets = std::mem::replace(&mut self.octets, rest);
        let page = Page::read(self.at, octets, laces)?;
        self.at += length as u64;
        Ok(Some(page))
    }
}

impl Page {
    fn read(at: u64, octets: Vec<u8>, laces: usize) -> Result<Self, BadOgg> {
        let field = |at: usize| {
            octets.get(at..).and_then(|rest| rest.first_chunk()).map(|&four| u32::from_le_bytes(four))
        };
        let (Some(low), Some(high), Some(serial), Some(number), Some(told)) =
            (field(6), field(10), field(14), field(18), field(22))
        else {
            return Err(BadOgg::NoPage { at });
        };
        if sum(&octets) != told {
            return Err(BadOgg::Checksum { at });
        }
        let granule = u64::from(high) << 32 | u64::from(low);
        // Positions are signed, and -1 means that no packet ends here.
        let granule = Some(granule).filter(|&granule| granule <= i64::MAX as u64);
        Ok(Self { at, serial, number, granule, flags: octets[5], laces, octets })
    }

    /// Whether its first packet began before it.
    pub fn continues(&self) -> bool {
        self.flags & CONTINUES != 0
    }

    /// Whether its stream begins with it.
    pub fn begins(&self) -> bool {
        self.flags & BEGINS != 0
    }

    /// Whether its stream ends with it.
    pub fn ends(&self) -> bool {
        self.flags & ENDS != 0
    }

    /// Its first packet, or what of it lies in this page.
    pub fn packet(&self) -> &[u8] {
        self.packets().next().map_or(&[], |(packet, _)| packet)
    }

    /// Its packets, and whether each ends in it.
    pub fn packets(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let (header, mut body) = self.octets.split_at(HEADER + self.laces);
        let mut laces = header[HEADER..].iter().peekable();
        std::iter::from_fn(move || {
            laces.peek()?;
            let (mut length, mut whole) = (0, false);
            for &lace in laces.by_ref() {
                length += usize::from(lace);
                if lace < 255 {
                    whole = true;
                    break;
                }
            }
            let (packet, rest) = body.split_at(length.min(body.len()));
            body = rest;
            Some((packet, whole))
        })
    }
}

/// The checksum of a page, whatever stands in the place of its own.
#[must_use]
pub fn sum(page: &[u8]) -> u32 {
    let step = |sum: u32, octet: u8| sum << 8 ^ SUMS[usize::from((sum >> 24) as u8 ^ octet)];
    page.iter()
        .enumerate()
        .fold(0, |sum, (at, &octet)| step(sum, if (22..26).contains(&at) { 0 } else { octet }))
}

const fn sums() -> [u32; 256] {
    let mut sums = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let mut sum = (octet as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 0x8000_0000 == 0 { sum << 1 } else { sum << 1 ^ POLYNOMIAL };
            bit += 1;
        }
        sums[octet] = sum;
        octet += 1;
    }
    sums
}
