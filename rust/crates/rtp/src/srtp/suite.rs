//! The crypto suites and their sizes.

/// A crypto suite (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// AES-128 in counter mode, HMAC-SHA1 with 80 bits.
    AesCm128Sha1_80,
    /// The same with 32 bits for RTP; RTCP has 80 (RFC 4568 §6.2.1).
    AesCm128Sha1_32,
    /// AES-256 in counter mode, HMAC-SHA1 with 80 bits.
    AesCm256Sha1_80,
    /// The same with 32 bits for RTP.
    AesCm256Sha1_32,
    /// AES-128 in Galois/counter mode, 128 bits.
    AeadAes128Gcm,
    /// AES-256 in Galois/counter mode, 128 bits.
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 6] = [
        Self::AesCm128Sha1_80,
        Self::AesCm128Sha1_32,
        Self::AesCm256Sha1_80,
        Self::AesCm256Sha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// The name in `a=crypto`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256Sha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256Sha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name, which is compared exactly.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Octets of the master key, and of the session key.
    #[must_use]
    pub const fn key_octets(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm128Sha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256Sha1_80 | Self::AesCm256Sha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of the master salt, and of the session salt.
    #[must_use]
    pub const fn salt_octets(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Whether the cipher itself authenticates.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// Octets of the tag of RTP.
    #[must_use]
    pub const fn rtp_tag(self) -> usize {
        match self {
            Self::AesCm128Sha1_32 | Self::AesCm256Sha1_32 => 4,
            _ => self.rtcp_tag(),
        }
    }

    /// Octets of RTP behind its MKI: the tag, unless the cipher makes it.
    pub(super) const fn rtp_mac(self) -> usize {
        if self.is_aead() { 0 } else { self.rtp_tag() }
    }

    /// Octets of RTCP behind its MKI.
    pub(super) const fn rtcp_mac(self) -> usize {
        if self.is_aead() { 0 } else { self.rtcp_tag() }
    }

    /// Octets of the tag of RTCP.
    #[must_use]
    pub const fn rtcp_tag(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }
}
