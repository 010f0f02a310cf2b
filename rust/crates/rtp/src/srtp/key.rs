//! Master keys, and the derivation of session keys (RFC 3711 §4.3, RFC 7714 §11).

use std::fmt;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256, Block};
use zeroize::Zeroize;

use crate::srtp::{LONGEST_MKI, Suite};

/// Octets of the longest key.
const LONGEST_KEY: usize = 32;
/// Octets of the longest salt.
const LONGEST_SALT: usize = 14;
/// Octets of a key of HMAC-SHA1 (RFC 3711 §5.2).
const AUTHENTICATION_KEY: usize = 20;

/// The master key and salt of one direction. It is forgotten when dropped, and never shown.
#[derive(Clone)]
pub struct MasterKey {
    suite: Suite,
    key: [u8; LONGEST_KEY],
    salt: [u8; LONGEST_SALT],
    mki: Box<[u8]>,
}

impl MasterKey {
    /// Takes the key and, right after it, the salt; `None` unless the length is exactly that of the suite.
    #[must_use]
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        if key_and_salt.len() != suite.key_octets() + suite.salt_octets() {
            return None;
        }
        let (from_key, from_salt) = key_and_salt.split_at(suite.key_octets());
        let mut made = Self { suite, key: [0; LONGEST_KEY], salt: [0; LONGEST_SALT], mki: Box::default() };
        made.key[..from_key.len()].copy_from_slice(from_key);
        made.salt[..from_salt.len()].copy_from_slice(from_salt);
        Some(made)
    }

    /// The same key with its identifier, which is in each packet under it (RFC 3711 §3.1); none when it is empty.
    /// `None` when it is longer than [`LONGEST_MKI`].
    #[must_use]
    pub fn with_mki(mut self, mki: &[u8]) -> Option<Self> {
        self.mki = mki.into();
        (mki.len() <= LONGEST_MKI).then_some(self)
    }

    pub(super) fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// For which suite it is.
    #[must_use]
    pub fn suite(&self) -> Suite {
        self.suite
    }

    pub(super) fn derive(&self, purpose: Purpose) -> SessionKeys {
        let mut session = SessionKeys::default();
        let key_octets = self.suite.key_octets();
        self.fill(purpose as u8, &mut session.key[..key_octets]);
        self.fill(purpose as u8 + 1, &mut session.authentication);
        self.fill(purpose as u8 + 2, &mut session.salt[..self.suite.salt_octets()]);
        session
    }

    /// The key stream under the master salt with the label in it (RFC 3711 §4.3.1); a short salt ends with zeros.
    fn fill(&self, label: u8, out: &mut [u8]) {
        let mut counter = Block::default();
        counter[..LONGEST_SALT].copy_from_slice(&self.salt);
        counter[7] ^= label;
        match self.suite.key_octets() {
            16 => Aes128::new_from_slice(&self.key[..16]).map(|aes| stream(&aes, counter, out)),
            _ => Aes256::new_from_slice(&self.key).map(|aes| stream(&aes, counter, out)),
        }
        .unwrap_or_default();
    }
}

fn stream<C: BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>>(
    aes: &C,
    counter: Block,
    out: &mut [u8],
) {
    for (number, piece) in (0u8..).zip(out.chunks_mut(16)) {
        let mut block = counter;
        block[15] = number;
        aes.encrypt_block(&mut block);
        piece.copy_from_slice(&block[..piece.len()]);
        block.as_mut_slice().zeroize();
    }
}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        self.suite == other.suite && self.key == other.key && self.salt == other.salt && self.mki == other.mki
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

/// For which protocol session keys are: the first of its three labels.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Rtp = 0,
    Rtcp = 3,
}

/// What is derived for one protocol.
#[derive(Default)]
pub(super) struct SessionKeys {
    pub(super) key: [u8; LONGEST_KEY],
    pub(super) authentication: [u8; AUTHENTICATION_KEY],
    pub(super) salt: [u8; LONGEST_SALT],
}

impl Drop for SessionKeys {
    fn drop(&mut self) {
        self.key.zeroize();
        self.authentication.zeroize();
        self.salt.zeroize();
    }
}
