"""UDP listeners over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog

from tests.loopback.net.kit import ANSWER, REQUEST, Exchange, dead_port
from trunkline.proto.stun import MAGIC_COOKIE

Start = Callable[..., Awaitable[Exchange]]


async def test_an_answer_goes_back_down_the_flow_of_its_request(exchange: Start, address: str) -> None:
    one = await exchange(f"udp:{address}:0")
    peer = await one.peer()
    await peer.send(REQUEST)
    data, flow = await one.heard()
    assert (data, flow.transport, flow.reliable, flow.remote) == (REQUEST, "UDP", False, peer.address)
    assert flow.listener is one.net.listeners[0]
    flow.send(ANSWER, one.on_failure)
    assert await peer.receive() == ANSWER
    assert one.failures.empty()


@pytest.mark.rule("T-29")
async def test_datagrams_of_the_greatest_size_pass_both_ways(exchange: Start, address: str) -> None:
    one = await exchange(f"udp:{address}:0")
    peer = await one.peer()
    # 65535 less the headers of UDP and IPv4; IPv6 does not count its own.
    whole = REQUEST + b"x" * (65507 - len(REQUEST))
    await peer.send(whole)
    data, flow = await one.heard()
    assert data == whole
    flow.send(whole)
    assert await peer.receive() == whole


async def test_a_burst_longer_than_one_wake_up_is_delivered_in_order(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0", datagrams_per_wakeup=8)
    peer = await one.peer()
    sent = [REQUEST + b"%d" % i for i in range(100)]
    for data in sent:
        await peer.send(data)
    assert [(await one.heard())[0] for _ in sent] == sent
    assert one.net.counters.datagrams_in == 100


@pytest.mark.parametrize("noise", [b"", b"\r\n", b"\r\n\r\n", b"\x00", b"jaK"])
async def test_keep_alives_are_swallowed_and_counted(exchange: Start, noise: bytes) -> None:
    one = await exchange("udp:127.0.0.1:0")
    peer = await one.peer()
    await peer.loop.run_in_executor(None, peer.raw.send, noise)
    await peer.send(REQUEST)
    assert (await one.heard())[0] == REQUEST
    assert one.net.counters.keepalives == 1


async def test_an_exception_from_above_is_logged_once_and_stops_nothing(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    peer = await one.peer()
    one.raises = KeyError("secret")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            await peer.send(REQUEST)
            await one.heard()
        one.raises = None
        await peer.send(REQUEST)
        await one.heard()
    assert one.net.counters.callback_errors == 3
    assert [entry["error"] for entry in logs] == ["KeyError"]
    assert "secret" not in str(logs)


@pytest.mark.rfc(3261, "18.4")
async def test_a_closed_port_fails_the_last_sends_and_leaves_the_listener_alive(
    exchange: Start, address: str
) -> None:
    one = await exchange(f"udp:{address}:0")
    host = address.strip("[]")
    dead = one.net.flow_to("UDP", host, dead_port())
    living = await one.peer()
    alive = one.net.flow_to("UDP", *living.address)
    for _ in range(3):
        wrong: list[object] = []
        alive.send(REQUEST, wrong.append)
        dead.send(REQUEST, one.on_failure)
        alive.send(REQUEST, wrong.append)
        assert "refused" in str(await one.failed())
        assert await living.receive() == await living.receive() == REQUEST
        await living.send(ANSWER)
        assert (await one.heard())[0] == ANSWER
        assert wrong == []
    assert one.net.counters.unreachable >= 3


async def test_a_datagram_too_long_for_udp_fails_later_and_does_not_raise(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    one.net.flow_to("UDP", "127.0.0.1", 9).send(b"x" * 65536, one.on_failure)
    assert one.failures.empty()
    assert "too long" in str(await one.failed())


async def test_what_the_kernel_does_not_take_waits_and_beyond_the_bound_fails(
    exchange: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await exchange("udp:127.0.0.1:0", send_queue=2)
    peer = await one.peer()
    (endpoint,) = one.net._endpoints.values()
    real, held = endpoint.sendto, asyncio.Event()

    def sendto(data: bytes, remote: tuple[str, int]) -> int:
        if not held.is_set():
            raise BlockingIOError
        return real(data, remote)

    endpoint.sendto = sendto  # a loopback device is never full
    flow = one.net.flow_to("UDP", *peer.address)
    for number in b"123":
        flow.send(REQUEST + bytes([number]), one.on_failure)
    assert "queue is full" in str(await one.failed())
    held.set()
    assert [(await peer.receive())[-1:] for _ in range(2)] == [b"1", b"2"]
    flow.send(ANSWER, one.on_failure)
    assert await peer.receive() == ANSWER
    assert one.failures.empty()


async def test_a_flow_is_found_again_after_a_restart_by_its_token(exchange: Start, address: str) -> None:
    first = await exchange(f"udp:{address}:0")
    peer = await first.peer()
    await peer.send(REQUEST)
    _, flow = await first.heard()
    port = first.net.listeners[0].port
    await first.net.stop()
    second = await exchange(f"udp:{address}:{port}")
    again = second.net.flow_from_token(flow.token)
    assert again is not None
    again.send(ANSWER)
    assert await peer.receive() == ANSWER


async def test_flows_are_equal_when_listener_and_remote_are(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0", "udp:127.0.0.1:0")
    peer = await one.peer()
    await peer.send(REQUEST)
    _, flow = await one.heard()
    here, there = one.net.listeners
    assert flow == one.net.flow_to("UDP", *peer.address, here)
    assert hash(flow) == hash(one.net.flow_to("UDP", *peer.address, here))
    assert flow != one.net.flow_to("UDP", *peer.address, there)


async def test_sending_after_the_end_fails_later(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    flow = one.net.flow_to("UDP", "127.0.0.1", 9)
    before = flow.closed
    await one.net.stop()
    assert (before, flow.closed) == (False, True)
    flow.send(REQUEST, one.on_failure)
    assert "closed" in str(await one.failed())


@pytest.mark.rule("T-11")
async def test_under_load_requests_within_dialogs_are_handed_up_before_new_ones(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0", datagrams_per_wakeup=8)
    one.net.triage = True
    peer = await one.peer()
    new = [b"INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\nCall-ID: %d\r\n\r\n" % i for i in range(20)]
    known = [b"BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>;tag=1\r\nCall-ID: %d\r\n\r\n" % i for i in range(20)]
    for data in (*new, *known):
        peer.raw.send(data)  # at once: the loop has not had its turn
    assert [(await one.heard())[0] for _ in range(40)] == known + new
    one.net.triage = False
    await peer.send(new[0])
    assert (await one.heard())[0] == new[0]
    assert one.net.counters.datagrams_in == 41


@pytest.mark.rule("T-11")
async def test_under_load_what_new_requests_have_begun_gets_its_turn_between_them(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    one.net.triage = True
    peer = await one.peer()
    for number in range(400):  # so many fit where the system grants no larger buffer
        peer.raw.send(b"INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\nCall-ID: %d\r\n\r\n" % number)
    await one.heard()
    waiting = one.net.backlog().waiting
    assert waiting > 50, "who awaits what one of them has begun is woken before all are handed up"
    one.net.triage = False
    heard = [(await one.heard())[0] for _ in range(399)]
    assert [int(data.split(b"Call-ID: ")[1]) for data in heard] == list(range(1, 400))
    assert one.net.backlog() == (0, 0)
    assert one.net.counters.datagrams_in == 400


@pytest.mark.rule("T-11")
async def test_what_waits_in_the_receive_buffer_is_measured(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    peer = await one.peer()
    assert one.net.backlog().waiting == 0
    for count in (20, 40, 60):
        for _ in range(20):
            peer.raw.send(REQUEST + b"x" * 500)
        assert one.net.backlog().waiting == pytest.approx(count, rel=0.5)
    for _ in range(60):
        await one.heard()
    assert one.net.backlog() == (0, 0)


@pytest.mark.rule("T-11")
async def test_datagrams_that_found_no_room_are_counted(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0", receive_buffer=4096)
    peer = await one.peer()
    for _ in range(100):
        peer.raw.send(REQUEST)
    assert 0 < one.net.backlog().dropped < 100


@pytest.mark.rule("T-26")
@pytest.mark.rfc("5626", "3.5.2")
async def test_a_phone_keeps_its_nat_open_by_stun_on_the_sip_port(exchange: Start, address: str) -> None:
    one = await exchange(f"udp:{address}:0")
    peer = await one.peer()
    transaction = bytes(range(12))
    await peer.send(b"\x00\x01\x00\x00" + MAGIC_COOKIE + transaction)
    response = await peer.receive()
    assert response[:2] == b"\x01\x01"
    assert response[8:20] == transaction
    assert int.from_bytes(response[26:28], "big") ^ 0x2112 == peer.address[1]
    assert one.net.counters.keepalives == 1
    await peer.send(b"\x00\x01\x00\x00" + b"no magic cookie" + bytes(5))
    assert (await one.heard())[0][:2] == b"\x00\x01"
