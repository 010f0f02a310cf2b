//! What the targets share: an input read as a script, step by step.
#![forbid(unsafe_code)]

/// The octets of an input that are not read yet.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    /// One octet; `None` at the end, which ends the script.
    pub fn octet(&mut self) -> Option<u8> {
        let (&octet, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(octet)
    }

    /// Two octets.
    pub fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.octet()?, self.octet()?]))
    }

    /// Four octets.
    pub fn word(&mut self) -> Option<u32> {
        Some(u32::from(self.short()?) << 16 | u32::from(self.short()?))
    }

    /// So many octets, or what is left.
    pub fn octets(&mut self, most: usize) -> &'a [u8] {
        let (octets, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        octets
    }

    /// Octets behind a length of two octets, a datagram for instance.
    pub fn datagram(&mut self) -> Option<&'a [u8]> {
        let length = self.short()?;
        Some(self.octets(length.into()))
    }
}

/// Changes a copy of something whole as the script says: an octet, its end, or a piece taken from its beginning.
pub fn spoil(script: &mut Script<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let (how, at) = (script.octet()?, usize::from(script.short()?) % bytes.len().max(1));
    match how & 3 {
        0 => bytes.truncate(at),
        1 => bytes.extend_from_within(..at),
        2 => {
            let piece = script.octets(usize::from(how >> 2));
            let end = (at + piece.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&piece[..end - at]);
        }
        _ => {
            if let Some(octet) = bytes.get_mut(at) {
                *octet ^= how >> 2;
            }
        }
    }
    Some(())
}
