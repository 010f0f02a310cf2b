"""A registrar behind a real endpoint, without sockets: fake flows, a fake journal, a clock that stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from trunkline.base.errors import TransportError
from trunkline.base.ids import NodeIds
from trunkline.base.story import Story
from trunkline.model.binding import Binding
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.pbx.directory import Directory
from trunkline.proto.sip.challenge import parse_challenges
from trunkline.proto.sip.digest import digest_response, ha1
from trunkline.proto.sip.message import Request, Response, parse_message
from trunkline.proto.sip.nonce import Nonces
from trunkline.registrar.door import RegistrarDoor
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.ua.authentication import Authenticator
from trunkline.ua.endpoint import Endpoint

NOW = 1_800_000_000.0
PASSWORD = "nine-blue-chairs"
LISTENER = Listener("udp:192.0.2.1:5060")


class FakeFlow:
    """The way to one phone; keeps what is sent there."""

    listener = LISTENER
    closed = False

    def __init__(self, host: str = "198.51.100.7", port: int = 5062, *, reliable: bool = False) -> None:
        self.remote = (host, port)
        self.reliable = reliable
        self.transport = "TCP" if reliable else "UDP"
        self.sent: list[bytes] = []

    @property
    def token(self) -> str:
        return f"{self.transport}|{self.remote[0]}:{self.remote[1]}"

    def send(self, data: bytes, on_failure: Callable[[TransportError], None] | None = None) -> None:
        self.sent.append(data)

    def on_close(self, callback: Callable[[Flow], None]) -> None:
        """Never closed."""

    def off_close(self, callback: Callable[[Flow], None]) -> None:
        """Never closed."""

    @property
    def last(self) -> Response:
        message = parse_message(self.sent[-1])
        assert isinstance(message, Response)
        return message


class FakeJournal:
    """Commits at once, or when ``held`` is let go; ``error`` fails what is new, at once or in its future."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []
        self.held = False
        self.error: Exception | None = None
        self.raises_at_once = False
        self._waiting: list[asyncio.Future[None]] = []

    def new(self, binding: Binding) -> asyncio.Future[None]:
        if self.error is not None and self.raises_at_once:
            raise self.error
        self.written.append(("new", binding.contact))
        return self._future(self.error)

    def gone(self, binding: Binding) -> asyncio.Future[None]:
        self.written.append(("gone", binding.contact))
        return self._future(None)

    def refresh(self, binding: Binding) -> None:
        self.written.append(("refresh", binding.contact))

    def let_go(self) -> None:
        """Commit what waits."""
        self.held = False
        for future in self._waiting:
            future.set_result(None)
        self._waiting.clear()

    def _future(self, error: Exception | None) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.held:
            self._waiting.append(future)
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(None)
        return future


class NoNetwork:
    """Nothing is sent anywhere but back."""

    def flow_to(self, transport: str, host: str, port: int, prefer: Listener | None = None) -> Flow:
        raise AssertionError("an answer goes back down its flow")

    def flow_from_token(self, token: str) -> Flow | None:
        raise AssertionError("an answer goes back down its flow")


