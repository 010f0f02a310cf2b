"""A TCP flow over a transport made of lists: coalescing, failures, callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from trunkline.base.errors import TransportError
from trunkline.net.faults import FaultLog
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.net.settings import Counters, NetSettings
from trunkline.net.tap import Tap
from trunkline.net.tcp import TcpFlow

MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\n\r\n"


class Loop:
    """An event loop turned by hand."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        self.soon.append(lambda: callback(*args))

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callback in soon:
            callback()


class Wire:
    """An asyncio transport whose kernel buffer is full when ``stuck``."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.stuck = False
        self.aborted = False

    def get_extra_info(self, name: str) -> Any:
        return ("192.0.2.7", 40000) if name == "peername" else self

    def setsockopt(self, *_: int) -> None:
        """Takes any option."""

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written)) if self.stuck else 0

    def close(self) -> None:
        self.aborted = True

    abort = close


class Table:
    """The owner of one flow."""

    def __init__(self, **settings: Any) -> None:
        self.loop: Any = Loop()
        self.settings = NetSettings(**settings)
        self.counters = Counters()
        self.faults = FaultLog(self.counters, self.loop.time)
        self.heard: list[bytes] = []
        self.on_message: Callable[[bytes, Flow], None] = lambda data, _: self.heard.append(data)
        self.on_sent: Tap | None = None
        self.left: list[TcpFlow] = []
        self.admit = True

    def opened(self, flow: TcpFlow) -> bool:
        return self.admit

    def closed(self, flow: TcpFlow) -> None:
        self.left.append(flow)

    def gone(self, flow: TcpFlow) -> None:
        """Nothing is kept here."""

    def offered(self, flow: TcpFlow, message: bytes) -> None:
        """Nobody asks for it here."""


def accepted(**settings: Any) -> tuple[TcpFlow, Table, Wire]:
    table, wire = Table(**settings), Wire()
    flow = TcpFlow(table, Listener("tcp:127.0.0.1:5060"), "1")
    flow.connection_made(wire)  # type: ignore[arg-type]  # the part of a transport it needs
    return flow, table, wire


def test_what_is_sent_in_one_turn_leaves_in_one_write() -> None:
    flow, table, wire = accepted()
    flow.send(b"a")
    flow.send(b"b")
    assert wire.written == []
    table.loop.turn()
    flow.send(b"c")
    table.loop.turn()
    assert wire.written == [b"ab", b"c"]
    assert (table.counters.streams["TCP"].messages_out, table.counters.bytes_out) == (3, 3)


def test_the_token_tells_listener_remote_and_serial() -> None:
    flow, _, _ = accepted()
    assert flow.token == "0000|tcp|127.0.0.1:5060|192.0.2.7:40000|1"


@pytest.mark.parametrize(("error", "told"), [(None, 0), (ConnectionResetError("reset"), 1)])
def test_only_a_reset_fails_what_has_left_already(error: Exception | None, told: int) -> None:
    flow, table, _ = accepted()
    failures: list[TransportError] = []
    flow.send(MESSAGE, failures.append)
    flow.send(MESSAGE, failures.append)
    table.loop.turn()
    flow.connection_lost(error)
    table.loop.turn()
    assert len(failures) == told
    assert table.left == [flow]


def test_what_the_peer_answered_after_does_not_fail() -> None:
    flow, table, _ = accepted()
    failures: list[TransportError] = []
    flow.send(MESSAGE, failures.append)
    table.loop.turn()
    flow.data_received(MESSAGE)
    flow.connection_lost(ConnectionResetError())
    table.loop.turn()
    assert failures == []


def test_what_has_not_left_fails_even_when_the_peer_closes_in_order_or_talks() -> None:
    flow, table, wire = accepted()
    wire.stuck = True
    failures: list[TransportError] = []
    flow.send(MESSAGE, failures.append)
    table.loop.turn()
    flow.data_received(MESSAGE)
    flow.connection_lost(None)
    table.loop.turn()
    assert [str(error) for error in failures] == ["192.0.2.7:40000: the peer closed the connection"]


def test_no_failure_is_told_from_within_send() -> None:
    flow, table, wire = accepted(write_buffer=10)
    failures: list[TransportError] = []
    flow.send(MESSAGE, failures.append)
    assert flow.closed
    assert wire.aborted
    assert failures == []
    flow.send(MESSAGE, failures.append)
    assert failures == []
    table.loop.turn()
    assert len(failures) == 2


def test_a_flow_closed_by_its_reader_delivers_nothing_more() -> None:
    flow, table, _ = accepted()

    def close(data: bytes, _: Flow) -> None:
        table.heard.append(data)
        flow.close()

    table.on_message = close
    flow.data_received(MESSAGE + MESSAGE)
    flow.data_received(MESSAGE)
    assert table.heard == [MESSAGE]


def test_closing_sends_what_waits_and_tells_once() -> None:
    flow, table, wire = accepted()
    closed: list[Flow] = []
    flow.on_close(closed.append)
    flow.on_close(closed.append)
    flow.send(MESSAGE)
    flow.close()
    flow.connection_lost(None)
    flow.close()
    assert wire.written == [MESSAGE]
    assert closed == []
    table.loop.turn()
    assert closed == [flow]
    flow.on_close(closed.append)
    table.loop.turn()
    assert closed == [flow, flow]


def test_a_connection_that_is_not_admitted_is_cut_and_delivers_nothing() -> None:
    table, wire = Table(), Wire()
    table.admit = False
    flow = TcpFlow(table, Listener("tcp:127.0.0.1:5060"), "1")
    flow.connection_made(wire)  # type: ignore[arg-type]  # the part of a transport it needs
    flow.data_received(MESSAGE)
    flow.connection_lost(None)
    assert (wire.aborted, table.heard, table.left) == (True, [], [])


def test_only_whole_sip_messages_count_as_a_sign_of_life() -> None:
    flow, table, _ = accepted(first_message_timeout_s=10, idle_timeout_s=100)
    table.loop.now = 9
    flow.data_received(MESSAGE[:5])
    assert not flow.silent_too_long(9.9)
    assert flow.silent_too_long(10)
    flow.data_received(MESSAGE[5:])
    assert not flow.silent_too_long(108.9)
    assert flow.silent_too_long(109)


def test_a_ping_alone_does_not_make_a_stranger_a_sip_peer() -> None:
    flow, table, wire = accepted(first_message_timeout_s=10)
    flow.data_received(b"\r\n\r\n")
    table.loop.turn()
    assert wire.written == [b"\r\n"]
    flow.data_received(b"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    assert flow.silent_too_long(10)


def test_asyncio_may_use_the_flow_as_its_protocol() -> None:
    flow, _, _ = accepted()
    assert isinstance(flow, asyncio.Protocol)
