"""The HTTP/2 connection to APNs against a server of ours, without sockets and in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, PingReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame
from hypothesis import given
from hypothesis import strategies as st

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.push.apns.connection import (
    Answered,
    Connection,
    Dead,
    Happening,
    Leaving,
    Lost,
    Ready,
    Request,
)
from trunkline.push.apns.frames import GoAway, GoAwayFilter

REQUEST = Request(b"/3/device/00aa", ((b"apns-topic", b"com.example.app"),), ((b"apns-id", b"1"),), b"{}")


class Link:
    """A connection and its server; ``now`` moves when a test says so."""

    def __init__(self, *, streams: int = 100, window: int = 65_535, idle_s: float = 60.0) -> None:
        self.now = 0.0
        self.client = Connection("api.push.apple.com", idle_s=idle_s, pong_s=1.0)
        self.server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.server.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = streams
        self.server.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = window
        self.server.local_settings.acknowledge()
        self.server.initiate_connection()
        self.asked: list[Event] = []
        self.bodies: dict[int, bytes] = {}
        self.client.begin(self.now)

    def run(self) -> list[Happening]:
        """Carry everything over in both directions until both are silent; what happened to the client."""
        happened: list[Happening] = []
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return happened
            for event in self.server.receive_data(up) if up else ():
                self.asked.append(event)
                if isinstance(event, DataReceived):
                    self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
            happened += self.client.receive(down, self.now) if down else []

    def answer(self, stream: int, status: int = 200, body: bytes = b"") -> list[Happening]:
        self.server.send_headers(stream, [(":status", str(status))], end_stream=not body)
        if body:
            self.server.send_data(stream, body, end_stream=True)
        return self.run()

    def settings(self, **settings: int) -> list[Happening]:
        self.server.update_settings({SettingCodes[name.upper()]: value for name, value in settings.items()})
        return self.run()

    def go_away(self, last: int, data: bytes = b"") -> list[Happening]:
        return self.client.receive(GoAwayFrame(0, last, 0, data).serialize(), self.now)


def statuses(happened: list[Happening]) -> list[tuple[int, int]]:
    return [(one.stream, one.reply.status) for one in happened if isinstance(one, Answered)]


def test_requests_wait_for_the_settings_of_the_peer() -> None:
    link = Link()
    assert link.client.free == 0
    with pytest.raises(LocalProtocolError):
        link.client.request(REQUEST)
    assert link.run() == [Ready()]
    assert link.client.free == 100


def test_a_request_is_a_post_and_has_its_answer() -> None:
    link = Link()
    link.run()
    stream = link.client.request(REQUEST)
    link.run()
    asked = next(event for event in link.asked if isinstance(event, RequestReceived))
    assert [(str(name), str(value)) for name, value in asked.headers] == [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "api.push.apple.com"),
        (":path", "/3/device/00aa"),
        ("apns-topic", "com.example.app"),
        ("apns-id", "1"),
    ]
    assert link.bodies[stream] == b"{}"
    (answered,) = link.answer(stream, 410, b'{"reason":"Unregistered"}')
    assert isinstance(answered, Answered)
    assert (answered.reply.status, answered.reply.body) == (410, b'{"reason":"Unregistered"}')
    assert link.client.open == 0


def test_only_what_requests_have_in_common_is_kept_by_the_peer() -> None:
    link = Link()
    link.run()
    link.client.request(REQUEST)
    kept = dict(link.client._h2.encoder.header_table.dynamic_entries)
    assert b"apns-topic" in kept
    assert not {b":path", b"apns-id"} & set(kept)


def asked_headers(link: Link) -> list[list[tuple[str, str]]]:
    """The headers of all requests, as the server read them."""
    requests = [event for event in link.asked if isinstance(event, RequestReceived)]
    return [[(str(name), str(value)) for name, value in event.headers] for event in requests]


@pytest.mark.rfc("7541", "4.2")
@given(st.data())
def test_headers_are_read_as_they_were_written_however_requests_and_table_sizes_alternate(data: Any) -> None:
    """Tokens change, apps alternate, tables are too small: the peer's table is always the one that we think of."""
    link = Link()
    link.run()
    wanted = []
    for number in range(data.draw(st.integers(1, 25))):
        if data.draw(st.booleans()):
            link.settings(header_table_size=data.draw(st.sampled_from([0, 60, 200, 500, 4096, 65_536])))
        topic, token = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 2))
        usual = ((b"apns-topic", b"com.example.app%d" % topic), (b"authorization", b"%d" % token * 200))
        collapse = b"x" * data.draw(st.sampled_from([0, 1, 126, 127, 128, 400]))
        own = ((b"apns-id", b"%d" % number), (b"apns-collapse-id", collapse), (b"authorization", b"own"))
        stream = link.client.request(Request(b"/3/device/%d" % number, usual, own, b"{}"))
        link.run()
        link.answer(stream)
        named = [(":method", "POST"), (":scheme", "https"), (":authority", "api.push.apple.com")]
        texts = [(name.decode(), value.decode()) for name, value in (*usual, *own)]
        wanted.append([*named, (":path", f"/3/device/{number}"), *texts])
    assert asked_headers(link) == wanted


