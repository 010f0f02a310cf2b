"""A stand-in for Apple's push service: HTTP/2 within TLS, Apple's rules and answers, and trouble by a script.

apns = FakeApns()
await apns.start()
Path("ca.pem").write_bytes(apns.authority.ca_pem)      # whom its clients trust
apns.script.add("503,200")                             # the next two pushes
push = await apns.next_push()
await apns.stop()
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from trunkline.push.doubles.apns_rules import (
    Asked,
    TokenChanges,
    bearer_of,
    wrong_with_push,
    wrong_with_request,
)
from trunkline.push.doubles.apns_script import REFUSED_S, Script, Step
from trunkline.push.doubles.authority import Authority
from trunkline.push.doubles.h2_server import ServerConnection, Stream
from trunkline.push.doubles.stand_in import Pushes


@dataclass(frozen=True, slots=True)
class FakePush:
    """One push as it came and what was answered: ``status`` 0 for none, ``reason`` Apple's word or the step's."""

    token: str
    topic: str
    push_type: str
    priority: str
    expiration: str
    id: str
    collapse_id: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    status: int = 0
    reason: str = ""
    team: str = ""
    key_id: str = ""
    connection: int = 0
    stream: int = 0
    at: float = 0.0

    def line(self) -> str:
        answer = " ".join(word for word in (str(self.status or ""), self.reason) if word)
        payload = json.dumps(self.payload, ensure_ascii=False)
        return f"{answer}  {self.push_type} {self.topic} to {self.token}  {payload}"

    def row(self) -> Mapping[str, Any]:
        return asdict(self)


class FakeApns:
    """``port`` 0 takes any free one. ``max_streams`` requests at once are allowed; ``first_streams`` until the first
    push is taken, as Apple does with clients that have shown no certificate. ``token_changes`` of a team's provider
    token are borne in 20 minutes. ``delay_s`` goes by before each answer."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        script: Script | None = None,
        max_streams: int = 1000,
        first_streams: int = 1,
        token_changes: int = 3,
        delay_s: float = 0.0,
        authority: Authority | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.host = host
        self.port = port
        self.script = script or Script()
        self.max_streams = max_streams
        self.first_streams = first_streams
        self.delay_s = delay_s
        self.authority = authority or Authority()
        self.changes = TokenChanges(token_changes)
        self._expired: set[str] = set()
        self.connections: list[ServerConnection] = []
        """Those that are open."""
        self.accepted = 0
        """How many connections there were."""
        self._wall = wall
        self._pushes: Pushes[FakePush] = Pushes()
        self._server: asyncio.Server | None = None
        self._later: set[asyncio.TimerHandle] = set()
        self._listening: asyncio.Task[None] | None = None
        self._none_open = asyncio.Event()
        self._none_open.set()
        self.context = self._make_context()

    @property
    def url(self) -> str:
        """What a client has as its base URL."""
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def pushes(self) -> Sequence[FakePush]:
        """All that came, in order; the newest 10,000."""
        return tuple(self._pushes.all)

    @property
    def taken(self) -> Sequence[FakePush]:
        """Those that were answered with 200."""
        return tuple(push for push in self._pushes.all if push.status == 200)

    def about(self) -> Mapping[str, str]:
        return {"listening": self.url}

    async def start(self) -> None:
        """Listen; a port that was 0 is known afterwards. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(
            self._connection, self.host, self.port, ssl=self.context, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        for timer in self._later:
            timer.cancel()
        self._later.clear()
        if self._listening is not None:
            await asyncio.gather(self._listening, return_exceptions=True)
        await self.refuse()

    async def refuse(self) -> None:
        """Break all connections and refuse others, until ``start`` is called again."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self.connections):
            connection.drop()
        if server is not None:
            await server.wait_closed()
        await self._none_open.wait()

    def go_away(self) -> None:
        """On all connections: what has come is answered, what is still to come is not."""
        for connection in list(self.connections):
            connection.go_away()

    def expire_tokens(self) -> None:
        """All provider tokens that came so far are called expired from now on."""
        self._expired |= self.changes.seen

    async def next_push(self) -> FakePush:
        """The next one that was not given out so far; waits for it."""
        return await self._pushes.next()

    # What connections tell (h2_server.Handler).

    def opened(self, connection: ServerConnection) -> None:
        self.accepted += 1
        connection.number = self.accepted
        self.connections.append(connection)
        self._none_open.clear()

    def ended(self, connection: ServerConnection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        if not self.connections:
            self._none_open.set()

    def asked(self, connection: ServerConnection, stream: Stream) -> None:
        asked = _asked(stream, connection.certificate)
        step = self.script.next_for(asked.token)
        status, reason, who = self._judge(asked)
        if step is not None and (step.word or step.status != 200):
            status, reason = step.status, step.reason or step.word
        self._pushes.add(self._push(asked, status, reason, who, connection, stream))
        if step is not None and step.word:
            self._misbehave(connection, stream, step)
        elif self.delay_s:
            self._do_later(
                self.delay_s, lambda: self._answer(connection, stream, asked, status, reason, step)
            )
        else:
            self._answer(connection, stream, asked, status, reason, step)

    def _connection(self) -> ServerConnection:
        return ServerConnection(self, min(self.first_streams, self.max_streams))

    def _judge(self, asked: Asked) -> tuple[int, str, tuple[str, str]]:
        """Status, reason, and who asks (team and key)."""
        if wrong := wrong_with_request(asked):
            return *wrong, ("", "")
        who = ("", "")
        if not asked.certificate:
            bearer = bearer_of(asked, self._wall())
            if isinstance(bearer, tuple):
                return *bearer, who
            who = (bearer.team, bearer.key_id)
            if bearer.text in self._expired:
                return 403, "ExpiredProviderToken", who
            if self.changes.too_many(bearer, self._wall()):
                return 429, "TooManyProviderTokenUpdates", who
        return *(wrong_with_push(asked) or (200, "")), who

    def _answer(
        self,
        connection: ServerConnection,
        stream: Stream,
        asked: Asked,
        status: int,
        reason: str,
        step: Step | None,
    ) -> None:
        said: dict[str, Any] = {"reason": reason}
        if status == 410:
            since = step.at if step is not None and step.at is not None else self._wall()
            said["timestamp"] = int(since * 1000)
        if reason == "ExpiredProviderToken" and not isinstance(
            bearer := bearer_of(asked, self._wall()), tuple
        ):
            self.changes.excuse(bearer)
        name = asked.headers.get("apns-id") or str(uuid.uuid4()).upper()
        body = b"" if status == 200 else json.dumps(said).encode()
        connection.answer(stream, status, [("apns-id", name)], body)
        if status == 200 and connection.streams != self.max_streams:
            connection.allow(self.max_streams)

    def _misbehave(self, connection: ServerConnection, stream: Stream, step: Step) -> None:
        if step.word == "goaway":
            connection.go_away(stream.id - 2)
        elif step.word == "reset":
            connection.reset(stream)
        elif step.word == "drop":
            connection.drop()
        elif step.word == "refuse":
            self._refuse_for(step.at if step.at is not None else REFUSED_S)

    def _refuse_for(self, seconds: float) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in list(self.connections):
            connection.drop()
        self._do_later(seconds, self._listen_again)

    def _listen_again(self) -> None:
        self._listening = asyncio.get_running_loop().create_task(self.start())

    def _do_later(self, seconds: float, what: Callable[[], None]) -> None:
        def do() -> None:
            self._later.discard(timer)
            what()

        timer = asyncio.get_running_loop().call_later(seconds, do)
        self._later.add(timer)

    def _push(
        self,
        asked: Asked,
        status: int,
        reason: str,
        who: tuple[str, str],
        connection: ServerConnection,
        stream: Stream,
    ) -> FakePush:
        said = asked.headers.get
        return FakePush(
            asked.token,
            said("apns-topic", ""),
            said("apns-push-type", ""),
            said("apns-priority", ""),
            said("apns-expiration", ""),
            said("apns-id", ""),
            said("apns-collapse-id", ""),
            _payload(asked.body),
            status,
            reason,
            *who,
            connection.number,
            stream.id,
            self._wall(),
        )

    def _make_context(self) -> ssl.SSLContext:
        context = self.authority.server_context(("localhost", "127.0.0.1", "::1", self.host), ("h2",))
        context.load_verify_locations(cadata=self.authority.ca_pem.decode())
        context.verify_mode = (
            ssl.CERT_OPTIONAL
        )  # who shows a certificate of this authority needs no provider token
        return context


def _asked(stream: Stream, certificate: str) -> Asked:
    names = [name for name, _ in stream.headers]
    headers = dict(stream.headers)
    repeated = len(names) != len(set(names))
    return Asked(
        headers.get(":method", ""), headers.get(":path", ""), headers, stream.body, repeated, certificate
    )


def _payload(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
