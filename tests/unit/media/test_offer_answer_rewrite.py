"""Carrying a body to the other side of a relayed call."""

from __future__ import annotations

import pytest

from tests.unit.proto.sdp.samples import SAMPLES
from trunkline.base.errors import CallFailed, LocalProtocolError, RemoteProtocolError
from trunkline.media.offer_answer import (
    CONSERVATIVE,
    PROFILES,
    TRANSPARENT,
    LocalPort,
    SdpIdentity,
    carries,
    rewrite,
    streams_of,
)

OURS = LocalPort("203.0.113.5", 20000)
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
OUR_HEAD = "v=0\r\no=- 77 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"


def identity() -> SdpIdentity:
    return SdpIdentity(77, "203.0.113.5")


def sent(sdp: str, *local: LocalPort | None) -> str:
    return rewrite(sdp, local or [OURS], identity())


@pytest.mark.rule("T-36")
def test_a_desk_phone_offer_changes_in_origin_name_address_and_port_only() -> None:
    expected = SAMPLES["yealink"].replace("o=- 20017 20017 IN IP4 192.0.2.30", "o=- 77 1 IN IP4 203.0.113.5")
    expected = (
        expected.replace("c=IN IP4 192.0.2.30", "c=IN IP4 203.0.113.5")
        .replace("11784", "20000")
        .replace("s=SDP data", "s=-")
    )
    assert sent(SAMPLES["yealink"]) == expected


@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "6")
def test_every_m_line_is_mirrored_in_order_and_the_unwanted_get_port_zero() -> None:
    video = "m=video 4000 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n"
    body = f"{HEAD}{video}m=audio 4002 RTP/AVP 0 8\r\nm=text 0 RTP/AVP 98\r\n"
    expected = OUR_HEAD + "m=video 0 RTP/AVP 99\r\nm=audio 20000 RTP/AVP 0 8\r\nm=text 0 RTP/AVP 98\r\n"
    assert sent(body, None, OURS, OURS) == expected


@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "6.1")
def test_payload_numbers_and_unknown_attributes_pass_unchanged() -> None:
    rows = (
        "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\na=x-vendor:what\r\ny=odd\r\na=ptime:20\r\n"
    )
    assert sent(HEAD + "m=audio 4000 RTP/AVP 96\r\n" + rows).endswith("m=audio 20000 RTP/AVP 96\r\n" + rows)


def test_keys_in_sdp_pass_under_the_transparent_profile() -> None:
    assert "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" in sent(SAMPLES["srtp"])


def test_what_belongs_to_the_peers_own_path_is_left_out() -> None:
    body = sent(SAMPLES["chromium"])
    for name in ("candidate", "ice-", "fingerprint", "setup", "BUNDLE", " 0.0.", "rtcp:9"):
        assert name not in body
    assert "a=rtcp-mux\r\n" in body
    assert "a=fmtp:111 minptime=10;useinbandfec=1\r\n" in body
    linphone = sent(SAMPLES["linphone"], OURS, LocalPort("203.0.113.5", 20002))
    assert "ice" not in linphone
    assert "candidate" not in linphone
    assert "a=rtcp-fb:100 ccm fir" in linphone


@pytest.mark.rfc("3605", "2.1")
def test_rtcp_is_told_when_the_peer_told_it_or_when_it_is_not_the_next_port() -> None:
    assert "a=rtcp:20001\r\n" in sent(SAMPLES["named-host"])
    assert "192.0.2.61" not in sent(SAMPLES["named-host"])
    assert "a=rtcp:30000\r\n" in sent(SAMPLES["yealink"], LocalPort("203.0.113.5", 20000, 30000))
    assert "a=rtcp:" not in sent(SAMPLES["yealink"], LocalPort("203.0.113.5", 20000, 20001))


def test_each_stream_has_the_address_of_its_own_port() -> None:
    v6 = LocalPort("2001:db8::5", 20002)
    body = sent(HEAD + "m=audio 4000 RTP/AVP 0\r\nm=video 4002 RTP/AVP 99\r\ni=cam\r\n", OURS, v6)
    expected = "m=audio 20000 RTP/AVP 0\r\nm=video 20002 RTP/AVP 99\r\ni=cam\r\nc=IN IP6 2001:db8::5\r\n"
    assert body == OUR_HEAD + expected


@pytest.mark.rfc("8866", "5.7")
def test_addresses_stand_where_the_peer_had_them() -> None:
    body = sent(SAMPLES["rfc5118-mixed"], OURS, None)
    head, *sections = body.split("m=")
    assert "c=" not in head
    assert sections == [
        "audio 20000 RTP/AVP 0\r\nc=IN IP4 203.0.113.5\r\n",
        "video 0 RTP/AVP 107\r\nc=IN IP4 203.0.113.5\r\n",
    ]


@pytest.mark.rfc("8866", "5")
def test_mandatory_rows_that_the_peer_left_out_are_supplied_in_order() -> None:
    body = sent(
        "v=0\na=tools:x\nm=audio  4000 RTP/AVP 0 \nc=IN IP4 192.0.2.1\nm=video 0 RTP/AVP 9\n", OURS, None
    )
    assert (
        body
        == OUR_HEAD
        + "a=tools:x\r\nm=audio 20000 RTP/AVP 0\r\nc=IN IP4 203.0.113.5\r\nm=video 0 RTP/AVP 9\r\n"
    )


def test_repeated_origins_and_addresses_of_the_peer_do_not_pass() -> None:
    body = HEAD + "o=- 9 9 IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 0\r\n"
    body += "c=IN IP4 192.0.2.8\r\nc=IN IP4 192.0.2.7\r\n"
    assert sent(body) == OUR_HEAD + "m=audio 20000 RTP/AVP 0\r\nc=IN IP4 203.0.113.5\r\n"