def test_what_requests_have_in_common_costs_a_byte_each_from_the_second_on() -> None:
    link = Link()
    link.run()
    sizes = []
    for _ in range(3):
        link.client.request(REQUEST)
        sizes.append(len(link.client.data_to_send()))
    # Method, scheme, authority and topic by index; path and id in full; two frame heads and the body.
    assert sizes[1:] == [4 + (2 + 14) + (1 + 8 + 2) + 2 * 9 + 2] * 2
    assert sizes[0] > sizes[1]


@given(st.lists(st.sampled_from(["answer", "early answer", "reset", "cancel", "nothing"]), max_size=12))
def test_requests_that_are_not_answered_are_the_streams_that_h2_takes_for_open(ends: list[str]) -> None:
    link = Link(window=10)
    link.run()
    for end in ends:
        body = b"x" * 20 if end == "early answer" else b"{}"  # of which only 10 bytes find room
        stream = link.client.request(Request(b"/3/device/00", (), (), body))
        link.run()
        if end.endswith("answer"):
            link.answer(stream)
        elif end == "reset":
            link.server.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
        elif end == "cancel":
            link.client.cancel(stream)
        link.run()
        counted = sum(one.open for one in link.client._h2.streams.values())
        assert link.client.open == counted


def test_streams_that_are_over_are_forgotten() -> None:
    link = Link()
    link.run()
    for _ in range(200):
        link.client.request(REQUEST)
        link.run()
        link.answer(max(link.client._replies))
    assert len(link.client._h2.streams) <= 66


def test_no_more_requests_at_once_than_the_peer_takes_which_begins_with_one() -> None:
    link = Link(streams=1)
    link.run()
    first = link.client.request(REQUEST)
    assert link.client.free == 0
    with pytest.raises(LocalProtocolError):
        link.client.request(REQUEST)
    link.run()
    link.answer(first)
    assert link.client.free == 1
    link.settings(max_concurrent_streams=5)
    assert link.client.free == 5
    assert link.client.limit == 5


def test_a_peer_may_lower_its_limit_below_what_is_open() -> None:
    link = Link(streams=5)
    link.run()
    for _ in range(3):
        link.client.request(REQUEST)
    link.run()
    link.settings(max_concurrent_streams=1)
    assert link.client.free == -2
    assert statuses([*link.answer(1), *link.answer(3), *link.answer(5)]) == [(1, 200), (3, 200), (5, 200)]