class Office:
    """Two tenants, a.test with 301 and 302, b.test with 301 and 401, and their registrar."""

    def __init__(self, policy: RegistrarPolicy | None = None) -> None:
        self.now = NOW
        self.directory = Directory(
            [Tenant("a", "A", ("a.test", "alias.test")), Tenant("b", "B", ("b.test",))], "a.test"
        )
        for tenant, number, password in (
            ("a", "301", PASSWORD),
            ("a", "302", PASSWORD),
            ("b", "301", "another-password"),
            ("b", "401", PASSWORD),
        ):
            self.directory.put(Extension(tenant, f"{tenant}{number}", number, password=password))
        self.location = Location()
        self.journal = FakeJournal()
        self.stories: list[tuple[str, Story]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.endpoint = Endpoint(NoNetwork(), NodeIds(), asyncio.get_running_loop(), tag_key=b"k" * 16)
        self.door = RegistrarDoor(
            self.directory,
            self.location,
            self.journal,
            Authenticator(Nonces(b"n" * 16), lambda: self.now),
            policy or RegistrarPolicy(),
            wall=lambda: self.now,
            spawn=self._spawn,
            on_story=lambda user, story: self.stories.append((user, story)),
        )
        self.endpoint.set_doors([self.door])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    def contacts(self, user: str = "301", tenant: str = "a") -> list[str]:
        """Where somebody is reached now, best first."""
        return [binding.contact for binding in self.location.of(tenant, user, self.now)]

    def codes(self) -> list[str]:
        """The last code of each story."""
        return [story.last_code for _, story in self.stories]

    async def settle(self) -> None:
        """Let tasks run as far as they come."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.endpoint.close()
        for task in self.tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self.tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome


class Phone:
    """Sends REGISTERs of one user and answers challenges; each request has the next CSeq."""

    def __init__(
        self,
        office: Office,
        user: str = "301",
        password: str = PASSWORD,
        domain: str = "a.test",
        flow: FakeFlow | None = None,
    ) -> None:
        self.office = office
        self.user = user
        self.username = user
        self.password = password
        self.domain = domain
        self.realm = domain
        self.flow = flow or FakeFlow()
        self.call_id = "c1"
        self.cseq = 0
        self.algorithm = "MD5"
        self.extra = ""
        self.to = f"<sip:{user}@{domain}>"
        self.uri = f"sip:{domain}"
        self._branch = 0
        self._name = f"{user}x{self.flow.remote[0]}"

    def contact(self, host: str = "10.0.0.7:5062") -> str:
        return f"<sip:{self.user}@{host}>"

    def message(self, contact: str | None, extra: str = "", cseq: int | None = None) -> bytes:
        """The next REGISTER (or one with this CSeq), in a transaction of its own."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        self._branch += 1
        lines = [
            f"REGISTER {self.uri} SIP/2.0",
            f"Via: SIP/2.0/{self.flow.transport} 10.0.0.7:5062;branch=z9hG4bK{self._name}x{self._branch};rport",
            f"From: <sip:{self.user}@{self.domain}>;tag=f",
            f"To: {self.to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} REGISTER",
            *([f"Contact: {contact}"] if contact is not None else []),
        ]
        return ("\r\n".join(lines) + f"\r\n{self.extra}{extra}Content-Length: 0\r\n\r\n").encode()

    def send(self, data: bytes) -> Response | None:
        """What is answered at once, None when nothing is."""
        before = len(self.flow.sent)
        self.office.endpoint.receive(data, self.flow)
        return self.flow.last if len(self.flow.sent) > before else None

    def challenged(self, contact: str | None = None, extra: str = "") -> Response:
        """Send without credentials; the 401."""
        response = self.send(self.message(contact, extra))
        assert response is not None
        assert response.status == 401, response
        return response

    def credentials(self, challenge: Response, cnonce: str = "c") -> str:
        """The Authorization line that answers a challenge."""
        offered = parse_challenges(challenge.headers["WWW-Authenticate"])
        chosen = next(one for one in offered if one.algorithm == self.algorithm)
        secret = ha1(self.username, self.realm, self.password, self.algorithm)
        response = digest_response(
            self.algorithm,
            secret,
            chosen.nonce,
            "REGISTER",
            self.uri,
            qop="auth",
            nc="00000001",
            cnonce=cnonce,
        )
        return (
            f'Authorization: Digest username="{self.username}", realm="{self.realm}", nonce="{chosen.nonce}", '
            f'uri="{self.uri}", response="{response}", algorithm={self.algorithm}, cnonce="{cnonce}", '
            f"nc=00000001, qop=auth\r\n"
        )

    def answered(self, contact: str | None, extra: str = "", cseq: int | None = None) -> bytes:
        """A REGISTER with credentials for a fresh challenge."""
        return self.message(contact, extra + self.credentials(self.challenged(contact, extra)), cseq)

    async def register(
        self, contact: str | None = "default", extra: str = "Expires: 3600\r\n", cseq: int | None = None
    ) -> Response:
        """Challenge, answer, and the final response."""
        if contact == "default":
            contact = self.contact()
        response = self.send(self.answered(contact, extra, cseq))
        if response is None:
            await self.office.settle()
            response = self.flow.last
        return response


def request_of(contact: str | None, **headers: str) -> Request:
    """A bare REGISTER with a Contact and other headers (``_`` in a name stands for ``-``)."""
    values = {name.replace("_", "-"): value for name, value in headers.items()}
    if contact is not None:
        values["Contact"] = contact
    return Request("REGISTER", "sip:a.test", values)