@pytest.mark.rule("T-21")
@pytest.mark.rfc("3264", "8.4")
@pytest.mark.parametrize(
    ("rows", "direction"), [("", "sendonly"), ("a=sendrecv\r\n", "sendonly"), ("a=recvonly\r\n", "inactive")]
)
def test_a_hold_by_zero_address_becomes_the_direction_it_means(rows: str, direction: str) -> None:
    body = sent(SAMPLES["rfc2543-hold"] + rows)
    assert body == OUR_HEAD + f"m=audio 20000 RTP/AVP 0\r\na={direction}\r\n"


@pytest.mark.rule("T-23")
def test_a_fax_offer_passes_in_both_profiles() -> None:
    for profile in PROFILES.values():
        body = rewrite(SAMPLES["t38"], [OURS], identity(), profile)
        assert "m=image 20000 udptl t38\r\na=T38FaxVersion:0\r\n" in body


def test_a_body_without_streams_passes_as_one() -> None:
    assert rewrite("v=0\r\n", [], identity()) == "v=0\r\no=- 77 1 IN IP4 203.0.113.5\r\ns=-\r\nt=0 0\r\n"


def test_as_many_ports_as_m_lines_are_expected() -> None:
    with pytest.raises(LocalProtocolError, match="2 local ports for 1 media lines"):
        sent(SAMPLES["yealink"], OURS, OURS)


@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "8")
def test_a_later_offer_has_the_m_lines_that_the_dialog_had() -> None:
    ours = identity()
    rewrite(HEAD + "m=audio 4000 RTP/AVP 0\r\nm=image 4002 udptl t38\r\na=x:y\r\n", [OURS, OURS], ours)
    offer = rewrite(HEAD + "m=audio 4000 RTP/AVP 0\r\n", [OURS], ours, offer=True)
    assert offer.endswith("m=audio 20000 RTP/AVP 0\r\nm=image 0 udptl t38\r\n")
    again = rewrite(HEAD + "m=audio 4000 RTP/AVP 0\r\n", [OURS], ours, offer=True)
    assert again == offer
    answer = rewrite(HEAD + "m=audio 4000 RTP/AVP 0\r\nm=image 0 udptl t38\r\n", [OURS], identity())
    assert answer == OUR_HEAD + "m=audio 20000 RTP/AVP 0\r\n"


def test_a_body_that_cannot_be_parsed_leaves_the_identity_as_it_was() -> None:
    ours = identity()
    with pytest.raises(RemoteProtocolError):
        rewrite("v=0\r\nm=audio x\r\n", [OURS], ours)
    assert (ours.version, ours.body) == (0, "")


class TestConservative:
    def sent(self, sdp: str, *local: LocalPort | None) -> str:
        return rewrite(sdp, local or [OURS], identity(), CONSERVATIVE)

    def test_audio_is_reduced_to_the_three_codecs_and_telephone_event(self) -> None:
        section = self.sent(SAMPLES["baresip"]).partition("m=")[2]
        assert section.startswith("audio 20000 RTP/AVP 0 8 9 101\r\n")
        assert "opus" not in section
        assert ":96 " not in section
        assert "a=fmtp:101 0-15\r\n" in section
        assert "a=ptime:20\r\n" in section

    @pytest.mark.rule("T-22")
    def test_telephone_events_of_other_clock_rates_go_with_their_codecs(self) -> None:
        body = self.sent(SAMPLES["linphone"], OURS, OURS)
        assert "m=audio 20000 RTP/AVPF 0 8 99\r\n" in body
        assert "telephone-event/48000" not in body
        assert "a=rtcp-fb:* trr-int 5000" in body

    @pytest.mark.rule("T-20")
    def test_video_stays_with_port_zero(self) -> None:
        assert self.sent(SAMPLES["linphone"], OURS, OURS).endswith("m=video 0 RTP/AVPF 100\r\n")

    def test_codec_names_of_static_payload_types_need_no_rtpmap(self) -> None:
        body = self.sent(HEAD + "m=audio 4000 RTP/AVP 18 8 13 0\r\n")
        assert body.endswith("m=audio 20000 RTP/AVP 8 0\r\n")

    def test_a_key_is_dropped_beside_plain_rtp(self) -> None:
        key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n"
        assert "crypto" not in self.sent(HEAD + "m=audio 4000 RTP/AVP 0\r\n" + key)

    @pytest.mark.parametrize("formats", ["96", "18", "101", "18 101"])
    def test_an_offer_left_without_a_codec_fails_with_488(self, formats: str) -> None:
        ours = identity()
        body = f"{HEAD}m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n"
        with pytest.raises(CallFailed) as caught:
            rewrite(body, [OURS], ours, CONSERVATIVE)
        assert (caught.value.status, caught.value.code) == (488, "sdp.no_codec")
        assert ours.version == 0

    def test_one_audio_stream_with_a_codec_is_enough(self) -> None:
        body = self.sent(HEAD + "m=audio 4000 RTP/AVP 18\r\nm=audio 4002 RTP/AVP 0\r\n", OURS, OURS)
        assert body.endswith("m=audio 0 RTP/AVP 18\r\nm=audio 20000 RTP/AVP 0\r\n")

    def test_ports_are_wanted_for_audio_and_fax_only(self) -> None:
        sections = (
            "m=audio 1 RTP/AVP 0\r\nm=video 1 RTP/AVP 99\r\nm=image 1 udptl t38\r\nm=audio 1 TCP/X 0\r\n"
        )
        streams = streams_of(HEAD + sections)
        assert [carries(CONSERVATIVE, stream) for stream in streams] == [True, False, True, False]
        assert [carries(TRANSPARENT, stream) for stream in streams] == [True, True, True, False]
