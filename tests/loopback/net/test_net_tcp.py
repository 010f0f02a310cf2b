"""TCP flows over real sockets: accepted and made, kept alive, bounded, closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.loopback.net.kit import ANSWER, REQUEST, Exchange, Peer, dead_port
from trunkline.base.errors import TransportError
from trunkline.net import Flow
from trunkline.net.flow import Connection

Start = Callable[..., Awaitable[Exchange]]


async def connected(one: Exchange) -> tuple[Peer, Flow]:
    """A peer that has sent a request, and the flow that its connection is."""
    peer = await one.peer()
    await peer.send(REQUEST)
    data, flow = await one.heard()
    assert data == REQUEST
    return peer, flow


async def served(one: Exchange, server: socket.socket) -> Peer:
    """The connection that a listening socket of the test's own got."""
    async with asyncio.timeout(20):
        raw, _ = await asyncio.get_running_loop().sock_accept(server)
    peer = Peer(raw)
    one.peers.append(peer)
    return peer


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as raw:
        raw.setblocking(False)
        yield raw


async def test_an_answer_goes_back_down_the_connection_of_its_request(exchange: Start, address: str) -> None:
    one = await exchange(f"tcp:{address}:0")
    peer, flow = await connected(one)
    assert (flow.transport, flow.reliable, flow.remote) == ("TCP", True, peer.address)
    flow.send(ANSWER)
    flow.send(REQUEST)
    assert await peer.receive(len(ANSWER + REQUEST)) == ANSWER + REQUEST


