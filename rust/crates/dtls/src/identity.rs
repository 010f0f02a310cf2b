//! Who we are: a certificate and its key, made elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::crypto::rust_crypto::default_provider;
use dimpl::{Config, Dtls, DtlsCertificate};

use crate::fingerprint::Fingerprint;
use crate::provider::passive_provider;
use crate::session::Role;

/// The first pause before a flight is sent again: a quarter of TLS' own, as media waits for it (RFC 6347 §4.2.4.1
/// leaves it to the application).
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// More than fit into the handshake's time: the deadline ends it, and not the count.
const RETRIES: usize = 9;
/// Octets of a certificate with which our first flight fits into one datagram, so that the request in it (see
/// `request`) is never cut.
const LARGEST: usize = 600;

/// The certificate or its key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusableIdentity;

/// A certificate and its key; one for the life of an engine.
#[derive(Clone)]
pub struct Identity {
    certificate: DtlsCertificate,
    fingerprint: Fingerprint,
    active: Arc<Config>,
    /// For peers whose address is proven already (by ICE), and for others, who prove it by a cookie.
    proven: Arc<Config>,
    unproven: Arc<Config>,
}

impl Identity {
    /// Takes a certificate in DER, of 600 octets at most, and its ECDSA key (P-256 or P-384) in PKCS#8.
    ///
    /// # Errors
    /// [`UnusableIdentity`] when the key is none of those, or the certificate larger.
    pub fn new(certificate: Vec<u8>, key: Vec<u8>) -> Result<Self, UnusableIdentity> {
        let config = |provider, cookie| {
            let builder = Config::builder()
                .with_crypto_provider(provider)
                .flight_start_rto(FIRST_PAUSE)
                .flight_retries(RETRIES)
                .use_server_cookie(cookie);
            builder.build().map(Arc::new).map_err(|_| UnusableIdentity)
        };
        let readable = default_provider().key_provider.load_private_key(&key).is_ok();
        if !(1..=LARGEST).contains(&certificate.len()) || !readable {
            return Err(UnusableIdentity);
        }
        let fingerprint = Fingerprint::of(&certificate);
        let certificate = DtlsCertificate { certificate, private_key: key };
        Ok(Self {
            certificate,
            fingerprint,
            active: config(default_provider(), false)?,
            proven: config(passive_provider(), false)?,
            unproven: config(passive_provider(), true)?,
        })
    }

    /// The SHA-256 fingerprint of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(crate) fn begin(&self, role: Role, proven: bool, now: Instant) -> Dtls {
        let config = match role {
            Role::Active => &self.active,
            Role::Passive if proven => &self.proven,
            Role::Passive => &self.unproven,
        };
        let mut dtls = Dtls::new_auto(Arc::clone(config), self.certificate.clone(), now);
        dtls.set_active(role == Role::Active);
        dtls
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.fingerprint)
    }
}
