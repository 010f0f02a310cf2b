"""Digest as a client: answer challenges, count nonces, know when to stop (RFC 3261 §22.2, RFC 8760 §2.4).

One object for each kind of header and peer: a 401 is answered by Authorization, a 407 by Proxy-Authorization.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from trunkline.proto.sip.auth_params import parse_auth_params
from trunkline.proto.sip.challenge import Challenge
from trunkline.proto.sip.digest import digest_response, ha1
from trunkline.proto.sip.grammar import quote

MAX_REFUSALS: Final = 2
# A server that calls each nonce stale would keep us going round for ever.
MAX_STALE: Final = 3
MAX_REALMS: Final = 8
_NC_MAX: Final = 2**32 - 1


class Account:
    """Who we are to a peer: a user name with a password, or with HA1s by (realm, algorithm).

    ``realm`` limits the account to one realm; None answers any. repr tells no secret.
    """

    __slots__ = ("_ha1s", "_password", "realm", "username")

    def __init__(
        self,
        username: str,
        password: str | None = None,
        ha1s: dict[tuple[str, str], str] | None = None,
        realm: str | None = None,
    ) -> None:
        self.username = username
        self.realm = realm
        self._password = password
        self._ha1s = ha1s or {}

    def ha1(self, realm: str, algorithm: str) -> str | None:
        """The HA1 for this realm and algorithm, None when we have none or must not answer."""
        if self.realm is not None and realm != self.realm:
            return None
        if self._password is not None:
            return ha1(self.username, realm, self._password, algorithm)
        return self._ha1s.get((realm, algorithm))

    def __repr__(self) -> str:
        return f"Account({self.username!r})"


class Attempts:
    """How one request fared so far: made with the request, handed in each time it is sent again.

    Kept per request, because many requests are challenged at once without anybody having been refused.
    """

    __slots__ = ("_answered", "_refused", "_stale")

    def __init__(self) -> None:
        self._answered: set[str] = set()
        self._refused: dict[str, int] = {}
        self._stale: dict[str, int] = {}

    @property
    def any(self) -> bool:
        """Whether the request has left with credentials."""
        return bool(self._answered)

    def sent(self, realm: str) -> None:
        """The request leaves with credentials for ``realm``."""
        self._answered.add(realm)

    def may_answer(self, challenge: Challenge) -> bool:
        """Count a refusal when we had answered already; False when it is enough.

        Some servers forget the stale flag, so one refusal without it gets one more try.
        """
        realm = challenge.realm
        if realm in self._answered:
            counts = self._stale if challenge.stale else self._refused
            counts[realm] = counts.get(realm, 0) + 1
        return self._refused.get(realm, 0) < MAX_REFUSALS and self._stale.get(realm, 0) < MAX_STALE


class RealmState:
    """What we know of one realm: its last challenge and how often its nonce was used."""

    __slots__ = ("algorithm", "count", "named", "nonce", "opaque", "qop", "realm")

    def __init__(self, realm: str) -> None:
        self.realm = realm
        self.nonce = ""
        self.algorithm = "MD5"
        self.named = True
        self.qop = ""
        self.opaque: str | None = None
        self.count = 0

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data."""
        return {
            "realm": self.realm,
            "nonce": self.nonce,
            "algorithm": self.algorithm,
            "named": self.named,
            "qop": self.qop,
            "opaque": self.opaque,
            "count": self.count,
        }

    @classmethod
    def restore(cls, saved: dict[str, Any]) -> RealmState:
        """The state that ``snapshot`` gave."""
        state = cls(saved["realm"])
        state.nonce = saved["nonce"]
        state.algorithm = saved["algorithm"]
        state.named = saved["named"]
        state.qop = saved["qop"]
        state.opaque = saved["opaque"]
        state.count = saved["count"]
        return state

    def take(self, challenge: Challenge, qop: str) -> None:
        """The server's newest challenge; the count goes on when the nonce is still the same."""
        self.renew(challenge.nonce)
        self.algorithm = challenge.algorithm
        self.named = challenge.named
        self.opaque = challenge.opaque
        self.qop = qop

    def renew(self, nonce: str) -> None:
        """Go on with ``nonce``; its count begins anew when it is another one."""
        if nonce != self.nonce:
            self.nonce = nonce
            self.count = 0