@pytest.mark.scenario(8)
@pytest.mark.rfc("9113", "6.8")
def test_after_goaway_streams_up_to_the_last_id_are_answered_and_the_others_are_to_be_sent_elsewhere() -> (
    None
):
    link = Link()
    link.run()
    streams = [link.client.request(REQUEST) for _ in range(4)]
    link.run()
    happened = link.go_away(streams[1], b'{"reason":"Shutdown"}')
    assert happened == [
        Lost(streams[2], untouched=True, why="GOAWAY: Shutdown"),
        Lost(streams[3], untouched=True, why="GOAWAY: Shutdown"),
        Leaving("GOAWAY: Shutdown"),
    ]
    assert link.client.free == 0
    with pytest.raises(LocalProtocolError):
        link.client.request(REQUEST)
    assert statuses([*link.answer(streams[0]), *link.answer(streams[1], 400, b"{}")]) == [
        (streams[0], 200),
        (streams[1], 400),
    ]


@pytest.mark.rfc("9113", "6.8")
def test_a_second_goaway_may_name_a_lower_stream() -> None:
    link = Link()
    link.run()
    streams = [link.client.request(REQUEST) for _ in range(2)]
    link.run()
    assert link.go_away(2**31 - 1) == [Leaving("GOAWAY: NO_ERROR")]
    assert link.go_away(streams[0]) == [Lost(streams[1], untouched=True, why="GOAWAY: NO_ERROR")]


@pytest.mark.rfc("9113", "8.7")
def test_a_refused_stream_was_not_touched_and_a_broken_one_may_have_been() -> None:
    link = Link()
    link.run()
    first, second = link.client.request(REQUEST), link.client.request(REQUEST)
    link.run()
    link.server.reset_stream(first, ErrorCodes.REFUSED_STREAM)
    link.server.reset_stream(second, ErrorCodes.INTERNAL_ERROR)
    assert link.run() == [
        Lost(first, untouched=True, why="reset: REFUSED_STREAM"),
        Lost(second, untouched=False, why="reset: INTERNAL_ERROR"),
    ]
    assert link.client.free == 100


def test_a_request_that_nobody_waits_for_is_reset_and_makes_room() -> None:
    link = Link(streams=1)
    link.run()
    stream = link.client.request(REQUEST)
    link.run()
    link.client.cancel(stream)
    link.run()
    reset = next(event for event in link.asked if isinstance(event, StreamReset))
    assert reset.error_code == ErrorCodes.CANCEL
    assert link.client.free == 1
    link.client.cancel(stream)


@pytest.mark.rfc("9113", "5.2")
def test_a_body_waits_for_the_window_of_its_stream() -> None:
    link = Link(window=1000)
    link.run()
    stream = link.client.request(Request(b"/3/device/00", (), (), b"x" * 5000))
    link.run()
    assert len(link.bodies[stream]) == 1000
    link.server.increment_flow_control_window(4000, stream)
    link.run()
    assert link.bodies[stream] == b"x" * 5000
    assert any(isinstance(event, StreamEnded) for event in link.asked)


@pytest.mark.rfc("9113", "6.9.1")
def test_bodies_wait_for_the_window_of_the_connection() -> None:
    link = Link()
    link.run()
    streams = [link.client.request(Request(b"/3/device/00", (), (), b"x" * 5000)) for _ in range(20)]
    link.run()
    assert sum(map(len, link.bodies.values())) == 65_535
    link.server.increment_flow_control_window(65_535)
    link.run()
    assert [len(link.bodies[stream]) for stream in streams] == [5000] * 20


def test_an_answer_may_come_before_the_whole_request_was_sent() -> None:
    link = Link(window=10)
    link.run()
    stream = link.client.request(Request(b"/3/device/00", (), (), b"x" * 100))
    link.run()
    assert statuses(link.answer(stream, 413, b"{}")) == [(stream, 413)]
    link.server.increment_flow_control_window(100)
    assert link.run() == []
    assert link.bodies[stream] == b"x" * 10


def test_many_answers_do_not_exhaust_our_window() -> None:
    link = Link()
    link.run()
    for _ in range(60):
        stream = link.client.request(REQUEST)
        link.run()
        assert statuses(link.answer(stream, 400, b"y" * 4000)) == [(stream, 400)]


