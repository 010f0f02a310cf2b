"""Nonces that need no memory: the second they were minted in and a keyed hash over it (RFC 7616 §5.4).

Whoever holds the key can verify them, so any worker can, and a restart forgets none. One nonce a second
serves all who are challenged in it; that they do not replay each other is the business of the replay table,
which each process keeps for itself.
"""

from __future__ import annotations

import enum
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from trunkline.proto.sip.replay import ReplayTable

DEFAULT_WINDOW_S: Final = 300
_MAC_BYTES: Final = 12
_NONCE_LENGTH: Final = 8 + 2 * _MAC_BYTES
_MAX_KNOWN: Final = 4096
# Workers of one cluster may disagree about the time by this much.
_SKEW_S: Final = 5


class Freshness(enum.Enum):
    """What a nonce is worth."""

    FRESH = "fresh"
    EXPIRED = "expired"
    FOREIGN = "foreign"


class Nonces:
    """Mints and judges nonces under ``key`` (16..64 bytes, secret); they are valid for ``window_s`` seconds.

    ``now`` is always seconds since the epoch, because other processes and later ones must agree about it.
    """

    __slots__ = ("_key", "_known", "_swept", "rendered", "replays", "window_s")

    def __init__(self, key: bytes, window_s: int = DEFAULT_WINDOW_S, replay_capacity: int = 65536) -> None:
        if not 16 <= len(key) <= blake2b.MAX_KEY_SIZE:
            raise ValueError(f"a nonce key has 16 to {blake2b.MAX_KEY_SIZE} bytes, this one {len(key)}")
        self._key = key
        self.window_s = window_s
        self.replays = ReplayTable(replay_capacity)
        # What render_challenge made: by realm, algorithms and stale, with the second it is good for.
        self.rendered: dict[tuple[str, tuple[str, ...], bool], tuple[int, tuple[str, ...]]] = {}
        self._known: dict[str, tuple[int, str, str]] = {}
        self._swept = 0

    def mint(self, realm: str, algorithm: str, now: float) -> str:
        """The nonce of this second for this realm and algorithm: 32 hexadecimal digits."""
        second = int(now)
        nonce = self._sign(second, realm, algorithm)
        self._remember(nonce, second, realm, algorithm)
        return nonce

    def judge(self, nonce: str, realm: str, algorithm: str, now: float) -> Freshness:
        """Whether we (or a holder of the key) minted ``nonce`` for this realm and algorithm, and lately."""
        known = self._known.get(nonce)
        if known is not None and known[1] == realm and known[2] == algorithm:
            second = known[0]
        else:
            second = _second_of(nonce)
            if second < 0 or not compare_digest(nonce, self._sign(second, realm, algorithm)):
                return Freshness.FOREIGN
            self._remember(nonce, second, realm, algorithm)
        if -_SKEW_S <= now - second < self.window_s and second > self.replays.floor:
            return Freshness.FRESH
        return Freshness.EXPIRED

    def use(self, nonce: str, username: str, cnonce: str, count: int, now: float) -> bool:
        """Take nonce count ``count`` of a fresh nonce; False when it was taken before or is far too late.

        Call it only once the digest is right: a guess must not use up the count of somebody else.
        """
        if int(now) != self._swept:
            self._swept = int(now)
            self.replays.forget_before(self._swept - self.window_s)
        # The interpreter keys hash() of text anew in each process, and a collision costs but another 401.
        return self.replays.use(_second_of(nonce), hash((nonce, username, cnonce)), count)

    def _sign(self, second: int, realm: str, algorithm: str) -> str:
        text = f"{second:08x}{algorithm}:{realm}"
        mac = blake2b(text.encode("utf-8", "surrogateescape"), digest_size=_MAC_BYTES, key=self._key)
        return f"{second:08x}{mac.hexdigest()}"

    def _remember(self, nonce: str, second: int, realm: str, algorithm: str) -> None:
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[nonce] = (second, realm, algorithm)

    def __repr__(self) -> str:
        return f"Nonces(window_s={self.window_s}, replay windows={len(self.replays)})"


def _second_of(nonce: str) -> int:
    """The second that ``nonce`` names, unverified; -1 when it has not our form."""
    if len(nonce) != _NONCE_LENGTH or not nonce.isalnum() or not nonce.isascii():
        return -1
    try:
        return int(nonce[:8], 16)
    except ValueError:
        return -1
