"""Provider tokens: who we are, signed (Apple: "Establishing a token-based connection to APNs").

There is one for each team and key in the whole process, however many pushers and connections use it: Apple refuses a
team whose token changes more than once in 20 minutes (429), and one that is older than an hour (403).

The time in a token is the beginning of a slot of 22.5 minutes, and its signature is deterministic (RFC 6979): a process
that starts again, or another worker, makes the same token as long as the slot lasts. It is renewed after two slots.

What Apple makes of it:
    403 ExpiredProviderToken          a new one, at most once in 20 minutes, by whoever hears of it first
    403 InvalidProviderToken          nothing helps but another key
    429 TooManyProviderTokenUpdates   none is made for 20 minutes
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from trunkline.base.errors import ConfigError
from trunkline.push.apns.plan import ApnsKey

SLOT_S: Final = 1350
RENEWED_S: Final = 2 * SLOT_S
NEVER_OFTENER_S: Final = 1200.0
SETTINGS: Final = "settings"
_LOOKED_AT_S: Final = 10.0
_MOST: Final = 256  # of teams with their keys

log = structlog.get_logger("push")
Clock = Callable[[], float]


@dataclass(slots=True)
class _Shown:
    """What Apple was shown of a key, and what it made of it: the same for all that sign with it."""

    text: bytes = b""
    issued: float = 0.0
    forced: float = 0.0
    paused_until: float = 0.0
    count: int = 0


class ProviderToken:
    """The token of one team and key. ``wall`` gives seconds since 1970."""

    def __init__(self, team: str, key: ApnsKey, where: str = "push.apns", wall: Clock = time.time) -> None:
        self._team = team
        self._where = where
        self._wall = wall
        self._key = key
        self._stamp: tuple[int, int, int] | None = None
        self._private: ec.EllipticCurvePrivateKey | None = None
        self._shown = _Shown()
        self._looked = 0.0

    @property
    def count(self) -> int:
        """How many were made."""
        return self._shown.count

    def load(self) -> None:
        """Read the key now; raises ConfigError when it cannot be used."""
        self._stamp = self._stamp_of_file()
        self._private = _private_key(self._key, self._where)
        self._looked = self._wall()

    def follow(self, known: ProviderToken) -> bool:
        """Go on where ``known`` is, if the key is the same; whether it also stands in the same place."""
        ours, theirs = self._private, known._private
        if ours is None or theirs is None or _number(ours) != _number(theirs):
            return False
        self._shown = known._shown
        return self._key == known._key

    def current(self) -> bytes:
        """The token to send now. Raises ConfigError while there is no usable key."""
        now = self._wall()
        if now - self._looked >= _LOOKED_AT_S or now < self._looked:
            self._look(now)
        shown = self._shown
        age = now - shown.issued
        # A clock that was set back would make one that lasts for days.
        if not shown.text or (not -SLOT_S <= age < RENEWED_S and now >= shown.paused_until):
            self._make(float(now // SLOT_S * SLOT_S))
        return self._shown.text

    def expired(self, used: bytes) -> bool:
        """Apple calls ``used`` expired. True: ``current()`` is another one now, so try again."""
        shown = self._shown
        if used != shown.text:
            return True  # somebody has renewed it since
        now = self._wall()
        if now < max(shown.paused_until, shown.forced + NEVER_OFTENER_S):
            return False
        shown.forced = now
        self._make(now if now != shown.issued else now + 1)
        log.warning("push.apns.token_renewed", team=self._team, why="Apple called it expired")
        return True

    def too_many(self) -> None:
        """Apple says that tokens change too often. What it says again of requests under way changes nothing."""
        if not self.paused:
            self._shown.paused_until = self._wall() + NEVER_OFTENER_S

    @property
    def paused(self) -> bool:
        """Whether no other token is made now, because Apple says that there were too many."""
        return self._wall() < self._shown.paused_until

    def _make(self, issued: float) -> None:
        if self._private is None:
            self.load()
        if self._private is not None:
            shown = self._shown
            shown.text = b"bearer " + signed(self._private, self._key.key_id, self._team, int(issued))
            shown.issued = issued
            shown.count += 1

    def _look(self, now: float) -> None:
        """Take another key over when the file has changed; keep what there is while it cannot be used."""
        self._looked = now
        found = self._stamp_of_file()
        if found is None or found == self._stamp:
            return
        try:
            private = _private_key(self._key, self._where)
        except ConfigError as error:
            log.error("push.apns.key_not_reloaded", why=str(error))  # noqa: TRY400  (said in full)
            return
        self._stamp = found
        if self._private is None or _number(private) != _number(self._private):
            self._private, self._shown = private, _Shown(count=self.count)
            log.info("push.apns.key_reloaded", team=self._team, key=self._key.key_id)

    def _stamp_of_file(self) -> tuple[int, int, int] | None:
        if self._key.path is None:
            return None
        try:
            found = os.stat(self._key.path)  # noqa: PTH116  (once in ten seconds, on the way of a call)
        except OSError:
            return None
        # All keys have one length, and files of one archive or image often one time: another is another file then.
        return found.st_mtime_ns, found.st_size, found.st_ino


class ProviderTokens:
    """All of a process, by team and key id."""

    def __init__(self, wall: Clock = time.time) -> None:
        self._wall = wall
        self._tokens: dict[tuple[str, str], ProviderToken] = {}

    def of(self, team: str, key: ApnsKey, where: str = "push.apns") -> ProviderToken:
        """The one token of this team and key, whoever asks. Raises ConfigError for a key that cannot be used.

        The key is read each time; whoever has asked keeps the token, and the same key in another file goes on with what
        Apple knows of it.
        """
        token = ProviderToken(team, key, where, self._wall)
        token.load()
        known = self._tokens.get((team, key.key_id))
        if known is not None and token.follow(known):
            return known
        if known is None and len(self._tokens) >= _MOST:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[team, key.key_id] = token
        return token

    def of_one_pusher(self) -> ProviderTokens:
        """The same for one that asks often and keeps what it got, whatever keys others come with later."""
        return _Kept(self)


class _Kept(ProviderTokens):
    def __init__(self, all_of_them: ProviderTokens) -> None:
        super().__init__()
        self._all = all_of_them

    def of(self, team: str, key: ApnsKey, where: str = "push.apns") -> ProviderToken:
        token = self._tokens.get((team, key.key_id))
        if token is None:
            token = self._tokens[team, key.key_id] = self._all.of(team, key, where)
        return token


PROCESS: Final = ProviderTokens()
"""What pushers use unless they are given another."""


def signed(private: ec.EllipticCurvePrivateKey, key_id: str, team: str, issued: int) -> bytes:
    """An ES256 token (RFC 7515, RFC 7518 §3.4) with ``iss`` and ``iat``."""
    head = _base64(json.dumps({"alg": "ES256", "kid": key_id}, separators=(",", ":")).encode())
    claims = _base64(json.dumps({"iss": team, "iat": issued}, separators=(",", ":")).encode())
    text = head + b"." + claims
    try:
        made = private.sign(text, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:  # an OpenSSL before 3.2
        made = private.sign(text, ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(made)
    return text + b"." + _base64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _number(private: ec.EllipticCurvePrivateKey) -> int:
    return private.public_key().public_numbers().x


def _private_key(key: ApnsKey, where: str) -> ec.EllipticCurvePrivateKey:
    expected = "the token signing key of Apple's, a file such as AuthKey_ABC123DEFG.p8"
    name = f"{where}.key_path"
    if key.path is None and not key.pem:
        raise ConfigError(SETTINGS, name, "nothing", expected, "make one at developer.apple.com, under Keys")
    try:
        pem = key.path.expanduser().read_bytes() if key.path is not None else key.pem.encode()
    except OSError as error:
        seen = f"{key.path}, which cannot be read: {error.strerror}"
        raise ConfigError(SETTINGS, name, seen, expected) from None
    seen = str(key.path) if key.path is not None else "a text"
    try:
        private = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        seen = f"{seen}, which holds no PEM private key without a password"
        raise ConfigError(SETTINGS, name, seen, expected) from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.curve.name != "secp256r1":
        raise ConfigError(SETTINGS, name, f"{seen}, whose key is not of the curve P-256", expected)
    return private
