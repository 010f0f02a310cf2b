"""The arithmetic of digest authentication (RFC 7616 §3.4, RFC 8760 for SIP), for both sides.

HA1 is hexadecimal, in lower case. Text is hashed as the bytes that were on the wire.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Final

try:
    # OpenSSL's set-up costs half of a short hash; the interpreter's own MD5 needs none and knows no FIPS
    # mode.
    from _md5 import md5 as _md5  # type: ignore[import-not-found]
except ImportError:

    def _md5(data: bytes) -> hashlib._Hash:
        return hashlib.md5(data, usedforsecurity=False)


_CACHED_URI_LENGTH: Final = 256


def _md5_hex(data: bytes) -> str:
    digest: str = _md5(data).hexdigest()
    return digest


def _sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha512_256_hex(data: bytes) -> str:
    return hashlib.new("sha512_256", data).hexdigest()


# RFC 8760 §2.1, weakest first. SHA-512-256 is there where OpenSSL offers it.
HASHES: Final[dict[str, Callable[[bytes], str]]] = {"MD5": _md5_hex, "SHA-256": _sha256_hex}
if "sha512_256" in hashlib.algorithms_available:
    HASHES["SHA-512-256"] = _sha512_256_hex

# RFC 8760 §2.3: what a server offers, in its order of preference.
DEFAULT_ALGORITHMS: Final = ("SHA-256", "MD5")
_BY_NAME: Final = {spelling: name for name in HASHES for spelling in (name, name.lower())}
_STRENGTH: Final = {name: strength for strength, name in enumerate(HASHES)}


def algorithm_name(text: str) -> str:
    """The canonical name of a known algorithm (matched without regard to case), else ``text`` itself."""
    return _BY_NAME.get(text) or _BY_NAME.get(text.lower(), text)


def strength(algorithm: str) -> int:
    """For comparing: MD5 is 0, better ones are more, unknown ones -1."""
    return _STRENGTH.get(algorithm, -1)


def digest_hex(algorithm: str, text: str) -> str:
    """H(text) of RFC 7616 §3.3; ``algorithm`` is one of ``HASHES``."""
    return HASHES[algorithm](text.encode("utf-8", "surrogateescape"))


def ha1(username: str, realm: str, password: str, algorithm: str) -> str:
    """H(username:realm:password), which may stand in for the password in this realm (RFC 7616 §3.4.2)."""
    return digest_hex(algorithm, f"{username}:{realm}:{password}")


def userhash(username: str, realm: str, algorithm: str) -> str:
    """What a client sends instead of its name when the server said userhash=true (RFC 7616 §3.4.4)."""
    return digest_hex(algorithm, f"{username}:{realm}")


def digest_response(
    algorithm: str,
    secret: str,
    nonce: str,
    method: str,
    uri: str,
    *,
    qop: str = "",
    nc: str = "",
    cnonce: str = "",
    body: bytes = b"",
) -> str:
    """The response parameter (RFC 7616 §3.4.1) for the HA1 ``secret``; without qop as in RFC 2069."""
    if qop == "auth-int":
        a2 = digest_hex(algorithm, f"{method}:{uri}:{HASHES[algorithm](body)}")
    elif len(uri) <= _CACHED_URI_LENGTH:
        a2 = _ha2(algorithm, method, uri)
    else:
        a2 = digest_hex(algorithm, f"{method}:{uri}")
    if qop:
        return digest_hex(algorithm, f"{secret}:{nonce}:{nc}:{cnonce}:{qop}:{a2}")
    return digest_hex(algorithm, f"{secret}:{nonce}:{a2}")


@lru_cache(maxsize=1024)
def _ha2(algorithm: str, method: str, uri: str) -> str:
    # The phones of a domain all REGISTER with the same URI.
    return digest_hex(algorithm, f"{method}:{uri}")
