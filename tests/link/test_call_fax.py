"""Fax (T.38): the change from audio and back is passed to the other party, and its refusal disturbs nothing."""

from __future__ import annotations

import pytest

from tests.link.crash import Keeping
from tests.link.phones import describe
from tests.link.stage import Stage
from tests.link.talking import both_sides, port_of, talking, version_of, who
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
from trunkline.media.offer_answer import streams_of

pytestmark = pytest.mark.rule("T-23")

IMAGE = (
    "m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"
    "a=T38FaxRateManagement:transferredTCF\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
)


def fax(host: str, *, version: int = 2, port: int = 4500, before: str = "") -> bytes:
    """A description of a fax alone; ``before`` are sections above it."""
    head = f"v=0\r\no=- 7 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    return (head + before + IMAGE.format(port=port)).encode()


def opaque(stage: Stage) -> list[bool]:
    """Of each port that hears somebody, whether what it relays is taken for RTP or for fax."""
    return [remote.opaque for remote in stage.engine.remotes.values() if remote.rtp_port]


@both_sides
@pytest.mark.rfc("3264", "8.3.2")
@virtual
async def test_audio_becomes_fax_in_its_own_place_and_by_its_own_ports_and_comes_back(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    audio = [body for body in other.heard if body][-1]
    other.offer_answer = fax(other.host, port=4600)
    status, answer = await one.reoffer(fax(one.host))
    offer = other.heard[-1]
    assert status == 200
    for body in (offer, answer):
        assert [(stream.kind, stream.address) for stream in streams_of(body)] == [
            ("image", stage.engine.ADDRESS)
        ]
        assert IMAGE.format(port=port_of(body)).encode() in body
    assert port_of(offer) == port_of(audio)
    assert stage.engine.relays(port_of(offer), port_of(answer))
    assert opaque(stage) == [True, True]
    assert {remote.rtp_port for remote in stage.engine.remotes.values()} == {4500, 4600}
    other.offer_answer = describe(other.host, version=3)
    status, answer = await one.reoffer(describe(one.host, version=3))
    assert (status, streams_of(answer)[0].kind) == (200, "audio")
    assert b"a=rtpmap:101 telephone-event/8000" in other.heard[-1]
    assert b"T38" not in other.heard[-1]
    assert opaque(stage) == [False, False]
    one.dialogue.hang_up()
    await stage.settle()
    assert stage.story.count("call.change") == 2


@both_sides
@pytest.mark.parametrize("refusal", [415, 488, 606])
@pytest.mark.rfc("3261", "14.1")
@virtual
async def test_a_refused_fax_leaves_the_audio_as_it_was(side: str, refusal: int) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    remotes, links, opened = dict(stage.engine.remotes), dict(stage.engine.links), set(stage.engine.owners)
    directions = dict(stage.engine.directions)
    told = [body for body in other.heard if body][-1]
    other.offer_answer = refusal
    assert (await one.reoffer(fax(one.host)))[0] == refusal
    assert (stage.engine.remotes, stage.engine.links) == (remotes, links)
    assert (stage.engine.directions, set(stage.engine.owners)) == (directions, opened)
    other.offer_answer = other.body
    assert (await one.reoffer(one.body))[0] == 200
    # Three versions: what was agreed, the fax, and what was agreed again.
    assert other.heard[-1] == told.replace(
        b" %d IN" % version_of(told), b" %d IN" % (version_of(told) + 2), 1
    )
    assert stage.engine.remotes == remotes
    one.dialogue.hang_up()
    await stage.settle()
    assert "call.change_refused" in stage.story


@both_sides
@virtual
async def test_a_fax_beside_the_audio_has_a_port_of_its_own_and_the_audio_returns(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    dead = "m=audio 0 RTP/AVP 0\r\n"
    other.offer_answer = fax(other.host, before=dead, port=4600)
    status, answer = await one.reoffer(fax(one.host, before=dead))
    assert status == 200
    assert [stream.rejected for stream in streams_of(answer)] == [True, False]
    assert opaque(stage) == [True, True]
    revived = describe(one.host, version=3) + b"m=image 0 udptl t38\r\n"
    other.offer_answer = describe(other.host, version=3) + b"m=image 0 udptl t38\r\n"
    status, answer = await one.reoffer(revived)
    assert [stream.rejected for stream in streams_of(answer)] == [False, True]
    assert opaque(stage) == [False, False]
    assert {remote.rtp_port for remote in stage.engine.remotes.values()} == {0, 4000}
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rule("T-16")
@pytest.mark.rfc("4028", "7.4")
@virtual
async def test_a_refresh_during_a_fax_is_image_only_and_changes_nothing(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = fax(other.host, port=4600)
    _, first = await one.reoffer(fax(one.host))
    told, remotes = other.heard[-1], dict(stage.engine.remotes)
    status, again = await one.reoffer(fax(one.host))
    assert (status, again, other.heard[-1]) == (200, first, told)
    assert version_of(again) == version_of(first)
    assert stage.engine.remotes == remotes
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_a_fax_that_cannot_be_relayed_is_refused_here_and_the_audio_goes_on(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    remotes = dict(stage.engine.remotes)
    assert (await one.reoffer(fax(one.host).replace(b"udptl t38", b"tcp t38")))[0] == 488
    assert "offered" not in other.said
    assert stage.engine.remotes == remotes
    one.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_fax_passes_to_those_who_are_told_a_few_codecs_only() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.contacts["1002"] = [Target(f"sip:1002@{bob.host}", profile="conservative")]
    await stage.connect(alice, bob)
    bob.offer_answer = fax(bob.host)
    assert (await alice.reoffer(fax(alice.host)))[0] == 200
    assert streams_of(bob.heard[-1])[0].transport == "udptl"
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_call_that_begins_as_a_fax_is_one() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body, bob.body = fax(alice.host), fax(bob.host)
    await stage.connect(alice, bob)
    assert opaque(stage) == [True, True]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_service_refuses_a_fax_and_speaks_on() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197")
    await alice.until("answered")
    doing = dict(stage.engine.doing)
    assert (await alice.reoffer(fax(alice.host)))[0] == 488
    assert stage.engine.doing == doing
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]


@virtual
async def test_a_fax_goes_on_after_a_crash() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = await talking(stage)
    bob.offer_answer = fax(bob.host, port=4600)
    assert (await alice.reoffer(fax(alice.host)))[0] == 200
    told = bob.heard[-1]
    await keeping.after(4)
    stage = (await keeping.crash()).stage
    assert opaque(stage) == [True, True]
    assert (await alice.reoffer(fax(alice.host)))[0] == 200
    assert bob.heard[-1] == told
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
