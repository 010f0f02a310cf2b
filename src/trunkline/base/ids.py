"""Identifiers that we mint: UUIDv7 keys, UUIDv4 secrets, pooled random tokens, tokens that name their node.

Entropy comes from ``os.urandom`` in blocks, because a call mints a dozen tags and branches and a system call
(or uuid4) for each costs more than parsing the message.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest

_BLOCK = 4096
_MAC = 12
_CALL_ID = 4 + 16 + _MAC
# Tags and branches are 4 + 16 digits, Call-IDs 4 + 16 + 12 of a keyed hash.
# A foreign identifier of the same shape looks the same.
_minted = re.compile(r"(?:z9hG4bK)?([0-9a-f]{2})([0-9a-f]{2})[0-9a-f]{16}(?:[0-9a-f]{12})?\Z").match


class TokenPool:
    """Random lower-case hexadecimal tokens from a block of entropy."""

    __slots__ = ("_block", "_entropy", "_offset")

    def __init__(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._entropy = entropy
        self._block = ""
        self._offset = _BLOCK  # nothing is left of it

    def token(self, length: int = 16) -> str:
        """``length`` hexadecimal digits (4 bits each), 1..256."""
        start = self._offset
        end = start + length
        if end > _BLOCK:
            self._block = self._entropy(_BLOCK // 2).hex()
            start, end = 0, length
        self._offset = end
        return self._block[start:end]


_POOL = TokenPool()
# RFC 9562 §4.1: the variant's two bits are 10, so its digit is 8..b.
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


def uuid7() -> str:
    """A UUIDv7 (RFC 9562 §5.7) as its 36-character text: sortable by creation time in milliseconds."""
    stamp = f"{time.time_ns() // 1_000_000:012x}"
    random = _POOL.token(19)
    return f"{stamp[:8]}-{stamp[8:]}-7{random[:3]}-{_VARIANT[random[3]]}{random[4:7]}-{random[7:]}"


def uuid4() -> str:
    """A UUIDv4 (RFC 9562 §5.4) as its 36-character text: 122 random bits, which nobody guesses."""
    random = _POOL.token(31)
    return f"{random[:8]}-{random[8:12]}-4{random[12:15]}-{_VARIANT[random[15]]}{random[16:19]}-{random[19:]}"


class NodeIds:
    """Mints SIP identifiers that begin with node and worker, so that any worker can tell whose they are.

    ``node`` and ``worker`` are 0..255; the prefix is four hexadecimal digits. Who holds the same secret ``key``
    (16..64 bytes; by default nobody does) can tell Call-IDs that were minted from those that look like them.
    """

    __slots__ = ("_keyed", "pool", "prefix")

    def __init__(
        self, node: int = 0, worker: int = 0, pool: TokenPool | None = None, key: bytes = b""
    ) -> None:
        if not (0 <= node <= 255 and 0 <= worker <= 255):
            raise ValueError(f"node and worker must be 0..255, got {node} and {worker}")
        self.prefix = f"{node:02x}{worker:02x}"
        self.pool = pool or TokenPool()
        self._keyed = blake2b(digest_size=_MAC // 2, key=key or os.urandom(32))

    def tag(self) -> str:
        """A From or To tag: at least 64 random bits (RFC 3261 §19.3 asks for 32)."""
        return self.prefix + self.pool.token(16)

    def branch(self) -> str:
        """A Via branch with the magic cookie (RFC 3261 §8.1.1.7)."""
        return "z9hG4bK" + self.prefix + self.pool.token(16)

    def call_id(self) -> str:
        """A Call-ID without a host: nothing of our topology is told. At least 64 random bits."""
        random = self.pool.token(16)
        return self.prefix + random + self._mac(random)

    def has_minted(self, call_id: str) -> bool:
        """Whether a Call-ID was minted under our key, by this process or by one before or beside it."""
        if _minted(call_id) is None or len(call_id) != _CALL_ID:
            return False
        return compare_digest(call_id[-_MAC:], self._mac(call_id[4:-_MAC]))

    def _mac(self, random: str) -> str:
        mac = self._keyed.copy()
        mac.update(random.encode())
        return mac.hexdigest()

    def owner_of(self, identifier: str) -> tuple[int, int] | None:
        """``(node, worker)`` of a tag, branch or Call-ID of the shape that a Trunkline mints, else None."""
        match = _minted(identifier)
        return None if match is None else (int(match[1], 16), int(match[2], 16))
