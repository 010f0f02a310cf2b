"""The ports of one leg."""

from __future__ import annotations

import pytest

from tests.link.fake_media import FakeEngine
from tests.link.phones import describe
from trunkline.base.errors import MediaError
from trunkline.call.leg_media import LegMedia
from trunkline.media.commands import SetDirection
from trunkline.media.offer_answer import streams_of
from trunkline.media.remote import remote_of


def leg(engine: FakeEngine, profile: str = "transparent") -> LegMedia:
    return LegMedia(engine, "call", FakeEngine.ADDRESS, profile)


async def test_each_stream_has_a_port_which_it_keeps() -> None:
    engine = FakeEngine()
    media = leg(engine)
    streams = streams_of(describe("10.0.0.1", count=2))
    await media.open_for(streams, media)
    ports = list(media.ports)
    await media.open_for(streams, media)
    assert media.ports == ports
    assert len(engine.owners) == 2


async def test_a_rejected_stream_has_none() -> None:
    engine = FakeEngine()
    media = leg(engine)
    await media.open_for(streams_of(describe("10.0.0.1", port=0)), media)
    assert media.ports == [None]
    assert not engine.owners


async def test_a_closed_leg_gives_its_ports_back_and_opens_none() -> None:
    engine = FakeEngine()
    media = leg(engine)
    streams = streams_of(describe("10.0.0.1"))
    await media.open_for(streams, media)
    await media.close()
    assert not engine.owners
    with pytest.raises(MediaError, match="over"):
        await media.open_for(streams, media)


@pytest.mark.rule("T-21")
@pytest.mark.parametrize(
    ("row", "send", "receive"),
    [("a=sendonly", False, True), ("a=recvonly", True, False), ("a=inactive", False, False)],
)
async def test_a_held_party_is_sent_nothing_until_it_resumes(row: str, send: bool, receive: bool) -> None:
    engine = FakeEngine()
    media = leg(engine)
    plain, held = streams_of(describe("10.0.0.1")), streams_of(describe("10.0.0.1", row))
    await media.open_for(plain, media)
    await media.hear(plain, plain)
    assert not engine.directions, "a port sends and receives from the start"
    await media.hear(held, held)
    (gate,) = engine.directions.values()
    assert (gate.send, gate.receive) == (send, receive)
    await media.hear(plain, plain)
    (gate,) = engine.directions.values()
    assert gate == SetDirection(gate.port, send=True, receive=True)


async def test_rtcp_comes_by_the_rtp_port_only_when_both_sides_said_so() -> None:
    engine = FakeEngine()
    media = leg(engine)
    mux, plain = streams_of(describe("10.0.0.1", "a=rtcp-mux")), streams_of(describe("10.0.0.2"))
    await media.open_for(mux, media)
    await media.hear(mux, plain)
    (remote,) = engine.remotes.values()
    assert not remote.rtcp_mux
    await media.hear(mux, mux)
    (remote,) = engine.remotes.values()
    assert remote.rtcp_mux


@pytest.mark.rule("T-22")
@pytest.mark.rfc("4733", "2.1")
async def test_keys_are_heard_at_a_clock_rate_that_both_have() -> None:
    engine = FakeEngine()
    media = leg(engine)
    events = "a=rtpmap:98 telephone-event/48000\r\na=rtpmap:99 telephone-event/8000"
    many = describe("10.0.0.1").replace(b"101", b"98 99", 1)
    many = many.replace(b"a=rtpmap:101 telephone-event/8000", events.encode())
    theirs, ours = streams_of(describe("10.0.0.2")), streams_of(many)
    assert [rate for _, rate in ours[0].telephone_events] == [48_000, 8000]
    await media.open_for(theirs, media)
    await media.hear(theirs, ours)
    (remote,) = engine.remotes.values()
    assert (remote.dtmf_payload_type, remote.clock_hz) == (99, 8000)
    await media.hear(ours, theirs)
    (remote,) = engine.remotes.values()
    assert (remote.dtmf_payload_type, remote.clock_hz) == (101, 8000)


async def test_a_stream_that_one_side_rejects_is_heard_by_neither() -> None:
    engine = FakeEngine()
    media = leg(engine)
    wanted, rejected = streams_of(describe("10.0.0.1")), streams_of(describe("10.0.0.2", port=0))
    await media.open_for(wanted, media)
    assert len(media.live) == 1
    await media.hear(wanted, rejected)
    (remote,) = engine.remotes.values()
    assert (remote.address, remote.rtp_port, media.live) == ("", 0, [])
    await media.hear(wanted, wanted)
    await media.hear([], [])
    assert media.live == []


@pytest.mark.rule("T-24")
@pytest.mark.parametrize("rtcp", ["", "a=rtcp:9 IN IP4 phone.example\r\n"])
@pytest.mark.parametrize("place", ["phone.example", "192.0.2.1"])
def test_no_name_is_told_to_the_engine(place: str, rtcp: str) -> None:
    head = f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 {place}\r\nt=0 0\r\n"
    (stream,) = streams_of(f"{head}m=audio 4000 RTP/AVP 0\r\n{rtcp}")
    remote = remote_of("p", stream, stream)
    literal = place if place[0].isdigit() else ""
    assert (remote.address, remote.rtcp_address) == (literal, "" if rtcp else literal)
