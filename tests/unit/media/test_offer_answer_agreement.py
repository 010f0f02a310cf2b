"""The quick scan and the full parser mean the same, and a rewritten body says what it should."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.proto.sdp.samples import SAMPLES
from trunkline.base.errors import CallFailed, RemoteProtocolError
from trunkline.media import sketch
from trunkline.media.offer_answer import (
    CONSERVATIVE,
    PROFILES,
    LocalPort,
    SdpIdentity,
    answer_for_service,
    rewrite,
    streams_of,
)
from trunkline.media.shape import STRIPPED, Head, Shape, Unusual
from trunkline.media.sketch import Sketch, forget, scan, sketch_by_parser, sketch_of
from trunkline.proto.sdp import parse_session

ADDRESSES = (
    "IN IP4 192.0.2.7",
    "IN IP4 0.0.0.0",
    "IN IP6 2001:db8::7",
    "IN IP4 233.252.0.1/9",
    "IN IP4 a.example",
    "x",
)
HEAD_ROWS = (
    *(f"c={address}" for address in ADDRESSES),
    *(
        "o=- 2 2 IN IP4 192.0.2.8",
        "s=two",
        "t=0 0",
        "b=AS:84",
        "i=info",
        "k=clear:x",
        "q=odd",
        "odd",
        "v=0",
        " ",
    ),
    *("a=sendonly", "a=inactive ", "a=tool:x", "a=fingerprint:sha-256 AB", "a=ice-lite", "a=group:BUNDLE 0"),
)
M_ROWS = (
    *("m=audio 4000 RTP/AVP 0 101", "m=audio 4000 RTP/AVP 96 97 101 0101", "m=audio 0 RTP/AVP 0"),
    *("m=video 65535 RTP/SAVPF 99", "m=image 5000 udptl t38", "m=audio 7 RTP/SAVP 8 101"),
    *("m=audio 04000 RTP/AVP 101 101", "m=audio 4000 UDP/TLS/RTP/SAVPF 101 96"),
    *("m=Audio  4000 RTP/AVP 0 ", "m=audio 4000/2 RTP/AVP 0", "m=audio 65536 RTP/AVP 0", "m=audio 4000"),
    *("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio ² RTP/AVP 0", "m=x 1 y z"),
    "m=image 5000 UdpTl t38",
)
ORDINARY_M_ROWS = 8  # so many of them, from the first, are within what the quick scan reads
SECTION_ROWS = (
    *HEAD_ROWS,
    *(
        "a=sendrecv",
        "a=recvonly",
        "a=sendrecv:x",
        "a=recvonlyish",
        "a=rtcp-mux",
        "a=rtcp-mux ",
        "a=rtcp-mux-only",
    ),
    *(
        "a=rtcp:4009",
        "a=rtcp:9 IN IP4 192.0.2.9",
        "a=rtcp:x",
        "a=rtcp-fb:96 nack",
        "a=rtcp-rsize",
        "a=crypto:1 a b",
    ),
    *("a=rtpmap:101 telephone-event/8000", "a=rtpmap:101 Telephone-EVENT/16000", "a=rtpmap:101 PCMU/8000"),
    *(
        "a=rtpmap:96 telephone-event/48000/1",
        "a=rtpmap:97  telephone-event/8000 ",
        "a=rtpmap:97 telephone-event",
    ),
    *(
        "a=rtpmap:101 x-telephone-event/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmaps:0 telephone-event/8000",
        "a=fmtp:101 0-15",
    ),
    *(
        "a=candidate:1 1 UDP 1 192.0.2.7 4000 typ host",
        "a=end-of-candidates",
        "a=setup:actpass",
        "a=mid:0",
        "a=",
        "=",
    ),
)


def rows(choices: tuple[str, ...], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(choices), max_size=most)


@st.composite
def ordinary(draw: st.DrawFn) -> str:
    """Bodies within what the quick scan reads, tricky rows included."""
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.7", "s=-", "c=IN IP4 192.0.2.7", "t=0 0"]
    lines += [row for row in draw(rows(HEAD_ROWS, 4)) if not row.startswith("c=")]
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.sampled_from(M_ROWS[:ORDINARY_M_ROWS]))
        lines += [first, *(row for row in draw(rows(SECTION_ROWS, 9)) if row not in {"c=x", "a=rtcp:x"})]
    return "".join(f"{line}\r\n" for line in lines)


@st.composite
def unreal(draw: st.DrawFn) -> str:
    """Bodies of real rows in unreal combinations; some with bare LF, empty rows, no last line end."""
    origin = "o=- 1 1 IN IP4 192.0.2.7"
    lines = ["v=0", *draw(st.sampled_from(([], [origin], [origin, "s=-", "c=IN IP4 h", "t=0 0"])))]
    lines += draw(rows(HEAD_ROWS, 4))
    for _ in range(draw(st.integers(0, 3))):
        lines += [draw(st.sampled_from(M_ROWS)), *draw(rows(SECTION_ROWS, 7))]
    end = draw(st.sampled_from(("\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n\r\n")))
    at = draw(st.integers(1, len(lines)))
    return "\r\n".join(lines[:at]) + end + "".join(f"{line}\r\n" for line in lines[at:])


def bodies() -> st.SearchStrategy[str]:
    return st.one_of(ordinary(), unreal())


def values(thing: Shape | Head) -> dict[str, object]:
    return {name: getattr(thing, name) for name in type(thing).__slots__}


def same(quick: Sketch, full: Sketch) -> None:
    assert quick.streams == full.streams
    assert quick.connection == full.connection
    assert values(quick.head) == values(full.head)
    assert [values(shape) for shape in quick.shapes] == [values(shape) for shape in full.shapes]


@settings(deadline=None, max_examples=200)
@given(ordinary())
def test_the_quick_scan_means_what_the_full_parser_means(body: str) -> None:
    forget()
    for _ in range(2):  # once read, once remembered
        same(scan(body), sketch_by_parser(body))


@settings(deadline=None, max_examples=200)
@given(unreal())
def test_the_quick_scan_takes_nothing_in_another_meaning(body: str) -> None:
    forget()
    with suppress(Unusual, RemoteProtocolError):
        same(scan(body), sketch_by_parser(body))


@settings(deadline=None, max_examples=200)
@given(bodies())
def test_the_quick_scan_refuses_whatever_the_full_parser_refuses(body: str) -> None:
    try:
        sketch_by_parser(body)
    except RemoteProtocolError:
        with pytest.raises((Unusual, RemoteProtocolError)):
            scan(body)


@pytest.mark.parametrize("name", SAMPLES)
def test_real_bodies_take_the_quick_scan_unless_they_have_port_ladders(name: str) -> None:
    forget()
    if name == "rfc4566":
        with pytest.raises(Unusual):
            scan(SAMPLES[name])
    else:
        same(scan(SAMPLES[name]), sketch_by_parser(SAMPLES[name]))


@settings(deadline=None, max_examples=150)
@given(bodies(), st.data())
def test_a_rewritten_body_says_where_we_are_and_otherwise_what_the_peer_said(
    body: str, data: st.DataObject
) -> None:
    with suppress(RemoteProtocolError):
        asked = streams_of(body)
        ports = (None, LocalPort("203.0.113.5", 20000), LocalPort("2001:db8::5", 20002, 20007))
        local = [data.draw(st.sampled_from(ports)) for _ in asked]
        sent = rewrite(body, local, SdpIdentity(77, "203.0.113.5"))
        for port, stream, said in zip(local, asked, streams_of(sent), strict=True):
            assert (said.kind, said.protocol, said.formats) == (stream.kind, stream.protocol, stream.formats)
            assert said.rejected == (port is None or stream.rejected)
            if port is not None and not said.rejected:
                assert (said.address, said.port, said.rtcp_address) == (port.address, port.port, port.address)
                assert said.rtcp_port == (port.rtcp_port or port.port + 1)
                assert (said.mux, said.direction) == (stream.mux, stream.effective_direction)
                assert said.telephone_events == stream.telephone_events
                assert not said.zero_address
        session = parse_session(sent)
        assert str(session) == sent
        assert not any(row.startswith(STRIPPED) for row in sent.split("\r\n"))
        assert sent.count("\r\no=") == 1
        assert "192.0.2.7\r\n" not in sent


@settings(deadline=None, max_examples=100)
@given(
    st.one_of(
        bodies(), st.text(max_size=80).map("v=0\r\no=".__add__), st.sampled_from(sorted(SAMPLES.values()))
    ),
    st.data(),
)
def test_hostile_bodies_raise_only_what_callers_expect(body: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body)))
    body = (
        body[:at]
        + data.draw(st.text("=:/ 019aIN\r\n\0.²", max_size=5))
        + body[at + data.draw(st.integers(0, 5)) :]
    )
    identity = SdpIdentity(1, "203.0.113.5")
    local = LocalPort("203.0.113.5", 20000)
    with suppress(RemoteProtocolError, CallFailed):
        answer_for_service(body, local, identity)
    for profile in PROFILES.values():
        with suppress(RemoteProtocolError, CallFailed):
            rewrite(body, [local] * len(streams_of(body)), identity, profile)


def test_the_caches_stay_bounded_and_hold_no_keys() -> None:
    forget()
    for port in range(2, 3_000, 2):
        sketch_of(SAMPLES["yealink"].replace("11784", str(port)) + f"a=ssrc:{port} cname:x\r\n")
    caches = (sketch._sketches, sketch._heads, sketch._shapes)
    assert all(0 < len(cache) <= 256 for cache in caches)
    forget()
    sketch_of(SAMPLES["srtp"])
    sketch_of(SAMPLES["yealink"] + "a=x:" + "y" * 5_000 + "\r\n")
    assert [len(cache) for cache in caches] == [0, 2, 0]


def test_a_conservative_rewrite_does_not_spoil_what_is_remembered() -> None:
    local = [LocalPort("203.0.113.5", 20000)]
    before = rewrite(SAMPLES["baresip"], local, SdpIdentity(1, "203.0.113.5"))
    rewrite(SAMPLES["baresip"], local, SdpIdentity(2, "203.0.113.5"), CONSERVATIVE)
    assert rewrite(SAMPLES["baresip"], local, SdpIdentity(1, "203.0.113.5")) == before
