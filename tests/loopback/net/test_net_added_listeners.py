"""Listeners that are added and removed while others serve."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.loopback.net.kit import REQUEST, Exchange
from tests.peers.authority import Authority
from trunkline.base.errors import ConfigError, TransportError
from trunkline.net import Listener, TlsSettings

Start = Callable[..., Awaitable[Exchange]]


@pytest.mark.parametrize(("first", "kind"), [("udp", "tcp"), ("tcp", "udp")])
async def test_an_added_listener_serves_until_it_is_removed(exchange: Start, first: str, kind: str) -> None:
    one = await exchange(f"{first}:127.0.0.1:0")
    added = Listener(f"{kind}:127.0.0.1:0")
    await one.net.add([added])
    assert one.net.listener_for(kind.upper(), "127.0.0.1") is added
    flow = one.net.flow_to(kind.upper(), "127.0.0.1", added.port)
    flow.send(REQUEST)
    data, _ = await one.heard()
    assert data == REQUEST
    one.net.remove(added)
    one.net.remove(added)
    assert flow.closed
    assert added not in one.net.listeners
    with pytest.raises(TransportError):
        one.net.listener_for(kind.upper(), "127.0.0.1")


async def test_listeners_are_added_all_or_none(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = Listener(f"udp:127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(ConfigError, match="in use"):
            await one.net.add([Listener("tcp:127.0.0.1:0"), taken])
    assert len(one.net.listeners) == 1
    with pytest.raises(TransportError):
        one.net.listener_for("TCP", "127.0.0.1")


async def test_a_tls_listener_that_is_added_shows_the_certificate(exchange: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one = await exchange("udp:127.0.0.1:0", tls=TlsSettings((authority.issue("127.0.0.1"),)))
    added = Listener("tls:127.0.0.1:0")
    await one.net.add([added])
    peer = await one.tls_peer(authority.client(), "127.0.0.1", 1)
    await peer.send(REQUEST)
    assert (await one.heard())[1].transport == "TLS"
    one.net.remove(added)
    assert await peer.end()
    assert not one.net.tls.in_use
