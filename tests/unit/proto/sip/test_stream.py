"""Framing SIP on a stream: RFC 3261 §18.3, keep-alives of RFC 5626 §4.4.1."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.stream import PING, Event, StreamFramer


def message(body: bytes = b"", length: bytes | None = None) -> bytes:
    header = b"Content-Length: %d" % len(body) if length is None else length
    return b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\n" + header + b"\r\nSubject: last\r\n\r\n" + body


SDP = b"v=0\r\n\r\nOPTIONS sip:not@a.message SIP/2.0\r\n\r\n"
FIRST, SECOND = message(), message(SDP)
STREAM = b"\r\n" + FIRST + b"\r\n\r\n" + SECOND + b"\r\n\r\n\r\n" + FIRST + SECOND
EVENTS: list[Event] = [FIRST, PING, SECOND, PING, FIRST, SECOND]


def feed_all(framer: StreamFramer, pieces: list[bytes]) -> list[Event]:
    return [event for piece in pieces for event in framer.feed(piece)]


def refusal(data: bytes, **bounds: int) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        StreamFramer(**bounds).feed(data)
    return caught.value


@pytest.mark.rfc(3261, "18.3")
@pytest.mark.rule("T-40")
def test_messages_of_one_segment_come_out_in_order() -> None:
    assert StreamFramer().feed(STREAM) == EVENTS


@pytest.mark.rfc(3261, "18.3")
@pytest.mark.rule("T-40")
def test_messages_survive_being_fed_byte_by_byte() -> None:
    framer = StreamFramer()
    assert feed_all(framer, [STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS
    assert framer.buffered == 0


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
@pytest.mark.rule("T-40")
def test_any_split_gives_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(edges)]
    assert feed_all(StreamFramer(), pieces) == EVENTS


@pytest.mark.parametrize(
    "header",
    [
        b"content-length: 4",
        b"CONTENT-LENGTH:4",
        b"Content-Length \t : \t 4  ",
        b"l:4",
        b"L : 4",
        b"Content-Length:\r\n 4",
        b"Content-Length: 4\r\n ",
        b"Content-Length: 0004",
        b"Content-Length: 4\r\nl: 4",
    ],
)
def test_every_spelling_of_content_length_is_read(header: bytes) -> None:
    whole = message(b"body", header)
    assert StreamFramer().feed(whole + FIRST) == [whole, FIRST]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"Content-Length: -1", "digits"),
        (b"Content-Length: +4", "digits"),
        (b"Content-Length: four", "digits"),
        (b"Content-Length: 0x4", "digits"),
        (b"Content-Length: 4, 4", "digits"),
        (b"Content-Length: 4;a=b", "digits"),
        (b"Content-Length: 1\r\n 2", "digits"),
        (b"Content-Length: 4\r5", "digits"),
        (b"Content-Length: \xd9\xa4", "digits"),
        (b"Content-Length:", "digits"),
        (b"Content-Length: 4\r\nl: 5", "contradict"),
        (b"X-Content-Length: 4", "needs a Content-Length"),
        (b"Subject: x\r\n Content-Length: 4", "needs a Content-Length"),
        (b"Content-Length: " + b"9" * 5000, "too large"),
        (b"Content-Length: 65536", "exceeds 65536"),
    ],
)
@pytest.mark.rule("T-40")
def test_a_wrong_content_length_is_refused_by_its_fault(header: bytes, words: str) -> None:
    assert words in refusal(message(b"body", header)).reason


def test_a_message_of_exactly_the_bound_passes_and_one_more_byte_does_not() -> None:
    whole = message(b"x" * 100)
    assert StreamFramer(max_message=len(whole)).feed(whole) == [whole]
    assert refusal(whole, max_message=len(whole) - 1).status == 513


def test_headers_without_an_end_are_refused_at_the_bound() -> None:
    framer = StreamFramer(max_head=1000)
    assert framer.feed(b"OPTIONS sip:a@b SIP/2.0\r\n" + b"X" * 900) == []
    with pytest.raises(RemoteProtocolError, match="1000"):
        framer.feed(b"X" * 200)


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\x02\x00", b"\x00", b" OPTIONS", b"\n", b"\rX", b"\r\r\n"])
def test_what_cannot_begin_a_start_line_is_refused_at_once(noise: bytes) -> None:
    assert "cannot begin" in refusal(noise).reason


def test_messages_before_a_fault_are_delivered_and_the_stream_ends_there() -> None:
    framer = StreamFramer()
    assert framer.feed(FIRST + b"\x00") == [FIRST]
    assert framer.error is not None
    with pytest.raises(RemoteProtocolError):
        framer.feed(FIRST)
    assert framer.buffered == 0


@pytest.mark.rfc(5626, "4.4.1")
def test_a_double_crlf_is_a_ping_and_a_single_one_is_swallowed() -> None:
    framer = StreamFramer()
    assert framer.feed(b"\r\n") == []
    assert framer.feed(b"\r\n") == [PING]
    assert feed_all(framer, [b"\r", b"\n\r", b"\n"]) == [PING]
    assert framer.feed(b"\r\n" + FIRST + b"\r\n" + FIRST) == [FIRST, FIRST]


@given(
    noise=st.lists(
        st.binary(max_size=80) | st.sampled_from([b"\r\n", b"\r\n\r\n", FIRST, SECOND[:50]]), max_size=8
    )
)
def test_hostile_bytes_raise_only_remote_protocol_error_and_do_not_depend_on_the_split(
    noise: list[bytes],
) -> None:
    whole, single = StreamFramer(), StreamFramer()
    data = b"".join(noise)
    assert drain(whole, [data]) == drain(single, [data[i : i + 1] for i in range(len(data))])
    assert (whole.error is None) == (single.error is None)
    assert whole.buffered == single.buffered


def drain(framer: StreamFramer, pieces: list[bytes]) -> list[Event]:
    events: list[Event] = []
    for piece in pieces:
        try:
            events += framer.feed(piece)
        except RemoteProtocolError:
            break
    return events


def test_single_bytes_cost_linear_time() -> None:
    def cost(size: int) -> float:
        data = b"OPTIONS sip:a@b SIP/2.0\r\nl: %d\r\nX: " % size + b"y" * size + b"\r\n\r\n" + b"z" * size
        pieces = [data[i : i + 1] for i in range(len(data))]
        framer = StreamFramer(max_message=1 << 20, max_head=1 << 20)
        start = time.thread_time()
        assert feed_all(framer, pieces) == [data]
        return time.thread_time() - start

    # Forty times the bytes: looked at again for each, they cost some hundred times as much. A busy machine may
    # make one try dear, but not all of them.
    assert any(cost(100_000) < 120 * cost(2_500) for _ in range(10))
