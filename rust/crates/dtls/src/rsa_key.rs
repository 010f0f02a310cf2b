//! Signatures by peers that have an RSA certificate: RSASSA-PKCS1-v1_5 (RFC 5246 §4.7, RFC 8017 §8.2.2).
//!
//! Public operations alone: we never sign or decrypt by RSA.

use dimpl::crypto::{HashAlgorithm, SignatureAlgorithm};
use dimpl::{CryptoError, CryptoOperation};
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier;
use rsa::traits::PublicKeyParts;
use sha2::{Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::spki::der::referenced::OwnedToRef;

/// Bits of a modulus: what is shorter can be factored, what is longer keeps a worker from its calls.
const BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// Whether the certificate's key has signed that.
///
/// # Errors
/// Says what is wrong with the certificate, its key or the signature.
pub(crate) fn verify(
    certificate: &[u8],
    signed: &[u8],
    signature: &[u8],
    hash: HashAlgorithm,
) -> Result<(), CryptoError> {
    let certificate = Certificate::from_der(certificate).map_err(|_| CryptoError::CertificateParseFailed)?;
    let key = key_of(certificate.tbs_certificate().subject_public_key_info().owned_to_ref())?;
    let signature = Signature::try_from(signature).map_err(|_| CryptoError::InvalidSignatureFormat)?;
    let verified = match hash {
        HashAlgorithm::SHA256 => VerifyingKey::<Sha256>::new(key).verify(signed, &signature),
        HashAlgorithm::SHA384 => VerifyingKey::<Sha384>::new(key).verify(signed, &signature),
        HashAlgorithm::SHA512 => VerifyingKey::<Sha512>::new(key).verify(signed, &signature),
        _ => {
            let signature = SignatureAlgorithm::RSA;
            return Err(CryptoError::UnsupportedSignaturePair { signature, hash });
        }
    };
    verified.map_err(|_| CryptoError::OperationFailed(CryptoOperation::VerifySignature))
}

fn key_of(spki: SubjectPublicKeyInfoRef<'_>) -> Result<RsaPublicKey, CryptoError> {
    if spki.algorithm.oid != rsa::pkcs1::ALGORITHM_OID {
        return Err(CryptoError::UnsupportedPublicKeyAlgorithm);
    }
    let key = RsaPublicKey::try_from(spki).map_err(|_| CryptoError::InvalidSubjectPublicKey)?;
    if BITS.contains(&key.n().bits()) { Ok(key) } else { Err(CryptoError::UnsupportedPublicKeyAlgorithm) }
}
