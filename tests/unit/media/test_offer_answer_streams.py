"""What streams_of reads from bodies as peers send them, and how a hold shows."""

from __future__ import annotations

import pytest

from tests.unit.proto.sdp.samples import SAMPLES
from trunkline.base.errors import RemoteProtocolError
from trunkline.media.offer_answer import Hold, Stream, check_answer, hold_of, streams_of

HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def only(sdp: str) -> Stream:
    (stream,) = streams_of(sdp)
    return stream


def audio(*rows: str, first: str = "m=audio 4000 RTP/AVP 0 101") -> Stream:
    return only(HEAD + "\r\n".join([first, *rows]) + "\r\n")


def test_a_desk_phone_offer_is_one_relayable_audio_stream() -> None:
    stream = only(SAMPLES["yealink"])
    assert stream == Stream(
        position=0,
        kind="audio",
        address="192.0.2.30",
        port=11784,
        rtcp_address="192.0.2.30",
        rtcp_port=11785,
        mux=False,
        direction="sendrecv",
        telephone_events=((101, 8000),),
        rejected=False,
        protocol="RTP/AVP",
        transport="rtp",
        relayable=True,
        zero_address=False,
        address_kind="ip4",
        formats=("9", "0", "8", "18", "101"),
        shape=stream.shape,
    )


@pytest.mark.rfc("5761", "5.1.1")
def test_baresip_offers_rtcp_on_the_rtp_port() -> None:
    assert only(SAMPLES["baresip"]).mux


@pytest.mark.rule("T-22")
def test_telephone_events_come_with_their_clock_rates_in_the_order_offered() -> None:
    assert streams_of(SAMPLES["linphone"])[0].telephone_events == ((98, 48000), (99, 8000))
    assert audio("a=rtpmap:101 Telephone-Event/16000").telephone_events == ((101, 16000),)


def test_an_rtpmap_outside_the_formats_is_no_telephone_event() -> None:
    assert audio("a=rtpmap:102 telephone-event/8000").telephone_events == ()


@pytest.mark.parametrize(
    ("protocol", "rows", "transport", "relayable"),
    [
        ("RTP/AVP", (), "rtp", True),
        ("RTP/AVPF", (), "rtp", True),
        ("rtp/avp", (), "rtp", True),
        ("RTP/SAVP", ("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc",), "srtp", False),
        ("RTP/SAVPF", ("a=crypto:1 x inline:y", "a=fingerprint:sha-256 AB"), "srtp", False),
        ("RTP/SAVPF", ("a=fingerprint:sha-256 AB",), "dtls", False),
        ("UDP/TLS/RTP/SAVPF", (), "dtls", False),
        ("udptl", (), "udptl", True),
        ("TCP/MSRP", (), "other", False),
    ],
)
def test_the_transport_tells_what_can_be_relayed(
    protocol: str, rows: tuple[str, ...], transport: str, relayable: bool
) -> None:
    stream = audio(*rows, first=f"m=audio 4000 {protocol} 0")
    assert (stream.transport, stream.relayable, stream.protocol) == (transport, relayable, protocol)


def test_a_fingerprint_of_the_session_makes_savpf_dtls() -> None:
    assert only(HEAD + "a=fingerprint:sha-256 AB\r\nm=audio 4000 RTP/SAVPF 0\r\n").transport == "dtls"


@pytest.mark.rule("T-23")
def test_a_fax_offer_is_a_relayable_image_stream() -> None:
    fax = only(SAMPLES["t38"])
    assert (fax.kind, fax.transport, fax.relayable, fax.formats) == ("image", "udptl", True, ("t38",))


def test_multicast_and_port_ladders_are_not_relayed() -> None:
    assert [stream.relayable for stream in streams_of(SAMPLES["rfc4566"])] == [False, False]
    assert not audio(first="m=audio 4000/2 RTP/AVP 0").relayable


def test_a_browser_offer_is_read_but_not_relayable() -> None:
    stream = only(SAMPLES["chromium"])
    assert (stream.transport, stream.relayable, stream.zero_address) == ("dtls", False, True)
    assert stream.telephone_events == ((110, 48000), (126, 8000))


def test_each_section_may_have_an_address_of_its_own_family() -> None:
    streams = streams_of(SAMPLES["rfc5118-mixed"])
    assert [(s.address, s.address_kind) for s in streams] == [("192.0.2.1", "ip4"), ("2001:db8::1", "ip6")]
    assert [s.address_kind for s in streams_of(SAMPLES["rfc5118-ipv6"])] == ["ip6", "ip6"]