class DigestClient:
    """Answers one peer's challenges for one account; all else in it is plain data (``snapshot``,
    ``restore``)."""

    __slots__ = ("_realms", "account")

    def __init__(self, account: Account) -> None:
        self.account = account
        self._realms: dict[str, RealmState] = {}

    def answer(
        self,
        challenges: Iterable[Challenge],
        method: str,
        uri: str,
        cnonce: str,
        attempts: Attempts,
        body: bytes = b"",
    ) -> list[str]:
        """Header values that answer ``challenges`` (strongest first), one for each realm; empty: give up.

        A forking proxy hands on the challenges of several realms at once (RFC 8760 §2.5). ``cnonce`` is fresh
        entropy. Given up is a request that the peer refused twice or called stale three times, and one for
        which it asks what we cannot do.
        """
        values = []
        for challenge, qop in self._choose(challenges):
            if attempts.may_answer(challenge):
                state = self._realms.setdefault(challenge.realm, RealmState(challenge.realm))
                state.take(challenge, qop)
                attempts.sent(state.realm)
                values.append(self._render(state, method, uri, cnonce, body))
        return values

    def authorize(
        self, method: str, uri: str, cnonce: str, attempts: Attempts, body: bytes = b""
    ) -> list[str]:
        """Header values for a new request from what is known already, to spare a round trip; may be empty."""
        values = []
        for state in self._realms.values():
            if state.count < _NC_MAX:
                attempts.sent(state.realm)
                values.append(self._render(state, method, uri, cnonce, body))
        return values

    @property
    def realms(self) -> int:
        """How many realms have challenged."""
        return len(self._realms)

    def learn(self, authentication_info: str) -> None:
        """Take over the nextnonce of an Authentication-Info (RFC 7616 §3.5), which names no realm.

        Raises RemoteProtocolError when it is malformed.
        """
        nonce = parse_auth_params(authentication_info).get("nextnonce")
        if nonce and len(self._realms) == 1:
            for state in self._realms.values():
                state.renew(nonce)

    def snapshot(self) -> list[dict[str, Any]]:
        """All state as plain data; no secret is in it."""
        return [state.snapshot() for state in self._realms.values()]

    @classmethod
    def restore(cls, account: Account, snapshot: list[dict[str, Any]]) -> DigestClient:
        """The client that ``snapshot`` was taken of, for the same account."""
        client = cls(account)
        for saved in snapshot[:MAX_REALMS]:
            client._realms[saved["realm"]] = RealmState.restore(saved)
        return client

    def _choose(self, challenges: Iterable[Challenge]) -> list[tuple[Challenge, str]]:
        """For each realm the first challenge that we can answer, with the qop to use."""
        chosen: dict[str, tuple[Challenge, str]] = {}
        for challenge in challenges:
            qop = _choose_qop(challenge.qops)
            known = challenge.realm in self._realms or len(self._realms) + len(chosen) < MAX_REALMS
            if challenge.realm in chosen or qop is None or not known:
                continue
            if self.account.ha1(challenge.realm, challenge.algorithm) is not None:
                chosen[challenge.realm] = (challenge, qop)
        return list(chosen.values())

    def _render(self, state: RealmState, method: str, uri: str, cnonce: str, body: bytes) -> str:
        secret = self.account.ha1(state.realm, state.algorithm) or ""
        state.count += 1
        nc = f"{state.count:08x}"
        response = digest_response(
            state.algorithm, secret, state.nonce, method, uri, qop=state.qop, nc=nc, cnonce=cnonce, body=body
        )
        text = (
            f"Digest username={quote(self.account.username)}, realm={quote(state.realm)}, "
            f'nonce={quote(state.nonce)}, uri={quote(uri)}, response="{response}"'
        )
        if state.named:
            text += f", algorithm={state.algorithm}"
        if state.qop:
            text += f", qop={state.qop}, nc={nc}, cnonce={quote(cnonce)}"
        return text if state.opaque is None else f"{text}, opaque={quote(state.opaque)}"


def _choose_qop(qops: tuple[str, ...]) -> str | None:
    """auth where offered, auth-int where it stands alone, "" for RFC 2069, None for what we do not know."""
    if not qops:
        return ""
    if "auth" in qops:
        return "auth"
    return "auth-int" if "auth-int" in qops else None
