"""The m-lines of a call: passed, rejected, added, given back; codecs that change, and numbers of each side's own."""

from __future__ import annotations

import pytest

from tests.link.phones import describe
from tests.link.stage import Stage
from tests.link.talking import both_sides, port_of, talking, version_of, who
from tests.link.transferring import refer, relays
from tests.link.virtual_time import virtual
from trunkline.media.offer_answer import streams_of

pytestmark = pytest.mark.rule("T-20")

VIDEO = b"m=video 5000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"
NO_VIDEO = b"m=video 0 RTP/AVP 99\r\n"


def live(body: bytes) -> list[bool]:
    return [not stream.rejected for stream in streams_of(body)]


def heard_ports(stage: Stage) -> list[int]:
    """Where the parties listen, as far as they do."""
    engine = stage.engine
    return sorted(
        one.rtp_port for port, one in engine.remotes.items() if port in engine.owners and one.rtp_port
    )


@pytest.mark.rfc("3264", "6")
@virtual
async def test_video_passes_by_ports_of_its_own() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body, bob.body = describe(alice.host) + VIDEO, describe(bob.host) + VIDEO
    await stage.connect(alice, bob)
    asked, answered = streams_of(bob.heard[0]), streams_of(alice.heard[-1])
    assert [stream.kind for stream in answered] == ["audio", "video"]
    for one, other in zip(asked, answered, strict=True):
        assert stage.engine.relays(one.port, other.port)
    assert len({stream.port for stream in asked + answered}) == 4
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3264", "6")
@virtual
async def test_a_stream_that_the_callee_rejects_is_rejected_in_its_place_and_its_ports_are_deaf() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    video = VIDEO.replace(b"5000", b"0")
    alice.body = describe(alice.host).replace(b"m=audio", VIDEO + b"m=audio")
    bob.body = describe(bob.host).replace(b"m=audio", video + b"m=audio")
    call = await stage.connect(alice, bob)
    answer = alice.heard[-1]
    assert [stream.kind for stream in streams_of(answer)] == ["video", "audio"]
    assert live(answer) == [False, True]
    assert b"m=video 0 RTP/AVP 99\r\nm=audio" in answer
    assert heard_ports(stage) == [4000, 4000]
    assert [len(leg.media.live) for leg in call.legs] == [1, 1], "nobody waits for the video to be heard"
    alice.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rfc("3264", "8.1")
