"""The table of connections over transports made of lists: who is let in, and who must make room."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any, cast

import pytest

from trunkline.net.connections import Connections
from trunkline.net.faults import FaultLog
from trunkline.net.fence import Fence, FencePolicy
from trunkline.net.listener import Listener
from trunkline.net.settings import Counters, NetSettings
from trunkline.net.tcp import TcpFlow
from trunkline.net.tls.contexts import Tls
from trunkline.net.tls.settings import TlsSettings

MESSAGE = b"OPTIONS sip:a@b SIP/2.0\r\nl: 0\r\n\r\n"
PING = b"\r\n\r\n"


class Loop:
    """A loop whose clock is set by hand; what is to be called soon is called by nobody."""

    now = 1000.0

    def __init__(self) -> None:
        self.later: list[Callable[[], None]] = []

    def call_later(self, _delay: float, callback: Callable[[], None]) -> object:
        """Kept for the test."""
        self.later.append(callback)
        return callback

    def time(self) -> float:
        return self.now

    def call_soon(self, _callback: Callable[..., None], *_: Any) -> None:
        """Nothing."""


class Wire(asyncio.Transport):
    """A connection from ``remote``."""

    def __init__(self, remote: tuple[str, int]) -> None:
        super().__init__({"peername": remote, "socket": self})
        self.aborted = False

    def setsockopt(self, *_: int) -> None:
        """Takes any option."""

    def write(self, _data: Any) -> None:
        """Takes any bytes."""

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True


class Table:
    """Connections to one listener of ``role``."""

    def __init__(self, role: str = "phones", **settings: Any) -> None:
        self.loop = Loop()
        self.counters = Counters()
        self.fence = Fence()
        self.listener = Listener("tcp:[::]:5060", role=role)
        self.connections = Connections(
            cast("asyncio.AbstractEventLoop", self.loop),
            lambda _data, _flow: None,
            None,
            NetSettings(**settings),
            self.counters,
            FaultLog(self.counters, self.loop.time),
            Tls(TlsSettings()),
            self.fence,
        )
        self._count = 0

    def accept(self, host: str, port: int = 40000) -> tuple[TcpFlow, Wire]:
        self._count += 1
        flow, wire = TcpFlow(self.connections, self.listener, f"r.{self._count}"), Wire((host, port))
        flow.connection_made(wire)
        return flow, wire

    def after(self, seconds: float) -> None:
        self.loop.now += seconds
        self.connections.sweep(self.loop.now)


def test_addresses_of_one_ipv6_network_share_their_bound() -> None:
    table = Table(max_connections_per_source=2)
    flows = [table.accept(f"2001:db8:0:1::{number}")[0] for number in range(1, 4)]
    assert [flow.closed for flow in flows] == [False, False, True]
    assert not table.accept("2001:db8:0:2::1")[0].closed
    flows[0].abort("it leaves")
    assert not table.accept("2001:db8:0:1::9")[0].closed


def test_who_comes_and_goes_all_the_time_is_refused_for_a_while() -> None:
    """Each time costs a TLS handshake, and nothing stands that could be counted."""
    table = Table(max_arrivals_per_source=3)

    def comes_and_goes(host: str) -> bool:
        flow, _ = table.accept(host)
        was_let_in = not flow.closed
        flow.abort("it leaves")
        return was_let_in

    assert [comes_and_goes("192.0.2.1") for _ in range(5)] == [True, True, True, False, False]
    assert comes_and_goes("192.0.2.2")
    table.loop.now += 10
    assert comes_and_goes("192.0.2.1")


def test_a_proxy_that_is_trusted_brings_as_many_as_it_likes() -> None:
    table = Table(max_connections_per_source=3)
    table.fence.adjust(FencePolicy(trusted=(ipaddress.ip_network("192.0.2.1"),)))
    assert not any(table.accept("192.0.2.1", port)[0].closed for port in range(1, 10))
    assert [table.accept("192.0.2.2", port)[0].closed for port in range(1, 6)] == [False] * 3 + [True] * 2


def test_pings_hold_no_place_for_who_never_speaks_sip() -> None:
    table = Table(first_message_timeout_s=15)
    stranger, phone = table.accept("192.0.2.1")[0], table.accept("192.0.2.2")[0]
    phone.data_received(MESSAGE)
    for _ in range(3):
        stranger.data_received(PING)
        phone.data_received(PING)
        table.after(6)
    assert stranger.closed
    assert not phone.closed
    table.loop.now += 7000
    phone.data_received(PING)
    table.after(7000)
    assert not phone.closed, "whose pings count once it has spoken"


@pytest.mark.parametrize(
    ("role", "others", "proven", "stays"),
    [
        ("phones", 4, False, False),
        ("phones", 4, True, True),
        ("phones", 3, False, True),
        ("trunk", 4, False, True),
    ],
    ids=["a stranger", "a phone", "there is room", "a trunk"],
)
def test_who_has_proven_nothing_makes_room_when_places_are_scarce(
    role: str, others: int, *, proven: bool, stays: bool
) -> None:
    table = Table(role, max_connections=10, stranger_timeout_s=60)
    flow, wire = table.accept("192.0.2.1")
    if proven:
        table.fence.proved(flow.remote, "a.test", "301", table.loop.now)
    for number in range(others):
        phone, _ = table.accept("192.0.2.2", 1000 + number)
        phone.data_received(MESSAGE)
        table.fence.proved(phone.remote, "a.test", f"40{number}", table.loop.now)
    for _ in range(6):
        assert not flow.closed
        flow.data_received(MESSAGE)
        table.after(10)
    assert flow.closed is not stays
    assert wire.aborted is not stays
    assert table.counters.reaped == (not stays)


def test_a_sweep_of_very_many_connections_lets_others_work_between() -> None:
    table = Table(max_connections=20_000, max_connections_per_source=10_000, max_arrivals_per_source=10_000)
    flows = [table.accept("198.51.100.7", number + 1)[0] for number in range(4_500)]
    later = table.loop.later
    table.after(100)
    closed = [sum(flow.closed for flow in flows)]
    while later:
        later.pop()()
        closed.append(sum(flow.closed for flow in flows))
    assert closed == [2_000, 4_000, 4_500]
    table.after(100)
    assert not later
