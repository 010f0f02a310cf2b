//! What a handshake gives (RFC 5764 §4.2, RFC 7714 §12).

use std::fmt;

use dimpl::{KeyingMaterial, SrtpProfile};
use zeroize::Zeroizing;

use crate::session::Role;

/// An SRTP protection profile that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `SRTP_AES128_CM_HMAC_SHA1_80`.
    Aes128CmSha1_80,
    /// `SRTP_AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
}

/// Master keys and salts of both directions.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// How they are used.
    pub profile: Profile,
    /// The key and, after it, the salt of what we send.
    pub send: Zeroizing<Vec<u8>>,
    /// Those of what the peer sends.
    pub receive: Zeroizing<Vec<u8>>,
}

impl Profile {
    fn of(profile: SrtpProfile) -> Option<Self> {
        match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Some(Self::Aes128CmSha1_80),
            SrtpProfile::AEAD_AES_128_GCM => Some(Self::AeadAes128Gcm),
            SrtpProfile::AEAD_AES_256_GCM => Some(Self::AeadAes256Gcm),
            _ => None,
        }
    }

    /// Octets of a master key and of a master salt.
    fn octets(self) -> (usize, usize) {
        match self {
            Self::Aes128CmSha1_80 => (16, 14),
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
        }
    }
}

impl Keys {
    /// Parts what was exported: client key, server key, client salt, server salt.
    pub(crate) fn part(material: &KeyingMaterial, profile: SrtpProfile, role: Role) -> Option<Self> {
        let profile = Profile::of(profile)?;
        let (key, salt) = profile.octets();
        if material.len() != 2 * (key + salt) {
            return None;
        }
        let (keys, salts) = material.split_at(2 * key);
        let client = Zeroizing::new([&keys[..key], &salts[..salt]].concat());
        let server = Zeroizing::new([&keys[key..], &salts[salt..]].concat());
        Some(match role {
            Role::Active => Self { profile, send: client, receive: server },
            Role::Passive => Self { profile, send: server, receive: client },
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({:?})", self.profile)
    }
}
