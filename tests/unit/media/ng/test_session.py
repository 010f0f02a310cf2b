"""Descriptions that are made for rtpengine, and what is read from its own."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.base.errors import RemoteProtocolError
from trunkline.media.codec_commands import Format
from trunkline.media.commands import SetFormats, SetRemote
from trunkline.media.ng.session import LocalAddress, described, local_of, nothing_yet, passing, spoken

REMOTE = SetRemote("a", "192.0.2.1", 4000)


def test_a_peer_of_whom_nothing_is_known_is_on_hold() -> None:
    assert "c=IN IP4 0.0.0.0\r\n" in nothing_yet("ipv4")
    assert "c=IN IP6 ::\r\n" in nothing_yet("ipv6")
    assert described(None, "ipv4", passing(None, None)).startswith("v=0\r\n")


def test_a_peer_is_described_with_its_address() -> None:
    text = described(REMOTE, "ipv4", passing(REMOTE, None))
    assert "c=IN IP4 192.0.2.1\r\n" in text
    assert "m=audio 4000 RTP/AVP 0 8 9\r\n" in text
    assert "a=rtcp" not in text


def test_a_peer_that_wants_nothing_is_on_hold() -> None:
    assert "c=IN IP4 0.0.0.0\r\n" in described(SetRemote("a", "", 0), "ipv4", passing(None, None))


def test_the_family_is_that_of_the_peer() -> None:
    text = described(replace(REMOTE, address="2001:db8::1"), "ipv4", passing(None, None))
    assert "c=IN IP6 2001:db8::1\r\n" in text


@pytest.mark.rfc("3605", "2.1")
@pytest.mark.rfc("5761", "5.1.1")
@pytest.mark.parametrize(
    ("remote", "line"),
    [
        (replace(REMOTE, rtcp_port=4005), "a=rtcp:4005\r\n"),
        (replace(REMOTE, rtcp_port=4005, rtcp_address="192.0.2.2"), "a=rtcp:4005 IN IP4 192.0.2.2\r\n"),
        (replace(REMOTE, rtcp_mux=True), "a=rtcp-mux\r\n"),
    ],
)
def test_where_rtcp_goes_is_told(remote: SetRemote, line: str) -> None:
    assert line in described(remote, "ipv4", passing(remote, None))


def test_fax_is_told_as_an_image() -> None:
    assert "m=image 4000 udptl t38\r\n" in described(replace(REMOTE, opaque=True), "ipv4", [])


def test_both_numbers_of_telephone_events_are_named_that_of_the_taker_first() -> None:
    one, other = replace(REMOTE, dtmf_payload_type=101), replace(REMOTE, dtmf_payload_type=96, clock_hz=48000)
    assert [each.payload_type for each in passing(other, one)][-2:] == [96, 101]
    assert [each.payload_type for each in passing(one, one)] == [0, 8, 9, 101]
    assert "a=rtpmap:96 telephone-event/48000\r\n" in described(one, "ipv4", passing(other, one))


def test_a_converted_peer_is_told_what_it_takes() -> None:
    formats = SetFormats(
        "a", [], Format(111, "opus", 48000, 2, "useinbandfec=1"), Format(110, "telephone-event", 48000)
    )
    text = described(REMOTE, "ipv4", spoken(formats), 40)
    assert (
        "m=audio 4000 RTP/AVP 111 110\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n" in text
    )
    assert "a=ptime:40\r\n" in text


OWN = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\nm=audio 30000 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\n"


def test_the_address_that_rtpengine_gave_is_read() -> None:
    assert local_of(OWN) == LocalAddress("ipv4", "192.0.2.9", 30000, 30001)
    assert local_of(OWN + "a=rtcp:30007\r\n").rtcp_port == 30007
    assert local_of(OWN.replace("c=IN IP4 192.0.2.9", "c=IN IP6 2001:db8::9")).family == "ipv6"


@pytest.mark.parametrize(
    "text", ["", "m=audio 0 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\n", "m=audio 30000 RTP/AVP 0\r\n"]
)
def test_a_description_without_address_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        local_of(text)


@given(st.text(max_size=200))
def test_hostile_descriptions_raise_nothing_else(text: str) -> None:
    with contextlib.suppress(RemoteProtocolError):
        local_of(text)
