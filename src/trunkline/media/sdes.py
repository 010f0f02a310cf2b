"""Keys in the description (RFC 4568): the rows ``a=crypto`` of a peer, and ours.

A row is taken when we can do all that it says: a suite of ``SUITES``, one master key of the right length, with or
without MKI, and no session parameter but hints. Lifetimes are read and passed over: no call lasts for 2^31 packets.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from trunkline.media.security_commands import SUITES
from trunkline.proto.sdp import excerpt

# Octets of master key and salt: RFC 4568 §6.2, RFC 6188 §2, RFC 7714 §12.
KEY_SIZES: Final[dict[str, int]] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
_SUITES: Final = {suite.upper(): suite for suite in SUITES}
_ROW: Final = re.compile(r"a=crypto:\s*(\d{1,9})\s+(\S+)\s+(\S+)(?:\s+(.*))?$", re.IGNORECASE)
_LIFETIME: Final = re.compile(r"(?:2\^)?\d{1,20}$")
_MKI: Final = re.compile(r"([0-9]{1,309}):([0-9]{1,3})$")  # 128 octets are 309 digits at most
_LONGEST_MKI: Final = 128
_LONGEST_ROW: Final = 1_024


class Crypto(NamedTuple):
    """One row: its ``tag`` (1..999999999), a suite of ``SUITES``, and the sender's key and salt in base64.

    ``mki`` is what each of the sender's packets names the key by, 1 to 128 octets; empty when they do not.
    """

    tag: int
    suite: str
    key: str
    mki: bytes = b""

    @property
    def row(self) -> str:
        named = f"|{int.from_bytes(self.mki)}:{len(self.mki)}" if self.mki else ""
        return f"a=crypto:{self.tag} {self.suite} inline:{self.key}{named}"

    def __repr__(self) -> str:
        return f"Crypto({self.tag}, {self.suite})"


def crypto_of(row: str) -> Crypto | None:
    """What a row says; None when it is malformed, or when we could not do what it asks for."""
    read = _read(row)
    return None if isinstance(read, str) else read


def complaint_of(rows: Iterable[str]) -> str:
    """Why none of a section's rows is taken, in words without any key; the first row's reason."""
    for row in rows:
        if row.startswith("a=crypto:"):
            read = _read(row)
            return read if isinstance(read, str) else ""
    return "no a=crypto row"


def _read(row: str) -> Crypto | str:
    found = _ROW.match(row.rstrip(" ")) if len(row) <= _LONGEST_ROW else None
    if found is None:
        return "a malformed a=crypto row, expected 'TAG SUITE inline:KEY'"
    place = f"a=crypto:{int(found[1])}"
    suite = _SUITES.get(found[2].upper())
    if suite is None:
        return f"{place} has suite {excerpt(found[2])}, expected one of {', '.join(SUITES)}"
    for parameter in (found[4] or "").split():
        if not _is_hint(parameter):
            return f"{place} asks for {excerpt(parameter)}, which is not done here"
    read = _inline_of(found[3], KEY_SIZES[suite])
    return f"{place} {read}" if isinstance(read, str) else Crypto(int(found[1]), suite, *read)


def _inline_of(text: str, octets: int) -> tuple[str, bytes] | str:
    """The key and the MKI of ``inline:KEY|LIFETIME|MKI:LENGTH``, or what is wrong with it; no part of it is shown."""
    method, _, inline = text.partition(":")
    if method.lower() != "inline" or ";" in inline:
        return "has several keys, or what is no inline key; expected one"
    key, *more = inline.split("|")
    if more and _LIFETIME.match(more[0]):
        more = more[1:]
    mki = _mki_of(more[0]) if more else b""
    if mki is None or len(more) > 1:
        return "has behind its key something else than a lifetime, an MKI and its length"
    key = _whole(key)
    size = _size(key)
    if size != octets:
        seen = "that is no base64" if size < 0 else f"of {size} octets"
        return f"has a key {seen}, expected {octets} octets"
    return key, mki


def best_of(rows: Iterable[str]) -> Crypto | None:
    """The first row, in the peer's order, that we can take."""
    for row in rows:
        crypto = crypto_of(row)
        if crypto is not None:
            return crypto
    return None


def new_key(suite: str, entropy: Callable[[int], bytes] = os.urandom) -> str:
    """A master key and salt for a suite, in base64."""
    return base64.b64encode(entropy(KEY_SIZES[suite])).decode()


def _is_hint(parameter: str) -> bool:
    """RFC 4568 §6.3: a window size binds nobody, nor does what begins with a minus that we do not know."""
    return parameter.upper().startswith(("WSH=", "-")) or parameter.upper() == "KDR=0"


def _mki_of(text: str) -> bytes | None:
    """RFC 4568 §6.1: a number, and in how many octets the packets carry it; None when it is malformed."""
    found = _MKI.match(text)
    length = int(found[2]) if found is not None else 0
    if found is None or not 1 <= length <= _LONGEST_MKI or int(found[1]) >= 1 << 8 * length:
        return None
    return int(found[1]).to_bytes(length)


def _whole(key: str) -> str:
    """Some leave out the padding at the end."""
    return key if len(key) % 4 == 0 else key + "=" * (-len(key) % 4)


def _size(key: str) -> int:
    try:
        return len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        return -1