@pytest.mark.rfc("3264", "8.2")
@virtual
async def test_a_stream_may_be_added_given_up_and_taken_up_again(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    ports = []
    for version, video in enumerate((VIDEO, NO_VIDEO, VIDEO), 2):
        other.offer_answer = describe(other.host, version=version) + video
        status, answer = await one.reoffer(describe(one.host, version=version) + video)
        assert (status, live(answer)) == (200, live(other.heard[-1]))
        assert live(answer) == [True, video is VIDEO]
        assert heard_ports(stage) == ([4000, 4000, 5000, 5000] if video is VIDEO else [4000, 4000])
        ports.append([streams_of(body)[1].port for body in (answer, other.heard[-1])])
    assert stage.engine.relays(*ports[2])
    assert ports[0] == ports[2]
    one.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize(
    ("section", "passes"),
    [
        (b"m=application 5000 RTP/AVP 100\r\na=rtpmap:100 H224/4800\r\n", True),
        (b"m=text 5000 RTP/AVP 98\r\na=rtpmap:98 t140/1000\r\n", True),
        (b"m=smell 5000 RTP/AVP 96\r\n", True),
        (b"m=application 5000 UDP/BFCP *\r\na=floorctrl:c-s\r\n", False),
        (b"m=message 5000 TCP/MSRP *\r\na=path:msrp://10.0.0.1:5000/x;tcp\r\n", False),
        (b"m=application 5000 UDP/DTLS/SCTP webrtc-datachannel\r\n", False),
    ],
)
@virtual
async def test_other_media_pass_where_they_are_rtp_and_are_rejected_in_place_else(
    section: bytes, passes: bool
) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body = describe(alice.host) + section
    bob.body = describe(bob.host) + (section if passes else section.replace(b" 5000 ", b" 0 "))
    await stage.connect(alice, bob)
    for body in (bob.heard[0], alice.heard[-1]):
        assert live(body) == [True, passes]
        kind, _, rest = section.partition(b" 5000 ")
        assert kind + b" " in body
        assert body.endswith(rest if passes else rest.split(b"\r\n")[0] + b"\r\n")
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_streams_of_which_none_can_be_relayed_make_no_call() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", describe(alice.host).replace(b"RTP/AVP", b"TCP/RTP/AVP"))
    await alice.until("failed 488")
    assert "invited" not in bob.said
    await stage.settle()
    assert stage.outcome("in") == [(488, "sdp.no_stream", "exchange")]


@virtual
async def test_more_streams_than_we_carry_are_not_acceptable() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", describe(alice.host, count=33))
    await alice.until("failed 488")
    assert "invited" not in bob.said
    await stage.settle()


@both_sides
@virtual
async def test_more_streams_than_we_carry_are_no_change(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    remotes = dict(stage.engine.remotes)
    assert (await one.reoffer(describe(one.host, version=2, count=33)))[0] == 488
    assert "offered" not in other.said
    assert stage.engine.remotes == remotes
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rfc("3264", "8.3.2")
@virtual
async def test_another_codec_and_another_port_are_followed(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    opus = b"RTP/AVP 96 97\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 telephone-event/48000\r\n"
    plain = b"RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    other.offer_answer = describe(other.host, port=4400, version=2).replace(plain, opus)
    status, answer = await one.reoffer(describe(one.host, port=4200, version=2).replace(plain, opus))
    assert status == 200
    assert opus in answer
    assert opus in other.heard[-1]
    assert heard_ports(stage) == [4200, 4400]
    assert {(remote.dtmf_payload_type, remote.clock_hz) for remote in stage.engine.remotes.values()} == {
        (97, 48_000)
    }
    one.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-22")
@pytest.mark.rfc("3264", "6.1")
@virtual
async def test_each_side_keeps_its_own_numbers_and_keys_are_heard_under_those_that_the_sender_was_told() -> (
    None
):
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.body = describe(bob.host).replace(b"101", b"96")
    call = await stage.connect(alice, bob)
    assert b"m=audio %d RTP/AVP 0 8 101\r\n" % port_of(bob.heard[0]) in bob.heard[0]
    assert b"m=audio %d RTP/AVP 0 8 96\r\n" % port_of(alice.heard[-1]) in alice.heard[-1]
    hears = [stage.engine.remotes[leg.media.live[0]].dtmf_payload_type for leg in call.legs]
    assert hears == [96, 101], "Alice sends under Bob's number and Bob under hers"
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3551", "6")
@virtual
async def test_static_payload_types_need_no_rtpmap() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bare = b" RTP/AVP 9 8 0 18\r\n"
    alice.body = describe(alice.host).partition(b" RTP/AVP")[0] + bare
    bob.body = describe(bob.host).partition(b" RTP/AVP")[0] + b" RTP/AVP 9\r\n"
    await stage.connect(alice, bob)
    assert bob.heard[0].endswith(bare)
    assert alice.heard[-1].endswith(b" RTP/AVP 9\r\n")
    alice.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rfc("3264", "8")
@virtual
async def test_who_refreshes_is_answered_what_it_was_told_before(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = other.body
    _, first = await one.reoffer(one.body)
    for _ in range(3):
        assert (await one.reoffer(one.body)) == (200, first)
    other.offer_answer = describe(other.host, "a=ptime:30", version=2)
    _, changed = await one.reoffer(one.body)
    assert version_of(changed) == version_of(first) + 1
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rfc("3264", "8")
@virtual
async def test_a_phone_that_forgets_an_ended_stream_is_helped_by_neither_losing_count(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = describe(other.host, version=2) + VIDEO
    assert (await one.reoffer(describe(one.host, version=2) + VIDEO))[0] == 200
    other.offer_answer = describe(other.host, version=3) + NO_VIDEO
    status, answer = await one.reoffer(describe(one.host, version=3))
    assert (status, live(answer)) == (200, [True]), "as many m-lines as it has asked for"
    assert live(other.heard[-1]) == [True, False], "as many m-lines as it knows"
    assert other.heard[-1].endswith(NO_VIDEO)
    assert heard_ports(stage) == [4000, 4000]
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3264", "8")
@virtual
async def test_who_is_transferred_keeps_its_m_lines_whatever_the_new_party_has(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    carol = stage.party()
    other.offer_answer = describe(other.host, version=2) + VIDEO
    assert (await one.reoffer(describe(one.host, version=2) + VIDEO))[0] == 200
    assert heard_ports(stage) == [4000, 4000, 5000, 5000]
    carol.body = describe(carol.host) + NO_VIDEO
    other.offer_answer = describe(other.host, version=3) + NO_VIDEO
    await refer(one, "1003")
    await carol.until("acknowledged")
    await one.until("ended bye")
    assert live(other.heard[-1])[1:] == [False]
    other.offer_answer = describe(other.host, version=4) + NO_VIDEO
    status, answer = await carol.reoffer(describe(carol.host, version=4))
    assert (status, live(answer)) == (200, [True])
    assert live(other.heard[-1]) == [True, False]
    assert heard_ports(stage) == [4000, 4000]
    assert relays(stage, other, carol)
    carol.dialogue.hang_up()
    await stage.settle()
