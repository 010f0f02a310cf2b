"""A WebSocket without sockets: whatever the peer sends, only RemoteProtocolError comes out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from trunkline.base.errors import RemoteProtocolError
from trunkline.net.websocket.protocol import WebSocket
from trunkline.proto.sip.stream import PING, Event

REQUEST = b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"


def handshake() -> bytes:
    client = ClientProtocol(parse_uri("ws://localhost/"), subprotocols=["sip"])  # type: ignore[list-item]
    client.send_request(client.connect())
    return b"".join(client.data_to_send())


def opened() -> tuple[WebSocket, list[bytes]]:
    written: list[bytes] = []
    web = WebSocket(written.append, 1000)
    assert web.feed(handshake()) == []
    assert web.open
    assert written[0].startswith(b"HTTP/1.1 101 ")
    written.clear()
    return web, written


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def fed(web: WebSocket, *pieces: bytes) -> tuple[list[Event], str]:
    """What came out, and the fault."""
    events: list[Event] = []
    try:
        for piece in pieces:
            events += web.feed(piece)
    except RemoteProtocolError as error:
        return events, error.reason
    return events, web.error.reason if web.error is not None else ""


@pytest.mark.parametrize("size", [1000, 100_000])
def test_a_handshake_without_end_is_not_kept(size: int) -> None:
    web = WebSocket(lambda _data: None, 65_536)
    line = b"X-Filler: " + b"x" * 980 + b"\r\n"
    endless = b"GET / HTTP/1.1\r\n" + line * 100
    pieces = [endless[at : at + size] for at in range(0, len(endless), size)]
    events, fault = fed(web, *pieces[: 32_768 // size])
    assert (events, fault) == ([], "")
    assert fed(web, pieces[32_768 // size]) == ([], "a WebSocket handshake of more than 32768 bytes")


def test_what_came_before_a_fault_is_still_handed_up() -> None:
    web, written = opened()
    events, fault = fed(web, frame(Opcode.TEXT, REQUEST) + frame(Opcode.CONT, b"x"))
    assert events == [REQUEST]
    assert "unexpected continuation" in fault
    assert written[-1][:1] == b"\x88"
    with pytest.raises(RemoteProtocolError):
        web.feed(frame(Opcode.TEXT, REQUEST))


@pytest.mark.rfc("7118", "6")
def test_crlfs_are_no_messages() -> None:
    web, _ = opened()
    pieces = [frame(Opcode.TEXT, data) for data in (b"\r\n\r\n", b"\r\n", b"", b"\n")]
    assert fed(web, *pieces) == ([PING], "")


def test_a_close_frame_is_written_once_and_never_before_the_handshake() -> None:
    web, written = opened()
    web.close()
    web.close()
    web.ping()
    assert [data[0] for data in written] == [0x88]
    fresh = WebSocket(written.append, 1000)
    fresh.close()
    fresh.ping()
    assert len(written) == 1


def test_the_reason_of_a_refusal_is_short_and_printable() -> None:
    web = WebSocket(lambda _data: None, 1000)
    request = handshake().replace(b"Upgrade: websocket", b"Upgrade: \x80\xff" + b"y" * 500)
    _, fault = fed(web, request)
    assert fault.isprintable()
    assert len(fault) < 200


@given(st.binary(max_size=200), st.lists(st.integers(0, 300), max_size=4))
def test_noise_after_the_handshake_gives_messages_or_a_fault(noise: bytes, cuts: list[int]) -> None:
    web, _ = opened()
    fed(web, *_pieces(noise, cuts))


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Opcode)), st.binary(max_size=130), st.booleans(), st.booleans()),
        max_size=6,
    ),
    st.lists(st.integers(0, 600), max_size=4),
)
def test_frames_in_any_order_give_the_same_whole_and_in_pieces(
    frames: list[tuple[Opcode, bytes, bool, bool]], cuts: list[int]
) -> None:
    data = b"".join(_unchecked(*one) for one in frames)
    whole, pieces = opened()[0], opened()[0]
    assert fed(whole, data) == fed(pieces, *_pieces(data, cuts))


@given(st.binary(max_size=100), st.integers(0, 300), st.binary(max_size=100))
def test_noise_within_and_behind_a_handshake_never_raises_anything_else(
    noise: bytes, at: int, after: bytes
) -> None:
    request = handshake()
    web = WebSocket(lambda _data: None, 1000, ("https://phone.example",))
    fed(web, request[:at] + noise + request[at:], after)
    web = WebSocket(lambda _data: None, 1000)
    fed(web, request + noise, after)


def _unchecked(opcode: Opcode, data: bytes, fin: bool, masked: bool) -> bytes:
    """A frame that need not obey the rules; shorter than 126 bytes where the length says so."""
    head = bytes([opcode | (0x80 if fin else 0), min(len(data), 125) | (0x80 if masked else 0)])
    return head + (b"\x00\x00\x00\x00" if masked else b"") + data[:125]


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[a:b] for a, b in pairwise(places)]
