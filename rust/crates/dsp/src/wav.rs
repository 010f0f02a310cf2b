//! RIFF WAVE: what a file says of itself, its octets as samples, and the header of what we write.

use std::fmt;

use crate::g711::Law;

/// Octets of the beginning of a file within which its sound must begin.
pub const LONGEST_HEADER: usize = 65_536;
/// Octets of the header that [`header`] writes.
pub const HEADER: usize = 44;
/// What can be played, for people.
pub const SUPPORTED: &str =
    "RIFF WAVE with PCM of 8 to 32 bits, float or G.711, 8000 to 48000 Hz, or Ogg Opus, each mono or stereo";

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
/// The true format stands in the first two octets of a sub-format (`WAVEFORMATEXTENSIBLE`).
const EXTENSIBLE: u16 = 0xfffe;

/// How samples are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Unsigned octets with the middle at 128.
    Pcm8,
    /// Signed, little-endian.
    Pcm16,
    /// The same with 24 bits.
    Pcm24,
    /// The same with 32 bits.
    Pcm32,
    /// IEEE 754, between -1 and 1, little-endian.
    Float32,
    /// The same in double precision.
    Float64,
    /// G.711.
    G711(Law),
}

impl Coding {
    fn octets(self) -> usize {
        match self {
            Self::Pcm8 | Self::G711(_) => 1,
            Self::Pcm16 => 2,
            Self::Pcm24 => 3,
            Self::Pcm32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wav {
    /// How samples are written down.
    pub coding: Coding,
    /// 1 or 2, interleaved.
    pub channels: u16,
    /// Samples a second and channel, 8000 to 48000.
    pub rate_hz: u32,
    /// Where the sound begins.
    pub start: usize,
    /// Octets of sound; `None`: to the end of the file, whose writer did not come to say.
    pub length: Option<u64>,
}

/// Why a file cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unplayable {
    /// It does not begin like a RIFF WAVE file.
    NotWave,
    /// No `fmt` chunk before the sound, or a broken one.
    NoFormat,
    /// No sound within the first [`LONGEST_HEADER`] octets.
    NoSound,
    /// A format tag that we do not decode.
    Coding(u16),
    /// PCM, float or G.711 with so many bits a sample.
    Bits(u16),
    /// So many channels.
    Channels(u16),
    /// So many samples a second.
    Rate(u32),
}

impl fmt::Display for Unplayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWave => f.write_str("it is not a RIFF WAVE file"),
            Self::NoFormat => f.write_str("it has no usable fmt chunk"),
            Self::NoSound => f.write_str("its sound does not begin within the first 64 KiB"),
            Self::Coding(tag) => write!(f, "its format tag is {tag:#06x}"),
            Self::Bits(bits) => write!(f, "it has {bits} bits a sample"),
            Self::Channels(channels) => write!(f, "it has {channels} channels"),
            Self::Rate(rate) => write!(f, "it has {rate} samples a second"),
        }
    }
}

