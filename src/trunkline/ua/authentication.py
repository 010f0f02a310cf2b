"""Who sends a request: digest challenges and verdicts on their answers (RFC 3261 §22, RFC 8760)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.story import Story
from trunkline.net.fence import Fence
from trunkline.net.fence.source import source_of
from trunkline.proto.sip.credentials import Credentials, find_credentials
from trunkline.proto.sip.digest import DEFAULT_ALGORITHMS
from trunkline.proto.sip.digest_server import Verdict, render_challenge, verify
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.proto.sip.nonce import Nonces
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.algorithm_memory import AlgorithmMemory

# The digest is right, whatever became of its nonce: only who knows the password gets here.
# (A tuple: members of an Enum are compared sooner than hashed.)
_RIGHT: Final = (Verdict.OK, Verdict.STALE, Verdict.REPLAYED)
# An attempt at a password, over a nonce that was sent to where it comes from.
_WRONG: Final = (Verdict.WRONG, Verdict.UNKNOWN_USER)


class CredentialSource(Protocol):
    """The HA1s of one tenant's users."""

    def __call__(self, username: str, realm: str, algorithm: str) -> str | None:
        """HA1 in lower-case hexadecimal, or None for nobody we know."""
        ...


class AuthenticationCounters:
    """Plain counts for metrics."""

    __slots__ = ("accepted", "challenged", "stale", "wrong")

    def __init__(self) -> None:
        self.accepted = 0
        self.challenged = 0
        self.stale = 0
        self.wrong = 0


class Authenticator:
    """Admits requests with right credentials and answers all others 401, keeping nothing of them.

    ``algorithms`` are offered strongest first, and no other is accepted; where SHA-256 and MD5 are both
    allowed, an ``AlgorithmMemory`` offers MD5 alone to clients that choke on more (docs/decisions/0004).
    ``wall`` gives wall-clock seconds, because nonces outlive us. The ``fence`` hears of right and wrong
    passwords and says who is not answered.
    """

    def __init__(
        self,
        nonces: Nonces,
        wall: Callable[[], float],
        algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS,
        fence: Fence | None = None,
    ) -> None:
        self.fence = fence or Fence()
        self._nonces = nonces
        self._wall = wall
        self._algorithms = algorithms
        self._memory = AlgorithmMemory() if algorithms == DEFAULT_ALGORITHMS else None
        self.counters = AuthenticationCounters()

    def admit(self, incoming: Incoming, realm: str, source: CredentialSource, story: Story) -> str | None:
        """The authenticated user name, or None when the request was challenged, or left unanswered."""
        verdict, user = self.judge(incoming, realm, source)
        if verdict is Verdict.OK:
            story.add(incoming.now, "auth.ok", f"{user} proved who it is")
            return user
        tell_refusal(story, incoming.now, verdict)
        self.challenge(incoming, realm, verdict)
        return None

    def judge(self, incoming: Incoming, realm: str, source: CredentialSource) -> tuple[Verdict, str]:
        """What the request's credentials are worth, and the user whose they are ("" when there are none).

        A user may call itself ``user@realm`` or ``user@domain``, as some phones do for the sake of tenants (rule
        T-32); which of them holds is the source's to say.
        """
        request = incoming.request
        # Another scheme counts as none: the challenge says what we want (RFC 4475 §3.3.12).
        credentials = find_credentials(request.headers.get("Authorization"), realm)
        if credentials is None:
            return Verdict.MISSING, ""
        user = _user_of(credentials)
        if self.fence.shut and self._is_muted(incoming, realm, user):
            return Verdict.MISSING, ""
        remote = incoming.wire.remote
        verdict = verify(
            credentials,
            request.method,
            realm,
            source,
            self._nonces,
            self._wall(),
            algorithms=self._algorithms,
            body=request.body,
            source=source_of(remote[0]),
        )
        if self._memory is not None and verdict in _RIGHT:
            self._memory.proved(request, remote[0], credentials.algorithm)
        if verdict is Verdict.OK:
            self.counters.accepted += 1
            self.fence.proved(remote, realm, user, incoming.now)
        elif verdict in _WRONG:
            self.fence.failed(remote, realm, user, incoming.now, hash(credentials.response))
        return verdict, user

    def challenge(self, incoming: Incoming, realm: str, verdict: Verdict) -> None:
        """Answer 401, or nothing to whom the fence mutes.

        ``stale`` is said to who knows the password (RFC 3261 §22.4), and to whom nothing else is said: over a
        nonce that was sent elsewhere no password is looked at.
        """
        stale = verdict is Verdict.STALE or verdict is Verdict.MOVED
        if verdict is Verdict.MISSING:
            self.counters.challenged += 1
        elif stale:
            self.counters.stale += 1
        else:
            self.counters.wrong += 1
        wire = incoming.wire
        remote = wire.remote
        if self.fence.shut and self._is_muted(incoming, realm, ""):
            self.fence.counters.muted += 1
            return
        proves_its_place = verdict is Verdict.STALE or verdict in _WRONG
        if not proves_its_place and self.fence.floods(remote, incoming.now, reliable=wire.reliable):
            return
        algorithms = self._algorithms
        if self._memory is not None:
            algorithms = self._memory.offer(incoming.request, remote[0])
        lines = render_challenge(
            realm, self._nonces, self._wall(), algorithms, stale, source=source_of(remote[0])
        )
        incoming.respond(401, extra=lines)

    def ignores(self, incoming: Incoming) -> bool:
        """Whether a request that proves nothing stays unanswered; ask it once for each answer to a stranger."""
        wire = incoming.wire
        return self.fence.mutes_strangers(wire.remote, incoming.now, reliable=wire.reliable)

    def _is_muted(self, incoming: Incoming, realm: str, user: str) -> bool:
        """Whether it comes from a banned source, and not from ``user`` (else its From) who is known there."""
        claimed = user or _claimed(incoming.request, realm)
        return self.fence.mutes(incoming.wire.remote, realm, claimed, incoming.now)


def tell_refusal(story: Story, at: float, verdict: Verdict, source: str = "") -> None:
    """Why a request is challenged; ``source`` is the address it came from, where that is told.

    The peer learns no difference between a wrong password and an unknown user; the operator does.
    """
    if verdict is Verdict.MISSING:
        story.add(at, "auth.challenge", "challenged")
    elif verdict is Verdict.STALE:
        story.add(at, "auth.stale", "the nonce has expired, challenged again")
    elif verdict is Verdict.MOVED:
        story.add(at, "auth.stale", "the nonce was sent to another address, challenged again")
    else:
        told = {"source": source} if source else {}
        story.add(at, "auth.wrong", f"credentials refused: {verdict.value}", verdict=verdict.value, **told)


def _user_of(credentials: Credentials) -> str:
    """The user without its tenant: no extension has an @ in its number."""
    name = credentials.username
    return name.rpartition("@")[0] if "@" in name else name


def _claimed(request: Request, realm: str) -> str:
    """The user in From, or in the credentials when there are some."""
    try:
        credentials = find_credentials(request.headers.get("Authorization"), realm)
        if credentials is not None:
            return _user_of(credentials)
        return parse_name_addr(request.headers["From"]).address.user
    except RemoteProtocolError:
        return ""
