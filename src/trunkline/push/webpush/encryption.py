"""Messages that only the subscription's owner reads: aes128gcm (RFC 8188) with keys as RFC 8291 derives them.

    salt (16) | record size (4) | length of key id (1) | key id: our public key (65) | one record

The record is the text, a 0x02 as delimiter, zeros that hide how long the text is, and the tag of AES-GCM.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.push.webpush.base64url import decoded

RECORD: Final = 4096  # RFC 8291 §4: what every push service takes
_POINT: Final = 65
_SALT: Final = 16
_TAG: Final = 16
_HEAD: Final = _SALT + 4 + 1 + _POINT
MOST_TEXT: Final = RECORD - _HEAD - _TAG - 1
PADDED_TO: Final = 512
_CURVE: Final = ec.SECP256R1()


@dataclass(frozen=True, slots=True)
class Subscription:
    """``key`` is the user agent's public key, ``auth`` its secret of 16 bytes (RFC 8291 §3.1 and §3.2)."""

    key: ec.EllipticCurvePublicKey = field(repr=False)
    auth: bytes = field(repr=False)

    @classmethod
    def of(cls, p256dh: str, auth: str) -> Subscription:
        """Both as base64url. Raises LocalProtocolError that says which of them is wrong."""
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, decoded(p256dh))
        except ValueError:
            raise LocalProtocolError("p256dh is no point of P-256 in base64url") from None
        try:
            secret = decoded(auth)
        except ValueError:
            secret = b""
        if len(secret) != 16:
            raise LocalProtocolError("auth is no secret of 16 bytes in base64url")
        return cls(key, secret)


def encrypt(
    text: bytes,
    to: Subscription,
    *,
    padded_to: int = PADDED_TO,
    salt: bytes | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """The body of a push message, 4096 bytes at most. Raises LocalProtocolError for more than 3993 bytes of text.

    The text is padded to a multiple of ``padded_to``. ``salt`` and ``key`` are new for each message; they are given by
    tests alone.
    """
    if len(text) > MOST_TEXT:
        raise LocalProtocolError(f"{len(text)} bytes of text, and Web Push takes {MOST_TEXT}")
    salt = salt or os.urandom(_SALT)
    key = key or ec.generate_private_key(_CURVE)
    ours = _point(key.public_key())
    shared = key.exchange(ec.ECDH(), to.key)
    content_key, nonce = _derived(shared, to.auth, _point(to.key), ours, salt)
    zeros = min(-len(text) % max(padded_to, 1), MOST_TEXT - len(text))
    record = AESGCM(content_key).encrypt(nonce, text + b"\x02" + bytes(zeros), None)
    return salt + RECORD.to_bytes(4, "big") + bytes([_POINT]) + ours + record


def decrypt(body: bytes, key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """The text of a message for the owner of ``key``. Raises RemoteProtocolError for what is no such message."""
    if len(body) < _HEAD + _TAG + 1 or body[_SALT + 4] != _POINT:
        raise RemoteProtocolError("not aes128gcm with a key of P-256")
    size = int.from_bytes(body[_SALT : _SALT + 4], "big")
    record = body[_HEAD:]
    if size < _TAG + 2 or len(record) > size:  # RFC 8291 §4: one record
        raise RemoteProtocolError("more than one record")
    try:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, body[_SALT + 5 : _HEAD])
    except ValueError:
        raise RemoteProtocolError("a key that is no point of P-256") from None
    shared = key.exchange(ec.ECDH(), theirs)
    content_key, nonce = _derived(
        shared, auth, _point(key.public_key()), body[_SALT + 5 : _HEAD], body[:_SALT]
    )
    try:
        padded = AESGCM(content_key).decrypt(nonce, record, None)
    except InvalidTag:
        raise RemoteProtocolError("encrypted for somebody else") from None
    text = padded.rstrip(b"\x00")
    if not text.endswith(b"\x02"):
        raise RemoteProtocolError("the last record has no delimiter")
    return text[:-1]


def _derived(shared: bytes, auth: bytes, theirs: bytes, ours: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Content encryption key and nonce (RFC 8291 §3.4)."""
    secret = _hkdf(auth, shared, b"WebPush: info\x00" + theirs + ours, 32)
    return (
        _hkdf(salt, secret, b"Content-Encoding: aes128gcm\x00", 16),
        _hkdf(salt, secret, b"Content-Encoding: nonce\x00", 12),
    )


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