impl Wav {
    /// Reads the beginning of a file: all of it, or [`LONGEST_HEADER`] octets at least.
    ///
    /// # Errors
    /// [`Unplayable`], for any octets whatsoever.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unplayable> {
        if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
            return Err(Unplayable::NotWave);
        }
        let mut at = 12;
        let mut format = None;
        loop {
            let name = bytes.get(at..at + 4).ok_or(Unplayable::NoSound)?;
            let length = u32_at(bytes, at + 4).ok_or(Unplayable::NoSound)?;
            at += 8;
            match name {
                b"fmt " => format = Some(parse_format(bytes.get(at..).unwrap_or_default(), length)?),
                b"data" => {
                    let (coding, channels, rate_hz) = format.ok_or(Unplayable::NoFormat)?;
                    // Who writes into a pipe cannot come back to fill the length in.
                    let unknown = (length == 0 && !chunk_follows(bytes, at)) || length == u32::MAX;
                    let length = (!unknown).then_some(u64::from(length));
                    return Ok(Self { coding, channels, rate_hz, start: at, length });
                }
                _ => {}
            }
            // A chunk of odd length is followed by an octet of padding.
            at = at.saturating_add(length as usize).saturating_add(length as usize & 1);
        }
    }

    /// Octets of a sample of all channels.
    #[must_use]
    pub fn block(&self) -> usize {
        usize::from(self.channels) * self.coding.octets()
    }

    /// Appends the samples of whole blocks, the channels mixed to one; a rest shorter than a block is left out.
    pub fn decode(&self, octets: &[u8], samples: &mut Vec<i16>) {
        let one = self.coding.octets();
        samples.extend(octets.chunks_exact(self.block()).map(|block| {
            let sum: i32 = block.chunks_exact(one).map(|octets| i32::from(self.sample(octets))).sum();
            (sum / i32::from(self.channels)) as i16
        }));
    }

    fn sample(&self, octets: &[u8]) -> i16 {
        match (self.coding, octets) {
            (Coding::Pcm16, &[low, high]) => i16::from_le_bytes([low, high]),
            // What is finer than 16 bits is not heard in a call.
            (Coding::Pcm24, &[_, low, high]) | (Coding::Pcm32, &[_, _, low, high]) => {
                i16::from_le_bytes([low, high])
            }
            (Coding::Float32, &[a, b, c, d]) => of_float(f64::from(f32::from_le_bytes([a, b, c, d]))),
            (Coding::Float64, octets) => {
                octets.first_chunk().map_or(0, |&octets| of_float(f64::from_le_bytes(octets)))
            }
            (Coding::Pcm8, &[octet]) => (i16::from(octet) - 128) << 8,
            (Coding::G711(law), &[octet]) => law.decode(octet),
            _ => 0,
        }
    }
}

/// What is beyond the loudest is as loud as that; what is no number is silence.
fn of_float(level: f64) -> i16 {
    (level * 32_768.0).round() as i16
}

/// The header of a file with so many octets of PCM sound, 16 bits at 8000 Hz; longer than a file can be counts as
/// the longest.
#[must_use]
pub fn header(channels: u16, length: u64) -> [u8; HEADER] {
    header_at(8000, channels, length)
}

/// The same for another rate.
#[must_use]
pub fn header_at(rate_hz: u32, channels: u16, length: u64) -> [u8; HEADER] {
    let length = length.min(u64::from(u32::MAX) - HEADER as u64) as u32;
    let block = channels * 2;
    let mut out = [0; HEADER];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"RIFF");
    put(&(length + HEADER as u32 - 8).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16u32.to_le_bytes());
    put(&PCM.to_le_bytes());
    put(&channels.to_le_bytes());
    put(&rate_hz.to_le_bytes());
    put(&(rate_hz * u32::from(block)).to_le_bytes());
    put(&block.to_le_bytes());
    put(&16u16.to_le_bytes());
    put(b"data");
    put(&length.to_le_bytes());
    out
}

fn parse_format(bytes: &[u8], length: u32) -> Result<(Coding, u16, u32), Unplayable> {
    let field = |at| u16_at(bytes, at).ok_or(Unplayable::NoFormat);
    if length < 16 {
        return Err(Unplayable::NoFormat);
    }
    let tag = match field(0)? {
        EXTENSIBLE if length >= 40 => field(24)?,
        tag => tag,
    };
    let (channels, bits) = (field(2)?, field(14)?);
    let rate = u32_at(bytes, 4).ok_or(Unplayable::NoFormat)?;
    let coding = match (tag, bits) {
        (PCM, 8) => Coding::Pcm8,
        (PCM, 16) => Coding::Pcm16,
        (PCM, 24) => Coding::Pcm24,
        (PCM, 32) => Coding::Pcm32,
        (FLOAT, 32) => Coding::Float32,
        (FLOAT, 64) => Coding::Float64,
        (A_LAW, 8) => Coding::G711(Law::A),
        (MU_LAW, 8) => Coding::G711(Law::Mu),
        (PCM | FLOAT | A_LAW | MU_LAW, bits) => return Err(Unplayable::Bits(bits)),
        (tag, _) => return Err(Unplayable::Coding(tag)),
    };
    match (channels, rate) {
        (1 | 2, 8000..=48_000) => Ok((coding, channels, rate)),
        (1 | 2, rate) => Err(Unplayable::Rate(rate)),
        (channels, _) => Err(Unplayable::Channels(channels)),
    }
}