async def test_messages_are_framed_whatever_the_segments(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    peer = await one.peer()
    await peer.send(REQUEST + ANSWER + REQUEST[:20])
    assert [(await one.heard())[0] for _ in range(2)] == [REQUEST, ANSWER]
    await peer.send(REQUEST[20:])
    assert (await one.heard())[0] == REQUEST


@pytest.mark.rule("T-26")
@pytest.mark.rfc("5626", "4.4.1")
async def test_a_ping_is_answered_with_a_pong(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    peer = await one.peer()
    await peer.send(b"\r\n\r\n")
    assert await peer.receive(2) == b"\r\n"
    assert one.net.counters.keepalives == 1
    assert one.messages.empty()


async def until_heard(flow: Connection) -> None:
    """Until the peer has said anything."""
    async with asyncio.timeout(20):
        while flow.unheard:  # noqa: ASYNC110  (a flag of the flow; nothing tells of it)
            await asyncio.sleep(0)


@pytest.mark.rule("T-26")
@pytest.mark.rfc("5626", "4.4.1")
async def test_a_pong_tells_that_the_peer_is_there(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    peer, flow = await connected(one)
    assert isinstance(flow, Connection)
    flow.unheard = True
    flow.send(b"\r\n\r\n")
    assert await peer.receive(4) == b"\r\n\r\n"
    assert flow.unheard
    await peer.send(b"\r\n")
    await until_heard(flow)
    assert one.messages.empty()


async def test_what_is_sent_while_connecting_arrives_in_order(exchange: Start, server: socket.socket) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    flow = one.net.flow_to("TCP", *server.getsockname())
    flow.send(REQUEST, one.on_failure)
    flow.send(ANSWER, one.on_failure)
    peer = await served(one, server)
    assert await peer.receive(len(REQUEST + ANSWER)) == REQUEST + ANSWER
    await peer.send(ANSWER)
    data, back = await one.heard()
    assert (data, back) == (ANSWER, flow)
    assert one.failures.empty()


async def test_one_connection_serves_all_requests_to_a_remote(exchange: Start, server: socket.socket) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    flow = one.net.flow_to("TCP", *server.getsockname())
    assert one.net.flow_to("TCP", *server.getsockname()) is flow
    await served(one, server)
    flow.send(REQUEST)
    assert one.net.flow_to("TCP", *server.getsockname()) is flow
    assert one.net.flow_from_token(flow.token) is flow


@pytest.mark.rule("T-27")
async def test_a_request_to_an_accepted_connections_remote_goes_down_that_connection(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    peer, flow = await connected(one)
    assert one.net.flow_to("TCP", *peer.address) is flow


async def test_a_refused_connection_fails_what_was_sent_and_closes_the_flow(
    exchange: Start, address: str
) -> None:
    one = await exchange(f"tcp:{address}:0")
    host = address.strip("[]")
    port = dead_port()
    flow = one.net.flow_to("TCP", host, port)
    flow.on_close(one.closed.put_nowait)
    flow.send(REQUEST, one.on_failure)
    assert "refused" in str(await one.failed())
    assert [await one.ended(), await one.ended()] == [flow, flow]
    assert flow.closed
    assert one.net.flow_to("TCP", host, port) is not flow


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_connection_that_is_not_made_in_time_fails(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0", connect_timeout_s=0.1)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        # A full accept queue drops further SYNs.
        with socket.create_connection(deaf.getsockname()):
            flow = one.net.flow_to("TCP", *deaf.getsockname())
            flow.send(REQUEST, one.on_failure)
            assert "no connection within 0.1 s" in str(await one.failed())


async def test_a_peer_that_closes_ends_the_flow_and_the_next_request_connects_anew(
    exchange: Start, server: socket.socket
) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    first = one.net.flow_to("TCP", *server.getsockname())
    first.on_close(one.closed.put_nowait)
    first.on_close(one.failures.put_nowait)  # type: ignore[arg-type]  # only that it is not called
    first.off_close(one.failures.put_nowait)  # type: ignore[arg-type]
    first.send(REQUEST, one.on_failure)
    peer = await served(one, server)
    await peer.receive(len(REQUEST))
    peer.close()
    assert [await one.ended(), await one.ended()] == [first, first]
    assert one.net.flow_from_token(first.token) is None
    assert one.failures.empty()
    first.send(REQUEST, one.on_failure)
    assert "closed" in str(await one.failed())
    second = one.net.flow_to("TCP", *server.getsockname())
    second.send(ANSWER)
    assert await (await served(one, server)).receive(len(ANSWER)) == ANSWER


async def test_a_reset_fails_what_the_peer_has_not_answered(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    peer, flow = await connected(one)
    flow.send(ANSWER, one.on_failure)
    await peer.receive(len(ANSWER))
    peer.reset()
    assert isinstance(await one.failed(), TransportError)
    assert await one.ended() is flow


async def test_a_peer_that_does_not_read_is_cut_off_at_the_bound(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0", write_buffer=100_000)
    peer, flow = await connected(one)
    chunk = ANSWER + b"x" * 50_000
    async with asyncio.timeout(20):
        while not flow.closed:
            flow.send(chunk, one.on_failure)
            await asyncio.sleep(0)
    assert "unread" in str(await one.failed())
    assert await one.ended() is flow
    assert await peer.end()


@pytest.mark.parametrize("noise", [b"\x16\x03\x01", b"INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n"])
async def test_a_stream_that_cannot_be_framed_is_closed_after_its_good_messages(
    exchange: Start, noise: bytes
) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    peer = await one.peer()
    await peer.send(REQUEST + noise)
    assert (await one.heard())[0] == REQUEST
    assert await peer.end()
    assert one.net.counters.framing_errors == 1


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_connection_that_never_speaks_sip_is_closed_early(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0", sweep_s=0.02, first_message_timeout_s=0.1)
    talker, _ = await connected(one)
    silent = await one.peer()
    await silent.send(b"GET / HTTP/1.1\r\n")
    assert await silent.end()
    assert one.net.counters.reaped == 1
    await talker.send(REQUEST)
    assert (await one.heard())[0] == REQUEST


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_connection_that_fell_silent_is_closed_late(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0", sweep_s=0.02, idle_timeout_s=0.1)
    peer, flow = await connected(one)
    assert await peer.end()
    assert await one.ended() is flow


@pytest.mark.parametrize("bound", ["max_connections", "max_connections_per_source"])
async def test_connections_over_the_bound_are_refused_until_one_ends(exchange: Start, bound: str) -> None:
    one = await exchange("tcp:127.0.0.1:0", **{bound: 1})
    peer, flow = await connected(one)
    assert await (await one.peer()).end()
    assert one.net.counters.refused == 1
    peer.close()
    assert await one.ended() is flow
    await connected(one)


async def test_no_connection_is_made_over_the_bound(exchange: Start, server: socket.socket) -> None:
    one = await exchange("tcp:127.0.0.1:0", max_connections=1)
    await connected(one)
    with pytest.raises(TransportError, match="1 connections already"):
        one.net.flow_to("TCP", *server.getsockname())


async def test_an_exception_from_above_does_not_end_the_connection(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    one.raises = ValueError()
    peer, _ = await connected(one)
    await peer.send(REQUEST)
    await one.heard()
    assert one.net.counters.callback_errors == 2


async def test_stopping_sends_what_was_to_be_sent_and_closes(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    peer, flow = await connected(one)
    flow.send(ANSWER)
    await one.net.stop()
    assert await peer.receive(len(ANSWER) + 1) == ANSWER
    assert flow.closed


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_stopping_does_not_wait_for_a_peer_that_does_not_read(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0", close_timeout_s=0.1, write_buffer=1 << 26)
    _, flow = await connected(one)
    flow.send(b"x" * (1 << 25))
    async with asyncio.timeout(20):
        await one.net.stop()
    assert one.net.counters.connections == 0


async def test_stopping_gives_up_a_connection_that_is_being_made(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    flow = one.net.flow_to("TCP", "127.0.0.1", dead_port())
    flow.send(REQUEST, one.on_failure)
    await one.net.stop()
    assert flow.closed
    assert isinstance(await one.failed(), TransportError)
