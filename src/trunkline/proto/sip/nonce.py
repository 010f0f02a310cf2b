"""Nonces that need no memory: when, by whom and for whom they were minted, and a keyed hash over it (RFC 7616 §5.4).

A nonce names the source that it was sent to, as a keyed hash of it. So a wrong digest over it proves that its sender
receives what we send there (a forged datagram's sender does not), and nobody guesses in another's name.

Whoever holds the key can verify them, so any worker can, and a restart forgets none. Each challenge has a
nonce of its own: some clients use the same cnonce for ever, and two requests of one user in the same second
are not replays of each other. The hash does not cover the algorithm: all challenges of one 401 carry the same
nonce, and a client that takes the nonce of the first one and answers with MD5 is right.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from trunkline.proto.sip.replay import ReplayTable

DEFAULT_WINDOW_S: Final = 300
# What a nonce consists of, in hexadecimal digits: the second, the serial (worker and count), the source, the MAC.
_SECOND: Final = 8
_SERIAL: Final = 16
_STAMP: Final = 24
_MAC_BYTES: Final = 12
_LENGTH: Final = _STAMP + 2 * _MAC_BYTES
_SOURCES_KEPT: Final = 16_384
_COUNT_MASK: Final = 0xFFFFFF
# Workers of one cluster may disagree about the time by this much.
_SKEW_S: Final = 5


class Freshness(enum.Enum):
    """What a nonce is worth."""

    FRESH = "fresh"
    EXPIRED = "expired"
    FOREIGN = "foreign"
    ELSEWHERE = "elsewhere"
    """Ours, but sent to another source, whenever that was."""


class Nonces:
    """Mints and judges nonces under ``key`` (16..64 bytes, secret); they are valid for ``window_s`` seconds.

    ``worker`` (0..255) tells the nonces of workers that share the key apart; each has 16.7 million a second.
    ``now`` is always seconds since the epoch, because other processes and later ones must agree about it.
    """

    __slots__ = ("_count", "_keyed", "_mark", "_swept", "_worker", "replays", "window_s")

    def __init__(
        self,
        key: bytes,
        window_s: int = DEFAULT_WINDOW_S,
        replay_capacity: int = 65536,
        *,
        worker: int = 0,
    ) -> None:
        if not 16 <= len(key) <= blake2b.MAX_KEY_SIZE:
            raise ValueError(f"a nonce key has 16 to {blake2b.MAX_KEY_SIZE} bytes, this one {len(key)}")
        if not 0 <= worker <= 255:
            raise ValueError(f"a worker's number is 0 to 255, not {worker}")
        # A copy of the keyed state costs less than keying a new one.
        self._keyed = blake2b(digest_size=_MAC_BYTES, key=key)
        # Phones come again and again; hashing anew costs more than the rest of a nonce.
        self._mark = lru_cache(maxsize=_SOURCES_KEPT)(self._hash_source)
        self._worker = worker << 24
        self._count = 0
        self._swept = 0
        self.window_s = window_s
        self.replays = ReplayTable(replay_capacity)

    def mint(self, realm: str, now: float, source: str = "") -> str:
        """A new nonce for this realm, sent to ``source``: 48 hexadecimal digits."""
        self._count = count = (self._count + 1) & _COUNT_MASK
        stamp = f"{int(now):08x}{self._worker | count:08x}{self._mark(source)}"
        return stamp + self._mac(stamp, realm)

    def judge(self, nonce: str, realm: str, now: float, source: str = "") -> Freshness:
        """Whether we (or a holder of the key) minted ``nonce`` for this realm and source, and lately."""
        if len(nonce) != _LENGTH or not nonce.isascii():
            return Freshness.FOREIGN
        if not compare_digest(nonce[_STAMP:], self._mac(nonce[:_STAMP], realm)):
            return Freshness.FOREIGN
        if nonce[_SERIAL:_STAMP] != self._mark(source):
            return Freshness.ELSEWHERE
        second = int(nonce[:_SECOND], 16)
        if -_SKEW_S <= now - second < self.window_s and second > self.replays.floor:
            return Freshness.FRESH
        return Freshness.EXPIRED

    def use(self, nonce: str, username: str, cnonce: str, count: int, now: float) -> bool:
        """Take nonce count ``count`` of a nonce that was judged fresh; False when it was taken or comes too late.

        Call it only once the digest is right: a guess must not use up the count of somebody else.
        """
        if int(now) != self._swept:
            self._swept = int(now)
            self.replays.forget_before(self._swept - self.window_s)
        # The interpreter keys hash() of text anew in each process, and a collision costs but another 401.
        return self.replays.use(int(nonce[:_SECOND], 16), hash((nonce, username, cnonce)), count)

    def _mac(self, stamp: str, realm: str) -> str:
        mac = self._keyed.copy()
        # The stamp has one length, so that no realm can be mistaken for a part of it.
        mac.update(f"{stamp}{realm}".encode("utf-8", "surrogateescape"))
        return mac.hexdigest()

    def _hash_source(self, source: str) -> str:
        mark = self._keyed.copy()
        # No stamp begins like this, so that no mark is the beginning of a MAC.
        mark.update(f"source {source}".encode("utf-8", "surrogateescape"))
        return mark.hexdigest()[: _STAMP - _SERIAL]

    def __repr__(self) -> str:
        return f"Nonces(window_s={self.window_s}, replay windows={len(self.replays)})"