/// Whether another chunk lies here, within what the file says it has.
fn chunk_follows(bytes: &[u8], at: usize) -> bool {
    let named =
        bytes.get(at..at + 4).is_some_and(|name| name.iter().all(|octet| (b' '..=b'~').contains(octet)));
    let end = u32_at(bytes, at + 4).map(|length| at as u64 + 8 + u64::from(length));
    let all = u32_at(bytes, 4).map_or(0, |all| u64::from(all) + 8);
    named && end.is_some_and(|end| end <= all)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|octets| u16::from_le_bytes(*octets))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|octets| u32::from_le_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tag: u16, channels: u16, rate: u32, bits: u16, sound: &[u8]) -> Vec<u8> {
        let mut bytes = header(channels, sound.len() as u64).to_vec();
        bytes[20..22].copy_from_slice(&tag.to_le_bytes());
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        bytes[34..36].copy_from_slice(&bits.to_le_bytes());
        bytes.extend(sound);
        bytes
    }

    fn samples(bytes: &[u8]) -> Vec<i16> {
        let wav = Wav::parse(bytes).unwrap();
        let mut samples = Vec::new();
        wav.decode(&bytes[wav.start..], &mut samples);
        samples
    }

    #[test]
    fn reads_its_own_header() {
        let wav = Wav::parse(&header(2, 400)).unwrap();
        let wanted =
            Wav { coding: Coding::Pcm16, channels: 2, rate_hz: 8000, start: HEADER, length: Some(400) };
        assert_eq!(wav, wanted);
        assert_eq!(header(1, u64::MAX)[4..8], (u32::MAX - 8).to_le_bytes());
    }

    #[test]
    fn decodes_every_coding_and_mixes_two_channels() {
        assert_eq!(samples(&file(1, 1, 8000, 16, &[1, 0, 0xff, 0xff, 9])), [1, -1]);
        assert_eq!(samples(&file(1, 2, 8000, 16, &[100, 0, 50, 0])), [75]);
        assert_eq!(samples(&file(1, 1, 11_025, 8, &[128, 0, 255])), [0, -32_768, 32_512]);
        assert_eq!(samples(&file(6, 1, 16_000, 8, &[0xd5, 0xaa])), [8, 32_256]);
        assert_eq!(samples(&file(7, 2, 48_000, 8, &[0xff, 0x80])), [16_062]);
    }

    #[test]
    fn what_is_finer_than_16_bits_loses_what_nobody_hears() {
        assert_eq!(samples(&file(1, 1, 48_000, 24, &[9, 1, 2, 9, 0xff, 0xff, 7])), [513, -1]);
        assert_eq!(samples(&file(1, 2, 8000, 32, &[9, 9, 100, 0, 9, 9, 50, 0])), [75]);
        let octets =
            |levels: &[f32]| levels.iter().flat_map(|level| level.to_le_bytes()).collect::<Vec<u8>>();
        let floats = octets(&[0.5, -1.0, 1.0, 7.0, f32::NAN, f32::NEG_INFINITY]);
        assert_eq!(samples(&file(3, 1, 8000, 32, &floats)), [16_384, -32_768, 32_767, 32_767, 0, -32_768]);
        assert_eq!(samples(&file(3, 1, 8000, 64, &(-0.25f64).to_le_bytes())), [-8192]);
    }

    #[test]
    fn no_sound_before_other_chunks_is_none() {
        let mut bytes = file(1, 1, 8000, 16, b"");
        bytes.extend(b"LIST\x04\0\0\0abcd");
        let length = bytes.len() as u32 - 8;
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(Wav::parse(&bytes).unwrap().length, Some(0));
    }

    #[test]
    fn the_loudest_samples_of_two_channels_do_not_wrap() {
        assert_eq!(
            samples(&file(1, 2, 8000, 16, &[0, 0x80, 0, 0x80, 0xff, 0x7f, 0xff, 0x7f])),
            [i16::MIN, i16::MAX]
        );
    }

    #[test]
    fn skips_other_chunks_with_their_padding() {
        let plain = file(1, 1, 8000, 16, &[5, 0]);
        let mut bytes = plain[..12].to_vec();
        bytes.extend(b"LIST\x03\0\0\0abc\0");
        bytes.extend(&plain[12..]);
        assert_eq!(samples(&bytes), [5]);
    }

    #[test]
    fn reads_the_sub_format_of_an_extensible_header() {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0\xfe\xff\x01\0".to_vec();
        bytes.extend([8000u32.to_le_bytes(), 16_000u32.to_le_bytes()].concat());
        bytes.extend([2, 0, 16, 0, 22, 0, 16, 0, 4, 0, 0, 0, 1, 0]);
        bytes.extend([0; 14]);
        bytes.extend(b"data\x02\0\0\0\x07\0");
        assert_eq!(samples(&bytes), [7]);
    }

    #[test]
    fn a_length_that_was_never_filled_in_means_the_end_of_the_file() {
        for length in [0, u32::MAX] {
            let mut bytes = file(1, 1, 8000, 16, &[5, 0]);
            bytes[40..44].copy_from_slice(&length.to_le_bytes());
            assert_eq!(Wav::parse(&bytes).unwrap().length, None);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong = |bytes: &[u8]| Wav::parse(bytes).unwrap_err();
        assert_eq!(wrong(b"ID3\x04and so on"), Unplayable::NotWave);
        assert_eq!(wrong(b"RIFF\0\0\0\0AVI fmt "), Unplayable::NotWave);
        assert_eq!(wrong(b"RIFF\0\0\0\0WAVEdata\x02\0\0\0ab"), Unplayable::NoFormat);
        assert_eq!(wrong(b"RIFF\0\0\0\0WAVEfmt \x02\0\0\0ab"), Unplayable::NoFormat);
        assert_eq!(wrong(b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xffab"), Unplayable::NoSound);
        assert_eq!(wrong(&file(1, 1, 8000, 16, b"")[..40]), Unplayable::NoSound);
        assert_eq!(wrong(&file(85, 1, 8000, 16, b"")), Unplayable::Coding(85));
        assert_eq!(wrong(&file(1, 1, 8000, 12, b"")), Unplayable::Bits(12));
        assert_eq!(wrong(&file(3, 1, 8000, 16, b"")), Unplayable::Bits(16));
        assert_eq!(wrong(&file(7, 1, 8000, 16, b"")), Unplayable::Bits(16));
        assert_eq!(wrong(&file(1, 0, 8000, 16, b"")), Unplayable::Channels(0));
        assert_eq!(wrong(&file(1, 6, 8000, 16, b"")), Unplayable::Channels(6));
        assert_eq!(wrong(&file(1, 1, 96_000, 16, b"")), Unplayable::Rate(96_000));
        assert_eq!(wrong(&file(1, 1, 0, 16, b"")), Unplayable::Rate(0));
    }

    #[test]
    fn no_octets_make_it_fall() {
        let whole = file(1, 2, 44_100, 16, &[1, 2, 3, 4]);
        let mut seed = 1u32;
        for _ in 0..if cfg!(miri) { 200 } else { 50_000 } {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (seed >> 8) as usize % bytes.len();
                bytes[at] = seed as u8;
            }
            bytes.truncate((seed >> 16) as usize % (bytes.len() + 1));
            if let Ok(wav) = Wav::parse(&bytes) {
                wav.decode(bytes.get(wav.start..).unwrap(), &mut Vec::new());
            }
        }
    }
}