def test_a_silent_peer_is_asked_by_ping_and_is_dead_when_it_does_not_answer() -> None:
    link = Link(idle_s=60)
    link.run()
    assert link.client.next_deadline() == 60
    assert link.client.advance(59.0) == []
    assert link.client.data_to_send() == b""
    assert link.client.advance(60.0) == []
    link.now = 60.5
    link.run()
    assert any(isinstance(event, PingReceived) for event in link.asked)
    assert link.client.next_deadline() == 120.5
    link.client.doubt(100.0)
    assert link.client.data_to_send()
    assert link.client.advance(100.5) == []
    assert link.client.advance(101.0) == [Dead("no answer to PING")]


def test_doubt_that_lasts_asks_once() -> None:
    link = Link()
    link.run()
    link.client.doubt(1.0)
    assert link.client.data_to_send()
    link.client.doubt(1.5)
    assert link.client.data_to_send() == b""


def test_what_http2_forbids_is_an_error_of_the_peer() -> None:
    link = Link()
    with pytest.raises(RemoteProtocolError, match="HTTP/2"):
        link.client.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", 0.0)


def test_an_endless_answer_is_an_error_of_the_peer() -> None:
    link = Link()
    link.run()
    stream = link.client.request(REQUEST)
    link.run()
    with pytest.raises(RemoteProtocolError, match="4096"):
        link.answer(stream, 200, b"x" * 4097)


def whole_conversation() -> bytes:
    """What a peer says to one request."""
    link = Link()
    link.run()
    stream = link.client.request(REQUEST)
    link.server.receive_data(link.client.data_to_send())
    link.server.send_headers(stream, [(":status", "410"), ("apns-id", "1")])
    link.server.send_data(stream, b'{"reason":"Unregistered"}', end_stream=True)
    return link.server.data_to_send() + GoAwayFrame(0, stream, 0, b'{"reason":"Shutdown"}').serialize()


@given(st.data())
def test_bytes_of_the_network_raise_nothing_but_remote_protocol_errors(data: Any) -> None:
    link = Link()
    link.run()
    link.client.request(REQUEST)
    said = bytearray(whole_conversation())
    for _ in range(data.draw(st.integers(0, 4))):
        said[data.draw(st.integers(0, len(said) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(said)))
    try:
        link.client.receive(bytes(said[:cut]), 0.0)
        link.client.receive(bytes(said[cut:]), 0.0)
    except RemoteProtocolError:
        pass


@given(st.lists(st.integers(1, 30), max_size=20))
def test_frames_are_found_however_the_bytes_are_cut(cuts: list[int]) -> None:
    other = b"\x00\x00\x03\x00\x00\x00\x00\x00\x01abc"
    said = other + GoAwayFrame(0, 5, 0, b'{"reason":"Shutdown"}').serialize() + other + other
    found, frames, at = b"", [], 0
    splitter = GoAwayFilter()
    for cut in [*cuts, len(said)]:
        for piece in splitter.feed(said[at : at + cut]):
            if isinstance(piece, GoAway):
                frames.append((len(found), piece))
            else:
                found += piece
        at += cut
    assert found == other * 3
    assert frames == [(len(other), GoAway(5, 0, "Shutdown"))]


@pytest.mark.parametrize(
    ("debug", "reason"),
    [
        (b'{"reason":"Shutdown"}', "Shutdown"),
        (b"", ""),
        (b"[" * 1000, ""),
        (b'{"reason":"a\\nb"}', ""),
        (b'{"reason":7}', ""),
        (b'"reason"', ""),
        (b"\xff", ""),
    ],
)
def test_why_a_peer_leaves_is_a_word_or_nothing(debug: bytes, reason: str) -> None:
    (goaway,) = GoAwayFilter().feed(GoAwayFrame(0, 1, 0, debug).serialize())
    assert goaway == GoAway(1, 0, reason)
