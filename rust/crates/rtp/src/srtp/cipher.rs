//! The session keys of one protocol at work.

use std::fmt;

use aes::cipher::{Block, BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher, consts::U16};
use aes::{Aes128, Aes256};
use aes_gcm::aead::{AeadInOut, Nonce, Tag, inout::InOutBuf};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::Ctr128BE;
use zeroize::Zeroize;

use crate::srtp::key::{Purpose, SessionKeys};
use crate::srtp::mac::Mac;
use crate::srtp::{MasterKey, Refused, Suite};

/// Octets of the longest tag.
pub(super) const LONGEST_TAG: usize = 16;

/// What makes the key stream of a packet its own.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    /// 48 bits for RTP: roll-over counter and sequence number; 31 for RTCP.
    pub(super) index: u64,
}

/// Session keys of RTP or of RTCP, with everything made that can be made before a packet comes. The round keys, the
/// state of the HMAC and the salt are forgotten when dropped.
#[derive(Clone)]
pub(super) enum Cipher {
    Cm128(Box<CounterMode<Aes128>>),
    Cm256(Box<CounterMode<Aes256>>),
    Gcm128(Box<Galois<Aes128Gcm>>),
    Gcm256(Box<Galois<Aes256Gcm>>),
}

impl Cipher {
    pub(super) fn new(master: &MasterKey, purpose: Purpose) -> Option<Self> {
        Self::of_session(master.suite(), &master.derive(purpose))
    }

    pub(super) fn of_session(suite: Suite, keys: &SessionKeys) -> Option<Self> {
        let key = &keys.key[..suite.key_octets()];
        Some(match suite {
            Suite::AesCm128Sha1_80 | Suite::AesCm128Sha1_32 => Self::Cm128(CounterMode::new(key, keys)?),
            Suite::AesCm256Sha1_80 | Suite::AesCm256Sha1_32 => Self::Cm256(CounterMode::new(key, keys)?),
            Suite::AeadAes128Gcm => Self::Gcm128(Galois::new(key, keys)?),
            Suite::AeadAes256Gcm => Self::Gcm256(Galois::new(key, keys)?),
        })
    }

    /// Counter mode, there and back.
    pub(super) fn apply(&self, place: Place, text: &mut [u8]) {
        match self {
            Self::Cm128(mode) => mode.apply(place, text),
            Self::Cm256(mode) => mode.apply(place, text),
            Self::Gcm128(_) | Self::Gcm256(_) => {}
        }
    }

    /// The keyed HMAC, for the suites in counter mode.
    pub(super) fn mac(&self) -> Option<&Mac> {
        match self {
            Self::Cm128(mode) => Some(&mode.mac),
            Self::Cm256(mode) => Some(&mode.mac),
            Self::Gcm128(_) | Self::Gcm256(_) => None,
        }
    }

    /// Something of it, read so that it is in the cache when a packet needs it.
    pub(super) fn touch(&self) -> u64 {
        match self {
            Self::Cm128(mode) => mode.mac.touch() ^ u64::from(mode.salt[0]),
            Self::Cm256(mode) => mode.mac.touch() ^ u64::from(mode.salt[0]),
            Self::Gcm128(mode) => u64::from(mode.salt[0]),
            Self::Gcm256(mode) => u64::from(mode.salt[0]),
        }
    }

    /// Encrypts with Galois/counter mode.
    pub(super) fn encrypt(
        &self,
        nonce: &[u8; 12],
        clear: &[u8],
        text: &mut [u8],
    ) -> Option<[u8; LONGEST_TAG]> {
        match self {
            Self::Gcm128(mode) => mode.encrypt(nonce, clear, text),
            Self::Gcm256(mode) => mode.encrypt(nonce, clear, text),
            Self::Cm128(_) | Self::Cm256(_) => None,
        }
    }

