"""Starting and choosing listeners."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.loopback.net.kit import Exchange
from trunkline.base.errors import ConfigError, LocalProtocolError, TransportError
from trunkline.net import Listener, Net, SelfSigned, TlsSettings
from trunkline.net.dns import transports_of

Start = Callable[..., Awaitable[Exchange]]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "ws", "wss"])
async def test_a_busy_port_names_who_has_it_and_leaves_nothing_open(
    exchange: Start, transport: str, address: str, tmp_path: Path
) -> None:
    tls = TlsSettings(self_signed=SelfSigned(tmp_path / "own.pem", ("127.0.0.1",)))
    one = await exchange(f"{transport}:{address}:0", tls=tls)
    busy = one.net.listeners[0]
    other = Net(asyncio.get_running_loop(), one.on_message, tls=tls)
    free = Listener(f"{transport}:{address}:0")
    with pytest.raises(ConfigError) as caught:
        await other.start([free, Listener(f"{transport}:{address}:{busy.port}")])
    assert f"{address}:{busy.port}" in caught.value.seen
    assert f"(pid {os.getpid()})" in caught.value.seen
    assert other.listeners == []
    await other.start([Listener(f"{transport}:{address}:{free.port}")])
    await other.stop()


async def test_an_address_of_another_machine_is_refused(exchange: Start) -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:5060, which is no address of this machine"):
        await exchange("udp:192.0.2.1:5060")


async def test_a_wildcard_listener_tells_the_address_that_the_peer_can_reach(exchange: Start) -> None:
    one = await exchange("udp:0.0.0.0:0", "udp:[::]:0")
    four, six = one.net.listeners
    assert four.sent_by_for("127.0.0.1") == f"127.0.0.1:{four.port}"
    assert six.sent_by_for("::1") == f"[::1]:{six.port}"
    assert four.sent_by != f"{four.host}:{four.port}"


async def test_a_flow_leaves_from_the_listener_that_can_reach_its_remote(exchange: Start) -> None:
    one = await exchange(
        "udp:127.0.0.9:0", "udp:127.0.0.1:0", "udp:[::1]:0", "tcp:127.0.0.1:0", "udp:127.0.0.9:0"
    )
    nine, local, six, _, second_nine = one.net.listeners
    assert one.net.flow_to("UDP", "127.0.0.1", 9).listener is local
    assert one.net.flow_to("UDP", "127.0.0.1", 9, second_nine).listener is second_nine
    assert one.net.flow_to("UDP", "[0:0::1]", 9, nine).listener is six
    assert one.net.flow_to("UDP", "[0:0::1]", 9).remote == ("::1", 9)


async def test_a_preferred_listener_of_another_transport_still_tells_the_role(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:127.0.0.1:0")
    _, trunk, udp = one.net.listeners
    trunk.role = udp.role = "trunk"
    assert one.net.listener_for("TCP", "127.0.0.1", udp) is trunk


async def test_a_remote_that_no_listener_can_reach_is_an_error(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    with pytest.raises(TransportError, match="no TCP listener with an IPv4 address"):
        one.net.flow_to("TCP", "127.0.0.1", 9)
    with pytest.raises(TransportError, match="no UDP listener with an IPv6 address"):
        one.net.flow_to("UDP", "::1", 9)


@pytest.mark.parametrize(("host", "port"), [("localhost", 5060), ("127.0.0.1", 0), ("127.0.0.1", 65536)])
async def test_a_flow_takes_only_an_address_and_a_port(exchange: Start, host: str, port: int) -> None:
    one = await exchange("udp:127.0.0.1:0")
    with pytest.raises(LocalProtocolError):
        one.net.flow_to("UDP", host, port)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "0000|udp",
        "0000|udp|||",
        "0000|udp|{0}|localhost:5060",
        "0000|udp|{0}|127.0.0.1",
        "0000|udp|{0}|127.0.0.1:0",
        "0000|udp|{0}|127.0.0.1:99999",
        "0000|udp|{0}|[::1]:5060",
        "0000|udp|127.0.0.1:1|127.0.0.1:5060",
        "0000|udp|{0}|127.0.0.1:5060|1",
        "0000|tcp|{0}|127.0.0.1:5060|1",
        "0000|sctp|{0}|127.0.0.1:5060",
        "0100|udp|{0}|127.0.0.1:5060",
        "udp|{0}|127.0.0.1:5060",
    ],
)
async def test_a_token_that_names_no_flow_of_ours_finds_none(exchange: Start, token: str) -> None:
    one = await exchange("udp:127.0.0.1:0")
    assert one.net.flow_from_token(token.format(one.net.listeners[0].address)) is None


async def test_servers_are_looked_for_by_the_transports_and_families_that_have_a_listener(
    exchange: Start,
) -> None:
    one = await exchange("udp:127.0.0.1:0", "tcp:[::1]:0", "tcp:127.0.0.1:0", "ws:127.0.0.1:0")
    assert transports_of(one.net.listeners) == {
        "UDP": frozenset({socket.AF_INET}),
        "TCP": frozenset({socket.AF_INET, socket.AF_INET6}),
    }


async def test_stopping_twice_and_restarting_is_harmless(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0", "tcp:127.0.0.1:0")
    await one.net.stop()
    await one.net.stop()
    await one.start("udp:127.0.0.1:0")
    assert one.net.listeners[0].family == socket.AF_INET
