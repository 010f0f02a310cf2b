"""An authority for telephone numbers: certificates with a TNAuthList (RFC 8226) for those who sign calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from trunkline.base.errors import TransportError
from trunkline.ua.stir import Fetched, SigningKey
from trunkline.ua.stir.tn_auth_list import OID

_DAY: Final = timedelta(days=1)


class NumberAuthority:
    """Issues certificates around the wall-clock time ``now``; it is the web server that has them, too."""

    def __init__(self, now: float, name: str = "Numbers of the tests") -> None:
        self.now = datetime.fromtimestamp(now, UTC)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.certificate = self.renewed()
        self.files: dict[str, bytes] = {}
        self.fetched: list[str] = []

    def renewed(
        self, days: tuple[float, float] = (-1, 30), *, ca: bool = True, most_below: int | None = None
    ) -> x509.Certificate:
        """A certificate of the authority's own name and key."""
        constraints = x509.BasicConstraints(ca=ca, path_length=most_below)
        builder = self._builder(self._name, self._key, days=days).add_extension(constraints, critical=True)
        return builder.sign(self._key, hashes.SHA256())

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        return (self.certificate,)

    async def fetch(self, url: str) -> Fetched:
        """What ``Certificates`` fetches with."""
        self.fetched.append(url)
        if url not in self.files:
            raise TransportError("answered 404")
        return Fetched(self.files[url])

    def issue(
        self,
        url: str,
        entries: Sequence[bytes] | None,
        *,
        days: tuple[float, float] = (-1, 30),
        above: str = "",
        curve: type[ec.EllipticCurve] = ec.SECP256R1,
        usage: x509.KeyUsage | None = None,
    ) -> SigningKey:
        """A signer whose certificate for these entries is at ``url``; ``above`` is "ca" or "no-ca" between."""
        key = ec.generate_private_key(curve())
        issuer_name, issuer_key, chain = self._name, self._key, b""
        if above:
            issuer_key = ec.generate_private_key(ec.SECP256R1())
            issuer_name = _named("Between")
            builder = self._builder(issuer_name, issuer_key)
            if above == "ca":
                builder = builder.add_extension(_ca(), critical=True)
            chain = _pem(builder.sign(self._key, hashes.SHA256()))
        builder = self._builder(_named("SHAKEN 1234"), key, issuer_name, days)
        if entries is not None:
            listed = x509.UnrecognizedExtension(x509.ObjectIdentifier(OID), element(0x30, *entries))
            builder = builder.add_extension(listed, critical=False)
        if usage is not None:
            builder = builder.add_extension(usage, critical=True)
        self.files[url] = _pem(builder.sign(issuer_key, hashes.SHA256())) + chain
        return SigningKey(key, url)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Name | None = None,
        days: tuple[float, float] = (-1, 30),
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now + days[0] * _DAY)
            .not_valid_after(self.now + days[1] * _DAY)
        )


def element(tag: int, *contents: bytes) -> bytes:
    """DER with a length of up to 65535 bytes."""
    content = b"".join(contents)
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def code(text: str) -> bytes:
    """An entry for a service provider's code."""
    return element(0xA0, element(0x16, text.encode()))


def block(start: str, size: int) -> bytes:
    """An entry for a range of numbers."""
    number = element(0x02, size.to_bytes(4, "big"))
    return element(0xA1, element(0x30, element(0x16, start.encode()), number))


def one(number: str) -> bytes:
    """An entry for one number."""
    return element(0xA2, element(0x16, number.encode()))


def key_pem(signer: SigningKey) -> bytes:
    """The private key as a file has it."""
    return signer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _ca() -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=True, path_length=None)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
