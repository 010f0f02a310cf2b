"""A certificate of our own making, for listeners that were given none: ECDSA P-256, signed by itself."""

from __future__ import annotations

import ipaddress
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trunkline.base.errors import ConfigError
from trunkline.net.tls.settings import SelfSigned

# Apple's systems refuse a server's certificate that is valid for more than 825 days.
VALID: Final = timedelta(days=820)
RENEWED_BEFORE: Final = timedelta(days=30)


def keep_self_signed(wanted: SelfSigned, now: datetime | None = None) -> bool:
    """Make the certificate unless one is there that is for the wanted names and valid for long enough.

    Renewal keeps the key, so that who trusts the key goes on doing so. True when it was written; raises
    ConfigError when it cannot be.
    """
    now = now or datetime.now(UTC)
    try:
        pem = wanted.path.read_bytes()
    except FileNotFoundError:
        pem = b""
    except OSError as error:
        raise _unusable(wanted.path, error) from None
    key = _key_of(pem)
    if key is not None and _is_good(pem, wanted, now):
        return False
    key = key or ec.generate_private_key(ec.SECP256R1())
    try:
        _write(wanted.path, _certificate(wanted, key, now), key)
    except OSError as error:
        raise _unusable(wanted.path, error) from None
    return True


def _key_of(pem: bytes) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None  # nothing there, or not what we wrote: made anew
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _is_good(pem: bytes, wanted: SelfSigned, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return set(names) == set(_alternative_names(wanted)) and (
        certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWED_BEFORE
    )


def _certificate(wanted: SelfSigned, key: ec.EllipticCurvePrivateKey, now: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.names[0][:64])])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks of phones are late
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(wanted)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _alternative_names(wanted: SelfSigned) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for name in dict.fromkeys(wanted.names):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            names.append(x509.DNSName(name))
    return names


def _write(path: Path, certificate: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    """Write both into one file that nobody else may read, whole or not at all."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes the file 0600.
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".self-signed-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + private)
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _unusable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        "data folder", str(path), f"where {error.strerror}", "a file that we may read and write"
    )