@pytest.mark.rfc("3605", "2.1")
def test_rtcp_follows_its_attribute_and_names_are_told_apart() -> None:
    stream = only(SAMPLES["named-host"])
    assert (stream.address, stream.address_kind) == ("gw.example.net", "name")
    assert (stream.rtcp_address, stream.rtcp_port) == ("192.0.2.61", 53020)


def test_the_last_port_leaves_none_for_rtcp() -> None:
    assert audio(first="m=audio 65535 RTP/AVP 0").rtcp_port == 0


@pytest.mark.rfc("3264", "6")
def test_port_zero_is_a_rejected_stream_that_needs_no_address() -> None:
    rejected = only("v=0\r\nm=video 0 RTP/AVP 99\r\n")
    assert (rejected.rejected, rejected.relayable, rejected.address) == (True, False, "")


def test_a_live_stream_without_an_address_is_refused_by_its_number() -> None:
    with pytest.raises(RemoteProtocolError, match="media line 2 has no c= line") as caught:
        streams_of("v=0\r\nm=video 0 RTP/AVP 99\r\nm=audio 4000 RTP/AVP 0\r\n")
    assert caught.value.status == 400


def test_bytes_are_read_as_text() -> None:
    assert streams_of(SAMPLES["yealink"].encode()) == streams_of(SAMPLES["yealink"])


def test_a_caller_may_change_the_list_that_it_got() -> None:
    streams_of(SAMPLES["yealink"]).clear()
    assert len(streams_of(SAMPLES["yealink"])) == 1


@pytest.mark.rule("T-21")
@pytest.mark.rfc("3264", "8.4")
@pytest.mark.parametrize(
    ("rows", "hold", "effective"),
    [
        ((), Hold.ACTIVE, "sendrecv"),
        (("a=recvonly",), Hold.ACTIVE, "recvonly"),
        (("a=sendonly",), Hold.SENDONLY, "sendonly"),
        (("a=inactive",), Hold.INACTIVE, "inactive"),
        (("c=IN IP4 0.0.0.0",), Hold.ZERO_ADDRESS, "sendonly"),
        (("c=IN IP4 0.0.0.0", "a=sendonly"), Hold.ZERO_ADDRESS, "sendonly"),
        (("c=IN IP4 0.0.0.0", "a=recvonly"), Hold.ZERO_ADDRESS, "inactive"),
        (("c=IN IP4 0.0.0.0", "a=inactive"), Hold.INACTIVE, "inactive"),
    ],
)
def test_every_variant_of_hold_is_told_apart(rows: tuple[str, ...], hold: Hold, effective: str) -> None:
    stream = audio(*rows)
    assert (hold_of(stream), stream.effective_direction) == (hold, effective)


@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "6")
class TestAnswers:
    offered = streams_of(HEAD + "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 99\r\n")

    def check(self, *sections: str) -> list[Stream]:
        return check_answer(self.offered, HEAD + "".join(section + "\r\n" for section in sections))

    def test_an_answer_of_the_same_shape_passes_whatever_its_payload_types(self) -> None:
        streams = self.check("m=audio 5000 RTP/AVPF 8 96", "m=video 0 RTP/AVP 31")
        assert [stream.rejected for stream in streams] == [False, True]

    @pytest.mark.parametrize(
        ("sections", "said"),
        [
            (("m=audio 5000 RTP/AVP 0",), "has 1 media lines, expected 2"),
            (("m=audio 5000 RTP/AVP 0",) * 3, "has 3 media lines, expected 2"),
            (("m=video 5000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"), "media line 1: 'video', expected 'audio'"),
            (("m=audio 1 RTP/SAVP 0", "m=video 0 RTP/AVP 0"), "line 1: 'RTP/SAVP', expected 'RTP/AVP'"),
        ],
    )
    def test_an_answer_of_another_shape_is_refused_by_name(
        self, sections: tuple[str, ...], said: str
    ) -> None:
        with pytest.raises(RemoteProtocolError, match=said) as caught:
            self.check(*sections)
        assert caught.value.status == 488

    def test_rejected_m_lines_after_those_of_the_offer_are_left_out(self) -> None:
        sections = "m=audio 5000 RTP/AVP 0", "m=video 0 RTP/AVP 99"
        assert len(self.check(*sections, "m=image 0 udptl t38")) == 2
        with pytest.raises(RemoteProtocolError, match="has 4 media lines, expected 2"):
            self.check(*sections, "m=image 0 udptl t38", "m=audio 5002 RTP/AVP 0")

    def test_a_rejected_section_may_name_any_transport(self) -> None:
        assert self.check("m=audio 5000 RTP/AVP 0", "m=video 0 x/y 0")[1].rejected
