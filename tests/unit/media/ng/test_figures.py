"""What rtpengine tells of a call and of keys, read without trust."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.media.ng.test_bencode import VALUES
from trunkline.base.errors import RemoteProtocolError
from trunkline.media.ng.bencode import Decoded
from trunkline.media.ng.dtmf_log import KeyPress, key_press
from trunkline.media.ng.figures import fill, streams_of
from trunkline.media.statistics import PortStatistics


def stream(packets: int, port: int, ssrc: int | None = None) -> Decoded:
    endpoint: Decoded = {"family": b"IPv4", "address": b"192.0.2.1", "port": 4000}
    found: dict[str, Decoded] = {
        "local port": port,
        "local address": b"192.0.2.9",
        "endpoint": endpoint,
        "advertised endpoint": endpoint,
        "stats": {"packets": packets, "bytes": packets * 172, "errors": 0},
    }
    return found | ({"SSRC": ssrc} if ssrc is not None else {})


def party(*streams: Decoded) -> Decoded:
    return {"medias": [{"index": 1, "streams": list(streams)}]}


QUALITY: Decoded = {
    "average MOS": {"MOS": 43, "round-trip time": 20_000, "jitter": 3, "packet loss": 1, "samples": 4}
}
ANSWER: dict[str, Decoded] = {
    "tags": {
        "a": party(stream(99, 30000, 7), stream(2, 30001)),
        "b": party(stream(50, 30002, 8), stream(1, 30003)),
    },
    "SSRC": {"7": QUALITY},
}


def test_a_port_has_its_figures() -> None:
    figures = PortStatistics("a")
    fill(figures, ANSWER, "b")
    assert (figures.packets_in, figures.bytes_in, figures.rtcp_in) == (99, 99 * 172, 2)
    assert (figures.packets_out, figures.rtcp_out, figures.ssrc) == (50, 1, 7)
    assert (figures.mos, figures.jitter_ms, figures.lost, figures.rtt_ms) == (4.3, 3.0, 1, 20.0)
    assert figures.remote_mos is None


def test_what_the_other_reports_is_how_it_hears_us() -> None:
    figures = PortStatistics("b")
    fill(figures, ANSWER, "a")
    assert (figures.mos, figures.remote_mos, figures.remote_jitter_ms) == (None, 4.3, 3.0)


def test_a_party_that_is_not_known_has_no_streams() -> None:
    assert streams_of(ANSWER, "z") == []
    fill(PortStatistics("z"), ANSWER, "")


@given(st.dictionaries(st.sampled_from(["tags", "SSRC", "result"]), VALUES))
def test_any_answer_can_be_read(answer: dict[str, Decoded]) -> None:
    fill(PortStatistics("a"), answer, "b")


@given(VALUES)
def test_any_party_can_be_read(found: Decoded) -> None:
    fill(PortStatistics("a"), {"tags": {"a": {"medias": [{"streams": [found]}]}}}, "a")


TOLD = {
    "callid": "trunkline-1",
    "source_tag": "a",
    "type": "DTMF",
    "event": 11,
    "duration": 120,
    "volume": 10,
}


def test_a_key_is_read() -> None:
    assert key_press(json.dumps(TOLD).encode()) == KeyPress("trunkline-1", "a", "#", 120)


def test_other_reports_are_no_key() -> None:
    assert key_press(json.dumps(TOLD | {"type": "other"}).encode()) is None


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        json.dumps(TOLD | {"event": 17}).encode(),
        json.dumps(TOLD | {"event": True}).encode(),
        json.dumps(TOLD | {"callid": 1}).encode(),
    ],
    ids=lambda datagram: repr(datagram[:12]),
)
def test_what_is_no_report_is_refused(datagram: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        key_press(datagram)


@given(st.binary(max_size=100))
def test_hostile_reports_raise_nothing_else(datagram: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        key_press(datagram)
