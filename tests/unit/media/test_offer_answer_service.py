"""Answers and offers of our own engine: echo, tones."""

from __future__ import annotations

import pytest

from tests.unit.proto.sdp.samples import SAMPLES
from trunkline.base.errors import CallFailed, LocalProtocolError, RemoteProtocolError
from trunkline.media.offer_answer import (
    LocalPort,
    SdpIdentity,
    ServiceMedia,
    agreed_for_service,
    answer_for_service,
    check_answer,
    offer_for_service,
    streams_of,
)

OURS = LocalPort("203.0.113.5", 20000)
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
OUR_HEAD = "v=0\r\no=- 77 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"


def identity() -> SdpIdentity:
    return SdpIdentity(77, "203.0.113.5")


def answer(offer: str, *codecs: str) -> tuple[str, ServiceMedia]:
    return answer_for_service(offer, OURS, identity(), codecs or ("PCMU", "PCMA"))


def test_the_peers_first_codec_that_we_have_is_taken_with_its_numbers() -> None:
    body, media = answer(SAMPLES["yealink"])
    assert body == (
        OUR_HEAD
        + "m=audio 20000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
    assert (media.codec, media.payload_type, media.clock_rate, media.telephone_event) == (
        "PCMU",
        0,
        8000,
        101,
    )
    assert (media.direction, media.ptime_ms, media.mux, media.stream.port) == ("sendrecv", 20, False, 11784)
    assert answer(SAMPLES["yealink"], "PCMA", "G722")[1].codec == "G722"


@pytest.mark.rule("T-22")
def test_telephone_event_is_mirrored_at_the_clock_rate_of_the_codec() -> None:
    body, media = answer(SAMPLES["linphone"])
    assert media.telephone_event == 99
    assert "m=audio 20000 RTP/AVPF 0 99\r\n" in body
    assert "48000" not in body


@pytest.mark.rfc("8866", "6.4")
@pytest.mark.parametrize(
    ("rows", "ms"),
    [
        ("a=ptime:40\r\n", 40),
        ("a=maxptime:10\r\n", 10),
        ("a=ptime:40\r\na=maxptime:30\r\n", 30),
        ("a=ptime:60\r\na=maxptime:150\r\n", 60),
        ("a=maxptime:5\r\n", 10),
        ("a=maxptime:none\r\n", 20),
        ("a=ptime:120\r\n", 60),
    ],
)
def test_packets_are_as_long_as_the_peer_asks_and_never_longer_than_it_takes(rows: str, ms: int) -> None:
    assert answer(HEAD + "m=audio 4000 RTP/AVP 0\r\n" + rows)[1].ptime_ms == ms


def test_telephone_event_is_left_out_when_not_offered_or_not_wanted() -> None:
    body, media = answer(HEAD + "m=audio 4000 RTP/AVP 8\r\n")
    assert media.telephone_event is None
    assert "telephone-event" not in body
    assert (
        answer_for_service(SAMPLES["yealink"], OURS, identity(), telephone_event=False)[1].telephone_event
        is None
    )


@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "6")
def test_all_other_m_lines_are_rejected_in_place() -> None:
    sections = (
        "video 4000 RTP/AVP 99",
        "audio 4002 RTP/SAVP 0",
        "audio 4004 RTP/AVP 8",
        "audio 4006 RTP/AVP 8",
    )
    offer = HEAD + "".join(f"m={section}\r\n" for section in sections)
    body, media = answer(offer)
    assert media.position == 2
    answered = check_answer(streams_of(offer), body)
    assert [stream.port for stream in answered] == [0, 0, 20000, 0]


@pytest.mark.rule("T-21")
@pytest.mark.rfc("3264", "6.1")
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a=sendonly\r\n", "recvonly"),
        ("a=recvonly\r\n", "sendonly"),
        ("a=inactive\r\n", "inactive"),
        ("c=IN IP4 0.0.0.0\r\n", "recvonly"),
        ("", "sendrecv"),
    ],
)
def test_the_direction_is_answered(rows: str, expected: str) -> None:
    body, media = answer(HEAD + "m=audio 4000 RTP/AVP 0\r\n" + rows)
    assert media.direction == expected
    assert f"a={expected}\r\n" in body


@pytest.mark.rfc("5761", "5.1.1")
def test_rtcp_mux_is_accepted_when_offered() -> None:
    body, media = answer(SAMPLES["baresip"])
    assert media.mux
    assert body.endswith("a=rtcp-mux\r\n")


def test_an_odd_rtcp_port_of_ours_is_told() -> None:
    body, _ = answer_for_service(SAMPLES["yealink"], LocalPort("203.0.113.5", 20000, 20005), identity())
    assert body.endswith("a=rtcp:20005\r\n")


@pytest.mark.rule("T-16")
def test_the_same_offer_again_gets_the_same_answer() -> None:
    ours = identity()
    bodies = [answer_for_service(SAMPLES["yealink"], OURS, ours)[0] for _ in range(2)]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    "section",
    [
        "m=audio 4000 RTP/AVP 18",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4000 RTP/SAVP 0",
        "m=image 4000 udptl t38",
        "m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/16000",
        "a=no:stream",
    ],
)
def test_without_a_shared_codec_the_call_fails_with_488(section: str) -> None:
    with pytest.raises(CallFailed) as caught:
        answer(HEAD + section + "\r\n")
    assert caught.value.status == 488


def test_an_offer_of_ours_lists_our_codecs() -> None:
    body = offer_for_service(OURS, identity(), ("PCMA", "PCMU"))
    assert body == (
        OUR_HEAD + "m=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )


@pytest.mark.rule("T-19")
@pytest.mark.rule("T-20")
def test_the_answer_to_our_offer_gives_the_numbers_to_send_with() -> None:
    body = HEAD + "m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 telephone-event/8000\r\na=recvonly\r\n"
    media = agreed_for_service(body)
    assert (media.codec, media.payload_type, media.telephone_event, media.direction) == (
        "PCMA",
        8,
        96,
        "sendonly",
    )


def test_an_answer_that_shares_nothing_fails_with_488() -> None:
    with pytest.raises(CallFailed):
        agreed_for_service(HEAD + "m=audio 0 RTP/AVP 8\r\n")
    with pytest.raises(CallFailed):
        agreed_for_service(HEAD)
    with pytest.raises(RemoteProtocolError):
        agreed_for_service("nothing")


def test_a_codec_that_we_do_not_know_is_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError, match="expected some of"):
        offer_for_service(OURS, identity(), ("opus",))
