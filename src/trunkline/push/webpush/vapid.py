"""Who we are for push services: a key of our own, and tokens signed with it (VAPID, RFC 8292)."""

from __future__ import annotations

import json
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Final, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trunkline.base.errors import ConfigError
from trunkline.push.webpush.base64url import encoded

LASTS_S: Final = 43_200  # RFC 8292 §2: 24 hours at most; half of it forgives a wrong clock
RENEWED_S: Final = 3600
MOST_ORIGINS: Final = 1000
_KEY: Final = "push.webpush.key_path"
_EXPECTED: Final = "a PEM file with a private key of P-256 (openssl ecparam -name prime256v1 -genkey -noout)"


class _Token(NamedTuple):
    text: str
    until: float


class VapidKey:
    """Signs for each origin once in half a day. ``public`` is the applicationServerKey that apps subscribe with."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        self._key = key
        self._subject = subject
        self._tokens: OrderedDict[str, _Token] = OrderedDict()
        self.public = encoded(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
        self.signed = 0

    def authorization(self, origin: str, now: float) -> str:
        """The value of Authorization for a push service (RFC 8292 §3); ``now`` is the wall clock."""
        token = self._tokens.get(origin)
        if token is None or now > token.until - RENEWED_S or token.until > now + LASTS_S:
            token = self._sign(origin, int(now) + LASTS_S)
            self._tokens[origin] = token
            if len(self._tokens) > MOST_ORIGINS:
                self._tokens.popitem(last=False)
        self._tokens.move_to_end(origin)
        return f"vapid t={token.text}, k={self.public}"

    def _sign(self, origin: str, until: int) -> _Token:
        claims = {"aud": origin, "exp": until, "sub": self._subject}
        signed = f"{_part({'typ': 'JWT', 'alg': 'ES256'})}.{_part(claims)}"
        found = self._key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(found)  # RFC 7518 §3.4: both numbers as 32 bytes
        self.signed += 1
        return _Token(f"{signed}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}", until)


def load_vapid_key(path: Path, subject: str) -> VapidKey:
    """The operator's key. Raises ConfigError."""
    try:
        pem = path.expanduser().read_bytes()
    except OSError as error:
        seen = f"{path}, which cannot be read: {error.strerror}"
        raise ConfigError("settings", _KEY, seen, _EXPECTED) from None
    return VapidKey(_read(pem, path), subject)


def keep_vapid_key(path: Path, subject: str, *, write: bool = True) -> VapidKey:
    """The key of a file of ours, made when it is not there yet. Raises ConfigError.

    It must be kept: subscriptions are bound to it, and apps would have to subscribe anew. Without ``write`` only what
    is there is looked at, and a key that was made is of no use.
    """
    try:
        return VapidKey(_read(path.read_bytes(), path), subject)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unusable(path, error) from None
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        if write:
            _write(path, key)
    except OSError as error:
        raise _unusable(path, error) from None
    return VapidKey(key, subject)


def _read(pem: bytes, path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(
            "settings", _KEY, f"{path}, which has no plain PEM private key", _EXPECTED
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ConfigError("settings", _KEY, f"{path}, whose key is not of P-256", _EXPECTED)
    return key


def _write(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Into a file that nobody else may read, whole or not at all."""
    pem = key.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".vapid-")  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _unusable(path: Path, error: OSError) -> ConfigError:
    expected = "a file that we may read and write"
    return ConfigError("data folder", str(path), f"where {error.strerror}", expected)


def _part(value: dict[str, object]) -> str:
    return encoded(json.dumps(value, separators=(",", ":")).encode())
