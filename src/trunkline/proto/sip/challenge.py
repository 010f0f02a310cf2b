"""WWW-Authenticate, Proxy-Authenticate: what a server asks for (RFC 3261 §20.44, RFC 7616 §3.3, RFC 8760)."""

from __future__ import annotations

from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.auth_params import parse_auth_params, split_scheme
from trunkline.proto.sip.digest import algorithm_name, strength
from trunkline.proto.sip.grammar import WHITE, quote

MAX_CHALLENGES: Final = 16


class Challenge:
    """A digest challenge. ``algorithm`` is canonical, ``named`` whether the server wrote it down.

    ``qops`` in lower case in the server's order, empty for a server of RFC 2069.
    """

    __slots__ = ("algorithm", "named", "nonce", "opaque", "qops", "realm", "stale")

    def __init__(
        self,
        realm: str,
        nonce: str,
        algorithm: str = "MD5",
        *,
        qops: tuple[str, ...] = (),
        opaque: str | None = None,
        stale: bool = False,
        named: bool = True,
    ) -> None:
        self.realm = realm
        self.nonce = nonce
        self.algorithm = algorithm
        self.qops = qops
        self.opaque = opaque
        self.stale = stale
        self.named = named

    def render(self) -> str:
        """The header value. algorithm is no quoted string, qop is one (RFC 7616 §3.3)."""
        text = f"Digest realm={quote(self.realm)}, nonce={quote(self.nonce)}, algorithm={self.algorithm}"
        if self.qops:
            text += f', qop="{",".join(self.qops)}"'
        if self.opaque is not None:
            text += f", opaque={quote(self.opaque)}"
        return f"{text}, stale=true" if self.stale else text

    def __repr__(self) -> str:
        return f"Challenge({self.render()})"


def parse_challenges(value: str) -> list[Challenge]:
    """The digest challenges of all header values, strongest algorithm first, else in the order they came.

    Other schemes and unknown algorithms are left out (RFC 8760 §2.4). Raises RemoteProtocolError for a
    malformed digest challenge.
    """
    challenges = []
    for line in value.split("\n")[:MAX_CHALLENGES]:
        scheme, rest = split_scheme(line)
        if scheme == "digest":
            challenge = _parse_digest(rest)
            if strength(challenge.algorithm) >= 0:
                challenges.append(challenge)
    challenges.sort(key=_weakness)
    return challenges


def _parse_digest(text: str) -> Challenge:
    params = parse_auth_params(text)
    if "realm" not in params or not params.get("nonce"):
        raise RemoteProtocolError("digest challenge without realm and nonce")
    qops = tuple(qop for each in params.get("qop", "").split(",") if (qop := each.strip(WHITE).lower()))
    return Challenge(
        params["realm"],
        params["nonce"],
        algorithm_name(params.get("algorithm", "MD5")),
        qops=qops,
        opaque=params.get("opaque"),
        stale=params.get("stale", "").lower() == "true",
        named="algorithm" in params,
    )


def _weakness(challenge: Challenge) -> int:
    return -strength(challenge.algorithm)
