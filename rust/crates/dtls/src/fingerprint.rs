//! What a description says of a certificate (RFC 8122 §5).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// The text is no fingerprint by a hash that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownFingerprint;

/// The hash of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    hash: Hash,
    digest: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Fingerprint {
    /// The SHA-256 fingerprint of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self { hash: Hash::Sha256, digest: Hash::Sha256.digest(certificate) }
    }

    /// Whether it is that of this certificate; compared in constant time.
    #[must_use]
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        let digest = self.hash.digest(certificate);
        let differing = self.digest.iter().zip(&digest).fold(0, |bits, (a, b)| bits | (a ^ b));
        self.digest.len() == digest.len() && differing == 0
    }
}

impl Hash {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn octets(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, certificate: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(certificate).to_vec(),
            Self::Sha384 => Sha384::digest(certificate).to_vec(),
            Self::Sha512 => Sha512::digest(certificate).to_vec(),
        }
    }
}

impl FromStr for Fingerprint {
    type Err = UnknownFingerprint;

    /// Reads `sha-256 AB:CD:...`; upper and lower case are the same.
    fn from_str(text: &str) -> Result<Self, UnknownFingerprint> {
        let (name, digits) = text.trim().split_once(' ').ok_or(UnknownFingerprint)?;
        let known = Hash::ALL.into_iter().find(|hash| hash.name().eq_ignore_ascii_case(name));
        let hash = known.ok_or(UnknownFingerprint)?;
        let octet = |pair: &str| {
            let hexadecimal = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(pair, 16).ok().filter(|_| hexadecimal)
        };
        let digest: Option<Vec<u8>> = digits.trim().split(':').map(octet).collect();
        let digest = digest.filter(|digest| digest.len() == hash.octets()).ok_or(UnknownFingerprint)?;
        Ok(Self { hash, digest })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.hash.name())?;
        for (index, octet) in self.digest.iter().enumerate() {
            write!(formatter, "{}{octet:02X}", if index == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &[u8] = include_bytes!("../testdata/a.der");
    const ANOTHER: &[u8] = include_bytes!("../testdata/b.der");

    #[test]
    fn reads_what_it_writes_by_any_hash() {
        for hash in Hash::ALL {
            let written = Fingerprint { hash, digest: hash.digest(CERTIFICATE) };
            for text in [written.to_string(), written.to_string().to_lowercase()] {
                let read: Fingerprint = text.parse().unwrap();
                assert_eq!(read, written);
                assert!(read.is_of(CERTIFICATE) && !read.is_of(ANOTHER));
            }
        }
    }

    #[test]
    fn refuses_what_is_none() {
        let right = Fingerprint::of(CERTIFICATE).to_string();
        let wrong = ["", "sha-256", "sha-256 ", "sha-256 AB", &right[..right.len() - 1], &right[8..]];
        for text in wrong {
            assert_eq!(text.parse::<Fingerprint>(), Err(UnknownFingerprint), "{text}");
        }
        for text in [right.replace("sha-256", "sha-1"), right.replace(':', ""), right.replacen(':', ":+", 1)]
        {
            assert_eq!(text.parse::<Fingerprint>(), Err(UnknownFingerprint), "{text}");
        }
    }
}
