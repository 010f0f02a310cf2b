//! The cryptography of sessions in which we are the server: RustCrypto's, with RSA certificates of peers beside.

use std::fmt;

use dimpl::CryptoError;
use dimpl::crypto::rust_crypto::default_provider;
use dimpl::crypto::{
    Buf, CryptoProvider, HashAlgorithm, HashContext, HashProvider, SignatureAlgorithm, SignatureVerifier,
};

use crate::request::widened;
use crate::rsa_key::verify;

pub(crate) fn passive_provider() -> CryptoProvider {
    CryptoProvider { signature_verification: &Verifier, hash_provider: &Hashes, ..default_provider() }
}

/// Verifies what the peer has signed: the transcript, as the peer has seen it.
#[derive(Debug)]
struct Verifier;

impl SignatureVerifier for Verifier {
    fn verify_signature(
        &self,
        certificate: &[u8],
        signed: &[u8],
        signature: &[u8],
        hash: HashAlgorithm,
        algorithm: SignatureAlgorithm,
    ) -> Result<(), CryptoError> {
        let seen = widened(signed);
        let seen = seen.as_deref().unwrap_or(signed);
        if algorithm == SignatureAlgorithm::RSA {
            return verify(certificate, seen, signature, hash);
        }
        let verifier = default_provider().signature_verification;
        verifier.verify_signature(certificate, seen, signature, hash, algorithm)
    }
}

#[derive(Debug)]
struct Hashes;

impl HashProvider for Hashes {
    fn create_hash(&self, algorithm: HashAlgorithm) -> Box<dyn HashContext> {
        Box::new(Transcript(default_provider().hash_provider.create_hash(algorithm)))
    }
}

/// A hash that takes the transcript as the peer has seen it. It comes in one piece.
struct Transcript(Box<dyn HashContext>);

impl HashContext for Transcript {
    fn update(&mut self, transcript: &[u8]) {
        let seen = widened(transcript);
        self.0.update(seen.as_deref().unwrap_or(transcript));
    }

    fn clone_and_finalize(&self, out: &mut Buf) {
        self.0.clone_and_finalize(out);
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Transcript")
    }
}
