"""One media description: formats, attributes, RTCP."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp import Connection, MediaDescription, Rtcp, RtpMap


def media(*rows: str, first: str = "m=audio 4000 RTP/AVP 0 96 101") -> MediaDescription:
    return MediaDescription([first, *rows])


@pytest.mark.rfc("8866", "5.14")
def test_an_m_line_is_read() -> None:
    section = media(first="m=Video  51372/2 RTP/AVPF 99  100")
    assert (section.kind, section.port, section.count, section.protocol) == ("video", 51372, 2, "RTP/AVPF")
    assert section.formats == ("99", "100")


@pytest.mark.rfc("8866", "6.6")
def test_a_payload_type_means_its_first_rtpmap() -> None:
    section = media("a=rtpmap:96 opus/48000/2", "a=rtpmap:96 iLBC/8000", "a=rtpmap:101 telephone-event/8000")
    assert section.rtpmap("96") == RtpMap(96, "opus", 48000, 2)
    assert section.rtpmap(101) == RtpMap(101, "telephone-event", 8000)


@pytest.mark.rfc("3551", "6")
def test_static_payload_types_need_no_rtpmap_but_may_have_one() -> None:
    assert media().rtpmap("0") == RtpMap(0, "PCMU", 8000)
    assert media().rtpmap("18") == RtpMap(18, "G729", 8000)
    assert media("a=rtpmap:0 L16/44100/2").rtpmap(0) == RtpMap(0, "L16", 44100, 2)


@pytest.mark.parametrize(
    "row",
    [
        "a=rtpmap:96",
        "a=rtpmap:x opus/48000",
        "a=rtpmap:96 opus",
        "a=rtpmap:128 opus/48000",
        "a=rtpmap:096 a/1",
    ],
)
def test_a_malformed_rtpmap_is_passed_over(row: str) -> None:
    assert media(row).rtpmap(96) is None


@pytest.mark.parametrize("name", ["t38", "128", "-1", "²", ""])
def test_what_is_no_payload_type_has_no_rtpmap(name: str) -> None:
    assert media().rtpmap(name) is None


def test_format_parameters_are_found() -> None:
    section = media("a=fmtp:101 0-15", "a=fmtp:96 useinbandfec=1; stereo=0")
    assert section.fmtp(96) == "useinbandfec=1; stereo=0"
    assert section.fmtp("101") == "0-15"
    assert section.fmtp(0) is None


@pytest.mark.rfc("3605", "2.1")
def test_rtcp_may_be_elsewhere() -> None:
    assert media("a=rtcp:53020").rtcp == Rtcp(53020)
    assert media("a=rtcp:53020 IN IP6 2001:db8::2").rtcp == Rtcp(53020, Connection("2001:db8::2", "ip6"))
    assert media().rtcp is None


@pytest.mark.parametrize(
    "row", ["a=rtcp:", "a=rtcp:x", "a=rtcp:65536", "a=rtcp:1 IN IP4", "a=rtcp:1 192.0.2.1"]
)
def test_a_malformed_rtcp_attribute_is_refused(row: str) -> None:
    with pytest.raises(RemoteProtocolError):
        _ = media(row).rtcp


@pytest.mark.rfc("5761", "5.1.1")
def test_rtcp_mux_is_a_property() -> None:
    assert media("a=rtcp-mux ").rtcp_mux
    assert not media("a=rtcp-mux-only", "a=rtcp-mux:x").rtcp_mux


@pytest.mark.rfc("8866", "6.4")
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("a=ptime:20", 20),
        ("a=ptime:10.5", 10),
        ("a=ptime:0", None),
        ("a=ptime:x", None),
        ("a=maxptime:20", None),
    ],
)
def test_ptime_is_in_milliseconds(row: str, expected: int | None) -> None:
    assert media(row).ptime == expected


def test_attributes_keep_their_order_and_repeats() -> None:
    attributes = media("a=x:1", "a=flag", "a=x:2", "a=flag:3").attributes
    assert attributes.all("x") == ["1", "2"]
    assert attributes.get("x") == "1"
    assert "flag" in attributes
    assert "x" not in attributes
    assert attributes.get("flag") == "3"
    assert attributes.names == {"x", "flag"}


@pytest.mark.parametrize("row", ["a=sendonly", "a=sendonly "])
def test_the_first_direction_counts(row: str) -> None:
    assert media("a=sendrecv:x", row, "a=inactive").direction == "sendonly"
    assert media("a=SENDONLY").direction is None
