"""Who sends a request: digest challenges and verdicts on their answers (RFC 3261 §22, RFC 8760)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from trunkline.base.story import Story
from trunkline.proto.sip.credentials import find_credentials
from trunkline.proto.sip.digest_server import Verdict, render_challenge, verify
from trunkline.proto.sip.nonce import Nonces
from trunkline.proto.sip.transaction.incoming import Incoming


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
    """Admits requests with right credentials and answers all others 401, keeping nothing.

    ``algorithms`` are offered strongest first; ``wall`` gives wall-clock seconds, because nonces outlive us.
    """

    def __init__(
        self,
        nonces: Nonces,
        wall: Callable[[], float],
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
    ) -> None:
        self._nonces = nonces
        self._wall = wall
        self._algorithms = algorithms
        self.counters = AuthenticationCounters()

    def admit(
        self,
        incoming: Incoming,
        realm: str,
        source: CredentialSource,
        story: Story,
        *,
        is_repeat: Callable[[str], bool] = lambda _username: False,
    ) -> str | None:
        """The authenticated user name, or None when the request was answered with a challenge.

        ``is_repeat(username)`` says whether a request whose digest is right but used before is a
        retransmission that changes nothing: then it is admitted, for its first answer was lost.
        """
        request = incoming.request
        now = self._wall()
        # Another scheme, or garbage, counts as none: the challenge says what we want (RFC 4475 §3.3.12).
        credentials = find_credentials(request.headers.get("Authorization"), realm)
        verdict = verify(
            credentials,
            request.method,
            realm,
            source,
            self._nonces,
            now,
            algorithms=self._algorithms,
            body=request.body,
        )
        if credentials is not None and (
            verdict is Verdict.OK or (verdict is Verdict.REPLAYED and is_repeat(credentials.username))
        ):
            self.counters.accepted += 1
            story.add(incoming.now, "auth.ok", f"{credentials.username} proved who it is")
            return credentials.username
        self._challenge(incoming, realm, verdict, story, now)
        return None

    def _challenge(self, incoming: Incoming, realm: str, verdict: Verdict, story: Story, now: float) -> None:
        stale = verdict is Verdict.STALE
        if verdict is Verdict.MISSING:
            self.counters.challenged += 1
            story.add(incoming.now, "auth.challenge", "challenged")
        elif stale:
            self.counters.stale += 1
            story.add(incoming.now, "auth.stale", "the nonce has expired, challenged again")
        else:
            self.counters.wrong += 1
            # The peer learns no difference between a wrong password and an unknown user; the operator does.
            story.add(
                incoming.now, "auth.wrong", f"credentials refused: {verdict.value}", verdict=verdict.value
            )
        values = render_challenge(realm, self._nonces, now, self._algorithms, stale)
        incoming.respond(401, extra="".join([f"WWW-Authenticate: {value}\r\n" for value in values]))
