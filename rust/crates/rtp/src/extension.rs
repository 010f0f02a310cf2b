//! RTP header extensions (RFC 3550 §5.3.1): elements in the one-byte form (RFC 8285 §4.2), or a profile's own.

use crate::packet::HEADER;

/// The form with elements of one-byte headers.
const ONE_BYTE: u16 = 0xbede;
/// The most octets of a value.
pub const LONGEST: usize = 64;
/// The most octets by which a packet grows.
pub const GROWTH: usize = LONGEST + 8;

/// A header extension with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    id: u8,
    profile: u16,
    data: [u8; LONGEST],
    length: usize,
}

impl Extension {
    /// An element `id`, 1 to 14, of 1 to 16 octets in the one-byte form; or with id 0 a whole extension under
    /// `profile`, at most 64 octets, a multiple of 4. `None` for anything else.
    #[must_use]
    pub fn new(id: u8, profile: u16, value: &[u8]) -> Option<Self> {
        let fits = match id {
            0 => value.len() <= LONGEST && value.len().is_multiple_of(4),
            1..=14 => profile == ONE_BYTE && (1..=16).contains(&value.len()),
            _ => false,
        };
        let mut data = [0; LONGEST];
        data.get_mut(..value.len())?.copy_from_slice(value);
        fits.then_some(Self { id, profile, data, length: value.len() })
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.data[..self.length]
    }

    /// Whether the other one has the same place in a packet, whatever their values are.
    #[must_use]
    pub fn is_in_the_place_of(&self, other: &Self) -> bool {
        (self.id, self.profile) == (other.id, other.profile)
    }

    /// Copies a packet with this extension in it; returns the length. Other elements of the one-byte form stay, the
    /// same one and extensions of other forms are replaced. `None` when the packet is malformed, or `out` too short.
    #[must_use]
    pub fn write(&self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        let start = HEADER + usize::from(*packet.first()? & 0x0f) * 4;
        let head = packet.get(..start)?;
        let (before, payload) = match found(packet, start)? {
            Some((profile, data, end)) => {
                (if profile == self.profile { data } else { &[][..] }, packet.get(end..)?)
            }
            None => (&[][..], packet.get(start..)?),
        };
        out.get_mut(..start)?.copy_from_slice(head);
        out[0] |= 0x10;
        let first = start + 4;
        let mut end = first;
        if self.id != 0 {
            for (id, value) in (Elements { bytes: before }).filter(|&(id, _)| id != self.id) {
                append(out, &mut end, &[id << 4 | (value.len() - 1) as u8])?;
                append(out, &mut end, value)?;
            }
            append(out, &mut end, &[self.id << 4 | (self.length - 1) as u8])?;
        }
        append(out, &mut end, self.value())?;
        let zeros = (4 - (end - first) % 4) % 4;
        append(out, &mut end, &[0; 3][..zeros])?;
        let words = ((end - first) / 4) as u16;
        out.get_mut(end..end + payload.len())?.copy_from_slice(payload);
        out.get_mut(start..start + 2)?.copy_from_slice(&self.profile.to_be_bytes());
        out.get_mut(start + 2..first)?.copy_from_slice(&words.to_be_bytes());
        Some(end + payload.len())
    }

    /// The value that a packet has in the place of this extension.
    #[must_use]
    pub fn read<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let start = HEADER + usize::from(*packet.first()? & 0x0f) * 4;
        let (_, data, _) = found(packet, start)?.filter(|&(profile, ..)| profile == self.profile)?;
        match self.id {
            0 => Some(data),
            wanted => (Elements { bytes: data }).find(|&(id, _)| id == wanted).map(|(_, value)| value),
        }
    }
}

fn append(out: &mut [u8], end: &mut usize, octets: &[u8]) -> Option<()> {
    out.get_mut(*end..*end + octets.len())?.copy_from_slice(octets);
    *end += octets.len();
    Some(())
}

/// The extension of a packet: its profile, its data and where the payload begins. `None`: malformed.
fn found(packet: &[u8], start: usize) -> Option<Option<(u16, &[u8], usize)>> {
    if packet.len() < start || packet[0] & 0x10 == 0 {
        return (packet.len() >= start).then_some(None);
    }
    let &[a, b, c, d] = packet.get(start..start + 4)? else { return None };
    let end = start + 4 + usize::from(u16::from_be_bytes([c, d])) * 4;
    Some(Some((u16::from_be_bytes([a, b]), packet.get(start + 4..end)?, end)))
}

