"""A transaction layer in virtual time: a wire that records, a core that records, a wheel advanced by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from trunkline.base.errors import TransportError
from trunkline.base.wheel import TimerWheel
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response, parse_message
from trunkline.proto.sip.transaction import ClientInvite, ClientNonInvite, Failure, TransactionLayer
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.transaction.server_invite import ServerInvite
from trunkline.proto.sip.transaction.server_non_invite import ServerNonInvite
from trunkline.proto.sip.wire import Wire

START = 1000.0
PEER = ("192.0.2.7", 5062)
SENT_BY = "192.0.2.1:5060"


class FakeWire:
    """Keeps what was sent, with the time and who wants to hear of its failure."""

    def __init__(self, world: World, *, reliable: bool = False, remote: tuple[str, int] = PEER) -> None:
        self.world = world
        self.reliable = reliable
        self.remote = remote
        self.sent: list[tuple[float, bytes]] = []
        self.on_failure: list[Callable[[TransportError], None] | None] = []

    def send(self, data: bytes, on_failure: Callable[[TransportError], None] | None = None) -> None:
        self.sent.append((self.world.now - START, data))
        self.on_failure.append(on_failure)

    def fail(self) -> None:
        """The last thing sent did not arrive."""
        callback = self.on_failure[-1]
        assert callback is not None, "nobody asked to be told"
        callback(TransportError("port unreachable"))

    @property
    def times(self) -> list[float]:
        """When something was sent, in seconds since the start."""
        return [at for at, _ in self.sent]

    @property
    def starts(self) -> list[str]:
        """The first two words of each message: "INVITE sip:…" or "SIP/2.0 200"."""
        return [" ".join(data.decode("utf-8", "replace").split(" ", 2)[:2]) for _, data in self.sent]

    @property
    def statuses(self) -> list[int]:
        return [message.status for message in self.messages if isinstance(message, Response)]

    @property
    def methods(self) -> list[str]:
        return [message.method for message in self.messages if isinstance(message, Request)]

    @property
    def messages(self) -> list[Request | Response]:
        return [parse_message(data) for _, data in self.sent]

    def last_response(self) -> Response:
        message = self.messages[-1]
        assert isinstance(message, Response)
        return message


class FakeCore:
    """Keeps what the layer hands up; ``decide`` may answer at once."""

    def __init__(self) -> None:
        self.requests: list[Incoming] = []
        self.acks: list[Request] = []
        self.strays: list[Response] = []
        self.decide: Callable[[Incoming], object] = lambda _incoming: None
        self.reply: Callable[[Request, Wire], Wire] = lambda _request, wire: wire

    def on_request(self, incoming: Incoming) -> None:
        self.requests.append(incoming)
        self.decide(incoming)

    def on_ack(self, ack: Request, wire: Wire, now: float) -> None:
        self.acks.append(ack)

    def on_stray_response(self, response: Response, wire: Wire, now: float) -> None:
        self.strays.append(response)

    def reply_wire(self, request: Request, wire: Wire) -> Wire:
        return self.reply(request, wire)


class User:
    """The user of any transaction; keeps what it is told."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.failures: list[Failure] = []
        self.cancels: list[Request] = []

    def on_response(self, _transaction: Any, response: Response, _now: float) -> None:
        self.statuses.append(response.status)

    def on_failure(self, _transaction: Any, failure: Failure, _now: float) -> None:
        self.failures.append(failure)

    def on_cancel(self, _transaction: Any, cancel: Request, _now: float) -> None:
        self.cancels.append(cancel)


class World:
    """One layer with its wheel and a clock that stands until it is moved."""

    def __init__(self, limit: int = 1000) -> None:
        self.now = START
        self.wheel = TimerWheel()
        self.core = FakeCore()
        self.branches = 0
        self.layer = TransactionLayer(self.core, self.wheel, self._mint, b"k" * 32, limit=limit)
        self.udp = FakeWire(self)
        self.tcp = FakeWire(self, reliable=True)

    def _mint(self) -> str:
        self.branches += 1
        return f"z9hG4bKours{self.branches}"

    def receive(self, data: bytes, wire: FakeWire | None = None) -> None:
        self.layer.receive(data, wire or self.udp, self.now)

    def pass_time(self, seconds: float) -> None:
        """Let everything happen that is due within ``seconds``."""
        end = self.now + seconds
        while (due := self.wheel.next_deadline()) is not None and due <= end:
            self.now = due
            self.layer.now = due
            self.wheel.advance(due)
        self.now = end
        self.layer.now = end

    def invite(self, user: User, wire: FakeWire | None = None) -> ClientInvite:
        client = self.layer.request(draft("INVITE"), wire or self.udp, SENT_BY, user, self.now)
        assert isinstance(client, ClientInvite)
        return client

    def request(self, user: User, wire: FakeWire | None = None, method: str = "OPTIONS") -> ClientNonInvite:
        client = self.layer.request(draft(method), wire or self.udp, SENT_BY, user, self.now)
        assert isinstance(client, ClientNonInvite)
        return client

    def begin_invite(self, data: bytes, wire: FakeWire | None = None) -> tuple[ServerInvite, User]:
        """Receive an INVITE and begin its transaction with a user."""
        self.receive(data, wire)
        transaction = self.core.requests[-1].begin_invite()
        user = User()
        transaction.user = user
        return transaction, user

    def begin(self, data: bytes, wire: FakeWire | None = None) -> tuple[ServerNonInvite, Incoming]:
        self.receive(data, wire)
        incoming = self.core.requests[-1]
        return incoming.begin(), incoming

    def assert_nothing_left(self) -> None:
        """Every table and the wheel are empty."""
        layer = self.layer
        assert layer.clients == {}
        assert layer.servers == {}
        assert layer._by_branch == {}
        assert layer._merged == {}
        assert self.wheel.count == 0


def at(*times: float) -> object:
    """These times in seconds: each repetition may be a tick of 10 ms later than the one before it says."""
    return pytest.approx(list(times), abs=0.12)


def draft(method: str) -> Draft:
    return Draft(
        method, "sip:200@192.0.2.7:5062", "<sip:100@example.com>;tag=f1", "<sip:200@example.com>", "c1", 7
    )


def answer_to(message: Request | Response, status: int, to_tag: str = "t1", **more: str) -> bytes:
    """The response of a well-behaved peer to what we sent."""
    headers = message.headers
    to = headers["To"] if ";tag=" in headers["To"] or status == 100 else f"{headers['To']};tag={to_tag}"
    extra = "".join(f"{name}: {value}\r\n" for name, value in more.items())
    return (
        f"SIP/2.0 {status} Reason\r\nVia: {headers['Via']}\r\nFrom: {headers['From']}\r\nTo: {to}\r\n"
        f"Call-ID: {headers['Call-ID']}\r\nCSeq: {headers['CSeq']}\r\n{extra}Content-Length: 0\r\n\r\n"
    ).encode()
