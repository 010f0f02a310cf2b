"""WebSocket flows over real sockets: handshake, frames, close codes, bounds, keep-alive; and within TLS."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from tests.loopback.net.kit import ANSWER, REQUEST, Exchange, WebPeer
from tests.peers.authority import Authority
from trunkline.base.errors import TransportError
from trunkline.net import Flow, Listener, TlsSettings

Start = Callable[..., Awaitable[Exchange]]
LATIN = b"OPTIONS sip:\xe9@b SIP/2.0\r\n\r\n"


async def connected(one: Exchange) -> tuple[WebPeer, Flow]:
    web = await WebPeer.open(await one.peer())
    await web.send(REQUEST)
    data, flow = await one.heard()
    assert data == REQUEST
    return web, flow


@pytest.mark.rfc("7118", "4.2")
async def test_each_websocket_message_is_one_sip_message(exchange: Start, address: str) -> None:
    one = await exchange(f"ws:{address}:0")
    web, flow = await connected(one)
    assert (flow.transport, flow.reliable, flow.remote) == ("WS", True, web.stream.address)  # type: ignore[union-attr]
    flow.send(ANSWER)
    flow.send(LATIN)
    answer, latin = await web.event(), await web.event()
    # A browser ends the connection over a text that is no UTF-8.
    assert (answer.opcode, bytes(answer.data)) == (Opcode.TEXT, ANSWER)
    assert (latin.opcode, bytes(latin.data)) == (Opcode.BINARY, LATIN)
    await web.send(LATIN, binary=True)
    assert (await one.heard())[0] == LATIN
    await web.send(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n")  # no Content-Length: the frame tells where it ends
    assert (await one.heard())[0].endswith(b"SIP/2.0\r\n\r\n")
    tally = one.net.counters.streams["WS"]
    assert (tally.connections, tally.messages_in, tally.messages_out) == (1, 3, 2)


@pytest.mark.rfc("7118", "7")
async def test_a_secure_websocket_is_a_websocket_within_tls(
    exchange: Start, address: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    one = await exchange(f"wss:{address}:0", tls=TlsSettings((authority.issue("127.0.0.1", "::1"),)))
    web = await WebPeer.open(await one.tls_peer(authority.client(), address.strip("[]")))
    await web.send(REQUEST)
    data, flow = await one.heard()
    assert (data, flow.transport, flow.token.split("|")[1]) == (REQUEST, "WSS", "wss")
    flow.send(ANSWER)
    assert await web.receive() == ANSWER
    assert one.net.flow_from_token(flow.token) is flow
    await one.net.stop()
    assert await web.closed_with() == 1001


async def test_fragments_make_one_message_and_may_be_cut_anywhere(exchange: Start) -> None:
    one = await exchange("ws:127.0.0.1:0")
    web, _ = await connected(one)
    for at, fin in ((0, False), (10, False), (20, True)):
        piece = REQUEST[at : at + 10] if not fin else REQUEST[at:]
        await web.send_frame(Frame(Opcode.CONT if at else Opcode.TEXT, piece, fin))
        await web.send_frame(Frame(Opcode.PING, b"between"))
    assert (await one.heard())[0] == REQUEST
    wire = Frame(Opcode.TEXT, REQUEST).serialize(mask=True)
    for at in range(len(wire)):
        await web.stream.send(wire[at : at + 1])
    assert (await one.heard())[0] == REQUEST


@pytest.mark.rfc("7118", "5.1")
@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        ({"subprotocols": None}, 400, b"needs the WebSocket subprotocol 'sip'"),
        ({"subprotocols": ["chat"]}, 400, b"needs the WebSocket subprotocol 'sip'"),
        ({"origin": "https://evil.example"}, 403, b"invalid Origin header: https://evil.example"),
    ],
)
async def test_a_handshake_that_we_cannot_take_is_refused_with_the_reason(
    exchange: Start, options: dict[str, object], status: int, said: bytes
) -> None:
    one = await exchange(Listener("ws:127.0.0.1:0", origins=("https://phone.example",)))
    with pytest.raises(InvalidStatus) as caught:
        await WebPeer.open(await one.peer(), **options)
    assert caught.value.response.status_code == status
    assert said in bytes(caught.value.response.body)
    await one.ended()
    assert one.net.counters.streams["WS"].handshakes_failed == 1


@pytest.mark.parametrize(
    ("headers", "banned"),
    [
        ("Origin: https://evil.example\r\nSec-WebSocket-Protocol: sip\r\n", False),
        ("Origin: https://phone.example\r\nSec-WebSocket-Protocol: chat\r\n", False),
        ("Sec-WebSocket-Version: 7\r\n", True),
    ],
    ids=["another page", "another protocol", "a scanner"],
)
async def test_what_any_page_can_make_a_browser_do_bans_nobody(
    exchange: Start, headers: str, *, banned: bool
) -> None:
    one = await exchange(Listener("ws:127.0.0.1:0", origins=("https://phone.example",)))
    request = (
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    )
    for _ in range(10):
        peer = await one.peer()
        await peer.send(request.encode())
        assert (await peer.receive()).startswith(b"HTTP/1.1 4")
        await one.ended()
    assert list(one.net.fence.shut) == (["127.0.0.1"] if banned else [])


@pytest.mark.rfc("6455", "10.2")
@pytest.mark.parametrize("origin", ["https://phone.example", None])
async def test_pages_of_the_list_and_programs_may_connect(exchange: Start, origin: str | None) -> None:
    one = await exchange(Listener("ws:127.0.0.1:0", origins=("https://phone.example",)))
    web = await WebPeer.open(await one.peer(), origin=origin, subprotocols=["xmpp", "sip"])
    assert web.protocol.subprotocol == "sip"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 426 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 405 "),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500, b"HTTP/1.1 431 "),
        (REQUEST, b""),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n", b""),
    ],
)
async def test_what_is_no_websocket_is_answered_as_far_as_it_is_http(
    exchange: Start, request_: bytes, answer: bytes
) -> None:
    one = await exchange("ws:127.0.0.1:0")
    peer = await one.peer()
    await peer.send(request_)
    if answer:
        assert (await peer.receive()).startswith(answer)
    assert await peer.end()
    assert one.messages.empty()
    assert one.net.counters.streams["WS"].handshakes_failed == 1


@pytest.mark.rfc("6455", "7.4.1")
@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([Frame(Opcode.TEXT, b"OPTIONS sip:\xff\xfe SIP/2.0\r\n\r\n")], 1007),
        ([Frame(Opcode.TEXT, b"x" * 65_537)], 1009),
        ([Frame(Opcode.BINARY, b"x" * 65_000, fin=False), Frame(Opcode.CONT, b"x" * 1000)], 1009),
        ([Frame(Opcode.TEXT, b"", fin=False), *[Frame(Opcode.CONT, b"", fin=False)] * 256], 1008),
        ([Frame(Opcode.CONT, b"x")], 1002),
        ([Frame(Opcode.TEXT, b"x", fin=False), Frame(Opcode.TEXT, b"x")], 1002),
        ([Frame(Opcode.CLOSE, b"\x00")], 1002),
    ],
    ids=["utf-8", "large", "large in pieces", "pieces", "continuation", "mixed", "close"],
)
async def test_frames_that_break_the_rules_close_the_connection_with_their_code(
    exchange: Start, frames: list[Frame], code: int
) -> None:
    one = await exchange("ws:127.0.0.1:0")
    web, flow = await connected(one)
    for frame in frames:
        await web.send_frame(frame)
    assert await web.closed_with() == code
    assert await one.ended() is flow
    assert one.net.counters.framing_errors == 1
    assert one.messages.empty()


async def test_frames_that_are_not_masked_close_the_connection(exchange: Start) -> None:
    one = await exchange("ws:127.0.0.1:0")
    web, flow = await connected(one)
    await web.stream.send(Frame(Opcode.TEXT, REQUEST).serialize(mask=False))
    assert await web.closed_with() == 1002
    assert await one.ended() is flow


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.rfc("7118", "6")
async def test_crlf_and_pings_keep_the_connection_alive_both_ways(exchange: Start) -> None:
    one = await exchange("ws:127.0.0.1:0", sweep_s=0.02, websocket_ping_s=0.05)
    web, _ = await connected(one)
    await web.send_frame(Frame(Opcode.PING, b"are you there"))
    kinds: set[Opcode] = set()
    async with asyncio.timeout(20):
        while kinds < {Opcode.PING, Opcode.PONG}:
            frame = await web.event()
            kinds.add(frame.opcode)
            if frame.opcode is Opcode.PONG:
                assert bytes(frame.data) == b"are you there"
        await web.send(b"\r\n\r\n")
        await web.send(b"\r\n")
        while (frame := await web.event()).opcode is not Opcode.TEXT:
            pass
    assert bytes(frame.data) == b"\r\n"
    assert one.messages.empty()
    assert one.net.counters.keepalives == 1


async def test_a_client_that_closes_gets_its_code_back_and_ends_the_flow(exchange: Start) -> None:
    one = await exchange("ws:127.0.0.1:0")
    web, flow = await connected(one)
    web.protocol.send_close(1000)
    await web._pump()
    assert await web.closed_with() == 1000
    assert await one.ended() is flow
    flow.send(ANSWER, one.on_failure)
    assert "closed" in str(await one.failed())


async def test_nothing_is_sent_before_the_handshake_nor_to_a_client_that_is_gone(exchange: Start) -> None:
    one = await exchange("ws:127.0.0.1:0")
    peer = await one.peer()
    await peer.send(b"GET / HTTP/1.1\r\n")
    async with asyncio.timeout(20):
        while one.failures.empty():
            # Until it is accepted there is nobody to send to at all.
            with contextlib.suppress(TransportError):
                one.net.flow_to("WS", *peer.address).send(ANSWER, one.on_failure)
            await asyncio.sleep(0)
    assert "not open" in str(await one.failed())
    peer.close()
    await one.ended()
    with pytest.raises(TransportError, match=r"the WS client at .* is not connected"):
        one.net.flow_to("WS", "127.0.0.1", 9)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_a_handshake_that_does_not_come_ends_the_connection(exchange: Start) -> None:
    one = await exchange("ws:127.0.0.1:0", sweep_s=0.02, first_message_timeout_s=0.1)
    silent, slow = await one.peer(), await WebPeer.open(await one.peer())
    assert await silent.end()
    assert await slow.closed_with() is None
    assert one.net.counters.reaped == 2


async def test_a_client_that_does_not_read_is_cut_off_at_the_bound(exchange: Start) -> None:
    one = await exchange("ws:127.0.0.1:0", write_buffer=100_000)
    web, flow = await connected(one)
    async with asyncio.timeout(20):
        while not flow.closed:
            flow.send(ANSWER + b"x" * 50_000, one.on_failure)
            await asyncio.sleep(0)
    assert "unread" in str(await one.failed())
    assert await web.stream.end()


async def test_messages_in_the_segment_of_the_handshake_wait_for_its_answer(exchange: Start) -> None:
    one = await exchange("ws:127.0.0.1:0")
    web = WebPeer(await one.peer(), subprotocols=["sip"])
    web.protocol.send_request(web.protocol.connect())
    handshake = b"".join(web.protocol.data_to_send())
    await web.stream.send(handshake + Frame(Opcode.TEXT, REQUEST).serialize(mask=True))
    _, flow = await one.heard()
    flow.send(ANSWER)
    assert (await web.event()).status_code == 101
    assert await web.receive() == ANSWER
