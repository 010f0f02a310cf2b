"""Certificates from PEM files: read, checked, chosen by the name that a client asks for."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes

from trunkline.base.errors import ConfigError
from trunkline.net.tls.peer_identity import fits
from trunkline.net.tls.settings import CertificateFiles, ListenerTls

SETTINGS: Final = "settings"  # the source of errors: which file they came from is not known here

Fingerprint: TypeAlias = tuple[tuple[int, int, int] | None, ...]


class Certificate:
    """A certificate that TLS can use: the host ``names`` it is for, and when it ends."""

    __slots__ = ("context", "files", "names", "not_after", "not_before")

    def __init__(self, files: CertificateFiles, leaf: x509.Certificate, context: ssl.SSLContext) -> None:
        self.files = files
        self.context = context
        self.names = _names_of(leaf)
        self.not_before = leaf.not_valid_before_utc
        self.not_after = leaf.not_valid_after_utc

    def complaint(self, now: datetime) -> str:
        """What is wrong with its dates, "" when nothing is."""
        where = self.files.certificate
        if now >= self.not_after:
            return f"the certificate {where} has expired on {self.not_after:%Y-%m-%d}: peers will refuse it"
        if now < self.not_before:
            return f"the certificate {where} is not valid before {self.not_before:%Y-%m-%d}"
        return ""

    def is_for(self, host: str) -> bool:
        return any(fits(name, host) for name in self.names)


def load_certificate(files: CertificateFiles) -> Certificate:
    """Read and check both files; raises ConfigError that names the file, the key and what is expected."""
    leaf = _read_leaf(files)
    if _read_key(files).public_key() != _public_key_of(leaf, files):
        raise ConfigError(
            SETTINGS,
            f"{files.where}.key",
            f"{files.key}, whose key does not belong to the certificate {files.certificate}",
            "the private key that the certificate was made for",
        )
    context = server_context()
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (ssl.SSLError, OSError) as error:
        raise _refused(files, error) from None
    return Certificate(files, leaf, context)


def server_context() -> ssl.SSLContext:
    """TLS 1.2 and later, our order of ciphers, no renegotiation."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    return context


def listener_context(own: Certificate, others: Sequence[Certificate], tls: ListenerTls) -> ssl.SSLContext:
    """The context of one listener: shows ``own``, or another that fits the name asked for (RFC 6066 §3).

    Raises ConfigError when ``client_ca`` is missing or no file of certificates.
    """
    context = _context_of(own, tls)
    # Who is verified by what goes with the context that shows the certificate: each needs the listener's own.
    contexts = {one: _context_of(one, tls) if _asks(tls) else one.context for one in others if one is not own}

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        chosen = certificate_for(name, own, others) if name else own
        if chosen is not own:
            connection.context = contexts[chosen]

    context.sni_callback = choose
    return context


def _context_of(one: Certificate, tls: ListenerTls) -> ssl.SSLContext:
    context = server_context()
    try:
        context.load_cert_chain(one.files.certificate, one.files.key)
    except (ssl.SSLError, OSError) as error:
        raise _refused(one.files, error) from None
    _ask_clients(context, tls)
    return context


def _asks(tls: ListenerTls) -> bool:
    return tls.client_certificate != "none"


def certificate_for(name: str, own: Certificate, others: Sequence[Certificate]) -> Certificate:
    """The certificate for a host: an exact name before a wildcard, ``own`` before others and when none fits."""
    able = [one for one in (own, *others) if one.is_for(name)]
    exact = [one for one in able if name.rstrip(".").lower() in one.names]
    return (exact or able or [own])[0]


def trust_file(context: ssl.SSLContext, path: Path, key: str) -> None:
    """Trust the authorities of a PEM file; raises ConfigError."""
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise ConfigError(
            SETTINGS, key, f"{path}, which has no PEM certificate", "a PEM file of authorities"
        ) from None
    except OSError as error:
        raise _unreadable(key, path, error, "a PEM file of authorities") from None


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """What changes when a file is written or replaced; None stands for a file that is not there."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _ask_clients(context: ssl.SSLContext, tls: ListenerTls) -> None:
    if not _asks(tls):
        return
    if tls.client_ca is None:
        raise ConfigError(
            SETTINGS,
            f"{tls.where}.client_ca",
            f"nothing, and client_certificate is {tls.client_certificate}",
            "a PEM file of the authorities that clients' certificates come from",
        )
    trust_file(context, tls.client_ca, f"{tls.where}.client_ca")
    required = tls.client_certificate == "require"
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL


def _read_leaf(files: CertificateFiles) -> x509.Certificate:
    key, path = f"{files.where}.certificate", files.certificate
    pem = _read(key, path, "a PEM file with the certificate, then its chain")
    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        expected = "a PEM file with the certificate first (-----BEGIN CERTIFICATE-----), then its chain"
        raise ConfigError(SETTINGS, key, f"{path}, which has no PEM certificate", expected) from None


def _read_key(files: CertificateFiles) -> PrivateKeyTypes:
    key, path = f"{files.where}.key", files.key
    pem = _read(key, path, "a PEM file with the private key")
    try:
        return serialization.load_pem_private_key(pem, None)
    except TypeError:
        expected = "a private key without a password (openssl pkey -in KEY -out PLAIN)"
        raise ConfigError(SETTINGS, key, f"{path}, whose key is encrypted", expected) from None
    except (ValueError, UnsupportedAlgorithm):
        expected = "a PEM file with the private key (-----BEGIN PRIVATE KEY-----)"
        raise ConfigError(SETTINGS, key, f"{path}, which has no PEM private key", expected) from None


def _public_key_of(leaf: x509.Certificate, files: CertificateFiles) -> CertificatePublicKeyTypes:
    try:
        return leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        seen = f"{files.certificate}, whose key is of a kind that is not known here"
        raise ConfigError(
            SETTINGS, f"{files.where}.certificate", seen, "a certificate for an EC or RSA key"
        ) from None


def _read(key: str, path: Path, expected: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(key, path, error, expected) from None


def _unreadable(key: str, path: Path, error: OSError, expected: str) -> ConfigError:
    return ConfigError(
        SETTINGS,
        key,
        f"{path}, which cannot be read: {error.strerror}",
        expected,
        "the exchange's user must be able to read it",
    )


def _refused(files: CertificateFiles, error: OSError) -> ConfigError:
    reason = getattr(error, "reason", None) or error.strerror or "it is refused"
    seen = f"{files.certificate}, which TLS refuses: {str(reason).lower().replace('_', ' ')}"
    return ConfigError(SETTINGS, f"{files.where}.certificate", seen, "a certificate and key that TLS can use")


def _names_of(leaf: x509.Certificate) -> tuple[str, ...]:
    """Host names in lower case: the alternative names, else the common name."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        common = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(one.value).lower() for one in common)
    return tuple(name.rstrip(".").lower() for name in found.get_values_for_type(x509.DNSName))


def utc_now() -> datetime:
    return datetime.now(UTC)
