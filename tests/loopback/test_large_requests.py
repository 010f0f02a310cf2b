"""RFC 3261 §18.1.1 over real sockets."""

from __future__ import annotations

import pytest

from tests.link.phones import SDP, describe
from tests.loopback.socket_parties import DEADLINE_S, SocketParty, socket_party
from tests.peers.ports import free_ports

LARGE = describe("127.0.0.1", *[f"a=fmtp:{number} a-codec-with-parameters=yes" for number in range(40)])
pytestmark = [pytest.mark.rule("T-29"), pytest.mark.rfc("3261", "18.1.1")]


async def call_and_change(alice: SocketParty, bob: SocketParty) -> None:
    """A large INVITE, a small and a large re-INVITE, a BYE."""
    bob.offer_answer = SDP
    alice.dial(f"sip:bob@127.0.0.1:{bob.port}", bob.port, LARGE)
    await bob.until("acknowledged", DEADLINE_S)
    assert (await alice.reoffer(SDP))[0] == 200
    assert (await alice.reoffer(LARGE))[0] == 200
    bob.dialogue.hang_up()
    await alice.until("ended bye", DEADLINE_S)


async def test_large_requests_go_by_tcp_where_the_peer_listens() -> None:
    ports = free_ports(2)
    async with (
        socket_party(f"udp:127.0.0.1:{ports}", f"tcp:127.0.0.1:{ports}") as alice,
        socket_party(f"udp:127.0.0.1:{ports + 1}", f"tcp:127.0.0.1:{ports + 1}") as bob,
    ):
        await call_and_change(alice, bob)
        assert bob.sockets.ways("INVITE") == ["TCP", "UDP", "TCP"]
        assert bob.sockets.net.counters.accepted == 1
        assert alice.endpoint.large.came_back == 0


async def test_large_requests_go_by_udp_where_the_connection_is_refused() -> None:
    ports = free_ports(2)
    async with (
        socket_party(f"udp:127.0.0.1:{ports}", f"tcp:127.0.0.1:{ports}") as alice,
        socket_party(f"udp:127.0.0.1:{ports + 1}") as bob,
    ):
        await call_and_change(alice, bob)
        assert bob.sockets.ways("INVITE") == ["UDP", "UDP", "UDP"]
        assert alice.sockets.net.counters.connected == 0
        assert (alice.endpoint.large.by_tcp, alice.endpoint.large.came_back) == (1, 1)


async def test_without_a_tcp_listener_of_our_own_they_go_by_udp() -> None:
    ports = free_ports(2)
    async with (
        socket_party(f"udp:127.0.0.1:{ports}") as alice,
        socket_party(f"udp:127.0.0.1:{ports + 1}", f"tcp:127.0.0.1:{ports + 1}") as bob,
    ):
        await call_and_change(alice, bob)
        assert bob.sockets.ways("INVITE") == ["UDP", "UDP", "UDP"]


async def test_a_peer_behind_nat_gets_no_connection() -> None:
    ports = free_ports(2)
    async with (
        socket_party(f"udp:127.0.0.1:{ports}", f"tcp:127.0.0.1:{ports}") as alice,
        socket_party(f"udp:127.0.0.1:{ports + 1}", f"tcp:127.0.0.1:{ports + 1}") as bob,
    ):
        alice.dial("sip:bob@192.168.7.7:5060", bob.port, LARGE)
        await bob.until("acknowledged", DEADLINE_S)
        assert bob.sockets.ways("INVITE") == ["UDP"]
        alice.dialogue.hang_up()
        await bob.until("ended bye", DEADLINE_S)