    /// Decrypts with Galois/counter mode; nothing is decrypted unless it is authentic.
    pub(super) fn decrypt(
        &self,
        nonce: &[u8; 12],
        clear: &[u8],
        text: &mut [u8],
        tag: &[u8],
    ) -> Result<(), Refused> {
        match self {
            Self::Gcm128(mode) => mode.decrypt(nonce, clear, text, tag),
            Self::Gcm256(mode) => mode.decrypt(nonce, clear, text, tag),
            Self::Cm128(_) | Self::Cm256(_) => Err(Refused::NotAuthentic),
        }
    }

    /// RFC 7714 §8.1 for RTP and §9.1 for RTCP: the two differ only in the octets of the index.
    pub(super) fn nonce(&self, place: Place) -> [u8; 12] {
        let salt = match self {
            Self::Gcm128(mode) => mode.salt,
            Self::Gcm256(mode) => mode.salt,
            Self::Cm128(_) | Self::Cm256(_) => [0; 12],
        };
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&place.ssrc.to_be_bytes());
        nonce[6..].copy_from_slice(&place.index.to_be_bytes()[2..]);
        nonce.iter_mut().zip(salt).for_each(|(octet, salt)| *octet ^= salt);
        nonce
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher").finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(super) struct CounterMode<C> {
    salt: [u8; 16],
    mac: Mac,
    aes: C,
}

impl<C: KeyInit + BlockCipherEncrypt<BlockSize = U16>> CounterMode<C> {
    fn new(key: &[u8], keys: &SessionKeys) -> Option<Box<Self>> {
        let mut salt = [0; 16];
        salt[..14].copy_from_slice(&keys.salt);
        let aes = C::new_from_slice(key).ok()?;
        Some(Box::new(Self { salt, mac: Mac::new(&keys.authentication), aes }))
    }

    /// RFC 3711 §4.1.1. The last 16 bits count blocks, hence a packet may have 2^20 octets.
    fn apply(&self, place: Place, text: &mut [u8]) {
        let mut counter = Block::<C>::default();
        counter[4..8].copy_from_slice(&place.ssrc.to_be_bytes());
        counter[8..14].copy_from_slice(&place.index.to_be_bytes()[2..]);
        counter.iter_mut().zip(self.salt).for_each(|(octet, salt)| *octet ^= salt);
        let core = ctr::CtrCore::<&C, ctr::flavors::Ctr128BE>::inner_iv_init(&self.aes, &counter);
        Ctr128BE::<&C>::from_core(core).apply_keystream(text);
    }
}

impl<C> Drop for CounterMode<C> {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

#[derive(Clone)]
pub(super) struct Galois<A> {
    aead: A,
    salt: [u8; 12],
}

impl<A: KeyInit + AeadInOut> Galois<A> {
    fn new(key: &[u8], keys: &SessionKeys) -> Option<Box<Self>> {
        let mut salt = [0; 12];
        salt.copy_from_slice(&keys.salt[..12]);
        Some(Box::new(Self { aead: A::new_from_slice(key).ok()?, salt }))
    }

    fn encrypt(&self, nonce: &[u8; 12], clear: &[u8], text: &mut [u8]) -> Option<[u8; LONGEST_TAG]> {
        let nonce = <&Nonce<A>>::try_from(&nonce[..]).ok()?;
        let tag = self.aead.encrypt_inout_detached(nonce, clear, InOutBuf::from(text)).ok()?;
        tag.as_slice().try_into().ok()
    }

    fn decrypt(&self, nonce: &[u8; 12], clear: &[u8], text: &mut [u8], tag: &[u8]) -> Result<(), Refused> {
        let nonce = <&Nonce<A>>::try_from(&nonce[..]).map_err(|_| Refused::NotAuthentic)?;
        let tag = <&Tag<A>>::try_from(tag).map_err(|_| Refused::NotAuthentic)?;
        self.aead
            .decrypt_inout_detached(nonce, clear, InOutBuf::from(text), tag)
            .map_err(|_| Refused::NotAuthentic)
    }
}

impl<A> Drop for Galois<A> {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}