struct Elements<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&first, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            // A zero is padding between elements; the number 15 ends them, and so does the number 0 with a length
            // (RFC 8285 §4.2).
            if first == 0 {
                continue;
            }
            if matches!(first >> 4, 0 | 15) {
                return None;
            }
            let (value, rest) = rest.split_at_checked(usize::from(first & 0x0f) + 1)?;
            self.bytes = rest;
            return Some((first >> 4, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpPacket;
    use crate::packet::write_header;

    fn packet(payload: &[u8]) -> Vec<u8> {
        let mut header = [0; HEADER];
        write_header(&mut header, true, 8, 7, 160, 9);
        [&header, payload].concat()
    }

    fn written(extension: &Extension, packet: &[u8]) -> Vec<u8> {
        let mut out = vec![0xaa; packet.len() + GROWTH];
        let length = extension.write(packet, &mut out).unwrap();
        out.truncate(length);
        out
    }

    #[test]
    fn an_element_is_written_read_and_replaced() {
        let one = Extension::new(3, ONE_BYTE, &[1, 2]).unwrap();
        let bytes = written(&one, &packet(b"sound"));
        assert_eq!(bytes[12..20], [0xbe, 0xde, 0, 1, 0x31, 1, 2, 0]);
        assert_eq!(RtpPacket::parse(&bytes).unwrap().payload(), Some(&b"sound"[..]));
        let two = Extension::new(5, ONE_BYTE, &[7; 16]).unwrap();
        let both = written(&two, &bytes);
        assert_eq!((one.read(&both), two.read(&both)), (Some(&[1, 2][..]), Some(&[7; 16][..])));
        let other = Extension::new(3, ONE_BYTE, &[9]).unwrap();
        let changed = written(&other, &both);
        assert_eq!((one.read(&changed), two.read(&changed)), (Some(&[9][..]), Some(&[7; 16][..])));
        assert_eq!(RtpPacket::parse(&changed).unwrap().payload(), Some(&b"sound"[..]));
        assert!(other.is_in_the_place_of(&one) && !two.is_in_the_place_of(&one));
    }

    #[test]
    fn a_profile_has_the_whole_extension() {
        let radio = Extension::new(0, 0x0067, &[0x80, 1, 2, 3]).unwrap();
        let bytes = written(&radio, &packet(&[]));
        assert_eq!(bytes[12..], [0, 0x67, 0, 1, 0x80, 1, 2, 3]);
        assert_eq!(radio.read(&bytes), Some(&[0x80, 1, 2, 3][..]));
        let one = Extension::new(3, ONE_BYTE, &[1]).unwrap();
        assert_eq!(one.read(&bytes), None);
        assert_eq!(radio.read(&written(&one, &bytes)), None, "one form replaces the other");
    }

    #[test]
    fn an_element_without_a_number_ends_the_others() {
        let (one, two) =
            (Extension::new(3, ONE_BYTE, &[9]).unwrap(), Extension::new(5, ONE_BYTE, &[8]).unwrap());
        for end in [0x01, 0xf1] {
            let mut bytes = packet(b"sound");
            bytes[0] |= 0x10;
            bytes.splice(HEADER..HEADER, [0xbe, 0xde, 0, 2, 0x30, 9, end, 7, 7, 0x50, 8, 0]);
            assert_eq!((one.read(&bytes), two.read(&bytes)), (Some(&[9][..]), None));
            assert_eq!(written(&one, &bytes)[12..20], [0xbe, 0xde, 0, 1, 0x30, 9, 0, 0]);
        }
    }

    #[test]
    fn what_does_not_fit_is_no_extension() {
        for (id, profile, length) in [(0, 0x67, 3), (0, 0x67, 68), (15, ONE_BYTE, 1), (1, 0x67, 1)] {
            assert_eq!(Extension::new(id, profile, &vec![0; length]), None);
        }
        assert_eq!(Extension::new(1, ONE_BYTE, &[]), None);
        assert_eq!(Extension::new(1, ONE_BYTE, &[0; 17]), None);
        let radio = Extension::new(0, 0x0067, &[0; 4]).unwrap();
        assert_eq!(radio.write(&packet(b"x"), &mut [0; 20]), None);
        assert_eq!(radio.read(&packet(b"x")), None);
    }

    #[test]
    fn nonsense_never_panics() {
        let one = Extension::new(3, ONE_BYTE, &[1, 2]).unwrap();
        let whole = written(&Extension::new(5, ONE_BYTE, &[7; 16]).unwrap(), &packet(&[1; 30]));
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..if cfg!(miri) { 100 } else { 50_000 } {
            let mut bytes = whole.clone();
            for _ in 0..round % 5 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (random >> 33) as usize % bytes.len();
                bytes[at] = (random >> 20) as u8;
                bytes.truncate((random >> 45) as usize % (2 * bytes.len()) + 1);
            }
            let _ = one.read(&bytes);
            let _ = one.write(&bytes, &mut [0; 120]);
        }
    }
}
