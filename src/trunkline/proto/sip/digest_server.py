"""Digest as a server: challenge without state, then judge the answer (RFC 3261 §22, RFC 7616, RFC 8760)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import lru_cache
from hmac import compare_digest
from typing import Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.challenge import Challenge
from trunkline.proto.sip.credentials import Credentials
from trunkline.proto.sip.digest import DEFAULT_ALGORITHMS, HASHES, digest_response
from trunkline.proto.sip.nonce import Freshness, Nonces
from trunkline.proto.sip.uri import parse_uri
from trunkline.proto.sip.uri_equivalence import equivalent

# (username, realm, algorithm) to HA1, or None for nobody we know.
Ha1Lookup: TypeAlias = Callable[[str, str, str], str | None]

_MAX_RENDERED: Final = 1024
_QOPS: Final = frozenset({"", "auth", "auth-int"})
# Stands in for the HA1 of nobody, so that an unknown user costs what a known one costs.
_NOBODY: Final = {name: "0" * len(hashed(b"")) for name, hashed in HASHES.items()}


class Verdict(enum.Enum):
    """What credentials are worth. Only OK lets a request in; the others all end in a fresh challenge.

    STALE is a right digest over a nonce of ours that has expired, REPLAYED one whose nc was used before. Over a
    nonce that is not ours (FOREIGN_NONCE), or that was sent to another source (MOVED), no digest is looked at:
    who is answered the same for right and wrong learns nothing, and is no attempt at a password. STALE and MOVED
    may be told to the peer (``stale=true``). UNKNOWN_USER must not be told apart from WRONG by the peer.
    """

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    STALE = "stale"
    MOVED = "nonce of another address"
    REPLAYED = "replayed"
    FOREIGN_NONCE = "foreign nonce"
    UNKNOWN_USER = "unknown user"
    UNKNOWN_REALM = "unknown realm"
    UNKNOWN_ALGORITHM = "unknown algorithm"
    URI_MISMATCH = "uri mismatch"


_UNUSABLE: Final = {Freshness.FOREIGN: Verdict.FOREIGN_NONCE, Freshness.ELSEWHERE: Verdict.MOVED}


def verify(  # noqa: PLR0911  (a verdict each)
    credentials: Credentials | None,
    method: str,
    realm: str,
    ha1_lookup: Ha1Lookup,
    nonces: Nonces,
    now: float,
    *,
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS,
    request_uri: str | None = None,
    body: bytes = b"",
    source: str = "",
) -> Verdict:
    """Judge ``credentials`` for ``method`` in ``realm`` at ``now`` (seconds since the epoch), from ``source``.

    ``request_uri`` is compared with the digest's uri where given; by default it is not, since proxies rewrite
    Request-URIs on the way (RFC 7616 §3.4.6). Clients without qop have no nc: what holds off a replay of
    theirs is the life of the nonce alone.
    """
    if credentials is None or not credentials.response or not credentials.nonce:
        # IMS phones send empty ones in their first REGISTER to name themselves (3GPP TS 24.229 §5.1.1.2).
        return Verdict.MISSING
    if credentials.realm != realm:
        return Verdict.UNKNOWN_REALM
    algorithm = credentials.algorithm
    if algorithm not in algorithms or algorithm not in HASHES or credentials.qop not in _QOPS:
        return Verdict.UNKNOWN_ALGORITHM
    freshness = nonces.judge(credentials.nonce, realm, now, source)
    if freshness in _UNUSABLE:
        return _UNUSABLE[freshness]
    secret = ha1_lookup(credentials.username, realm, algorithm)
    expected = digest_response(
        algorithm,
        _NOBODY[algorithm] if secret is None else secret,
        credentials.nonce,
        method,
        credentials.uri,
        qop=credentials.qop,
        nc=credentials.nc,
        cnonce=credentials.cnonce,
        body=body,
    )
    right = compare_digest(expected, credentials.response)
    if secret is None or not right:
        return Verdict.WRONG if secret is not None else Verdict.UNKNOWN_USER
    if request_uri is not None and not _same_uri(credentials.uri, request_uri):
        return Verdict.URI_MISMATCH
    return Verdict.STALE if freshness is Freshness.EXPIRED else _use(credentials, nonces, now)


def render_challenge(
    realm: str,
    nonces: Nonces,
    now: float,
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS,
    stale: bool = False,
    header: str = "WWW-Authenticate",
    source: str = "",
) -> str:
    """Finished header lines with one new nonce, one line for each algorithm in the order given (RFC 8760 §2.3).

    ``algorithms`` stands strongest first; ``header`` may be Proxy-Authenticate; the nonce is for ``source``.
    """
    return nonces.mint(realm, now, source).join(_around_nonce(header, realm, algorithms, stale))


@lru_cache(maxsize=_MAX_RENDERED)
def _around_nonce(header: str, realm: str, algorithms: tuple[str, ...], stale: bool) -> list[str]:
    """The lines of a challenge cut where the nonces belong: all else of them is always the same."""
    lines = [
        f"{header}: {Challenge(realm, '', algorithm, qops=('auth',), stale=stale).render()}\r\n"
        for algorithm in algorithms
    ]
    # Quotes within the realm are escaped and a NUL becomes a space, so these occur once in each line.
    return "".join(lines).replace('nonce=""', 'nonce="\0"').split("\0")


def _use(credentials: Credentials, nonces: Nonces, now: float) -> Verdict:
    """Whether a right digest over a fresh nonce comes for the first time."""
    if credentials.qop and not nonces.use(
        credentials.nonce, credentials.username, credentials.cnonce, credentials.count, now
    ):
        return Verdict.REPLAYED
    return Verdict.OK


def _same_uri(claimed: str, requested: str) -> bool:
    if claimed == requested:
        return True
    try:
        return equivalent(parse_uri(claimed), parse_uri(requested))
    except RemoteProtocolError:
        return False
