"""Calls that the exchange answers itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.talking import version_of
from tests.link.virtual_time import virtual
from trunkline.media.commands import Echo, Tone
from trunkline.media.offer_answer import streams_of


@pytest.mark.parametrize(("number", "kind"), [("9196", Echo), ("9197", Tone)])
@virtual
async def test_a_service_number_is_answered_and_does_what_it_is_for(number: str, kind: type) -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, number)
    await alice.until("answered")
    await asyncio.sleep(0.1)
    assert [type(command) for command in stage.engine.doing.values()] == [kind]
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]
    assert not stage.outcome("out")


@pytest.mark.rule("T-08")
@pytest.mark.rule("T-21")
@virtual
async def test_hold_and_resume_are_answered_by_ourselves() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197")
    await alice.until("answered")
    first = alice.heard[-1]
    status, held = await alice.reoffer(describe(alice.host, "a=sendonly", version=2))
    assert (status, b"a=recvonly" in held) == (200, True)
    assert version_of(held) == version_of(first) + 1
    assert [direction.send for direction in stage.engine.directions.values()] == [False]
    status, resumed = await alice.reoffer(describe(alice.host, version=3))
    assert (status, b"a=sendrecv" in resumed) == (200, True)
    assert [direction.send for direction in stage.engine.directions.values()] == [True]
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-08")
@virtual
async def test_changes_in_quick_succession_meet_no_491() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9196")
    await alice.until("answered")
    for version in range(2, 8):
        assert (await alice.reoffer(describe(alice.host, version=version)))[0] == 200
        await asyncio.sleep(0.02)
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-19")
@virtual
async def test_a_caller_without_offer_is_offered_one() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197", b"")
    await alice.until("answered")
    assert streams_of(alice.heard[-1])[0].address == stage.engine.ADDRESS
    assert not stage.engine.doing
    session: Any = alice.session
    session.acknowledge(describe(alice.host))
    await asyncio.sleep(0.1)
    assert len(stage.engine.doing) == 1
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("answer", [b"", b"nonsense"])
@virtual
async def test_an_ack_without_a_usable_answer_ends_the_service(answer: bytes) -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197", b"")
    await alice.until("answered")
    session: Any = alice.session
    session.acknowledge(answer)
    await alice.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.bad_answer", "exchange")]


@pytest.mark.rule("T-21")
@pytest.mark.rfc("3264", "8")
@virtual
async def test_a_resume_without_description_is_offered_what_was_agreed_before_the_hold() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197", describe(alice.host, count=2))
    await alice.until("answered")
    assert (await alice.reoffer(describe(alice.host, "a=inactive", version=2, count=2)))[0] == 200
    done: asyncio.Future[bytes] = stage.loop.create_future()
    alice.dialogue.reoffer.send(
        b"", lambda _status, response: done.set_result(response.body if response else b""), delayed=True
    )
    offer = await done
    streams = streams_of(offer)
    assert [stream.rejected for stream in streams] == [False, True]
    assert streams[0].direction == "sendrecv"
    alice.dialogue.reoffer.acknowledge(describe(alice.host, version=3, count=2))
    await asyncio.sleep(1)
    assert alice.said[-1] == "answered"
    assert [direction.send for direction in stage.engine.directions.values()] == [True]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_service_without_a_shared_codec_is_refused() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9196", describe(alice.host).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 18"))
    await alice.until("failed 488")
    await stage.settle()
    assert stage.outcome("in") == [(488, "sdp.no_codec", "exchange")]


@virtual
async def test_a_change_without_a_shared_codec_is_refused_and_the_service_goes_on() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9196")
    await alice.until("answered")
    foreign = describe(alice.host, version=2).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 18")
    assert (await alice.reoffer(foreign))[0] == 488
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]


@virtual
async def test_without_a_free_port_a_service_gets_503() -> None:
    stage = Stage(ports=0)
    alice = stage.party()
    stage.dial(alice, "9196")
    await alice.until("failed 503")
    await stage.settle()
    assert stage.outcome("in") == [(503, "media.ports_exhausted", "exchange")]


@virtual
async def test_an_engine_that_plays_nothing_ends_the_service() -> None:
    stage = Stage()
    alice = stage.party()
    stage.engine.fault = lambda told: isinstance(told, Echo)
    stage.dial(alice, "9196")
    await alice.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(200, "media.refused", "exchange")]


@virtual
async def test_an_operator_ends_a_service() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9196")
    await alice.until("answered")
    await asyncio.sleep(1)
    stage.calls.all[0].hang_up(code="call.hung_up_by_operator")
    await alice.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hung_up_by_operator", "exchange")]


@pytest.mark.rule("T-01")
@virtual
async def test_a_service_whose_ack_never_comes_is_ended() -> None:
    stage = Stage()
    alice = stage.party()
    stage.network.drop = lambda data, src, _dst: data.startswith(b"ACK") and src[0] == alice.host
    stage.dial(alice, "9196")
    await alice.until("ended bye")
    stage.network.drop = lambda _data, _src, _dst: False
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.no_ack", "exchange")]


@pytest.mark.rule("T-19")
@pytest.mark.rule("T-20")
@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_a_service_offers_again_what_was_agreed_wherever_it_stood() -> None:
    stage = Stage()
    alice = stage.party()
    video = b"m=video 5000 RTP/AVP 99\r\nm=audio"
    stage.dial(alice, "9197", describe(alice.host).replace(b"m=audio", video))
    await alice.until("answered")
    first = alice.heard[-1]
    status, offer = await reoffer_late(
        stage, alice, describe(alice.host, version=2).replace(b"m=audio", video.replace(b"5000", b"0"))
    )
    assert (status, offer) == (200, first), "nothing has changed, so nothing is new"
    assert alice.said[-1] == "answered"
    assert [remote.rtp_port for remote in stage.engine.remotes.values()] == [4000]
    alice.dialogue.hang_up()
    await stage.settle()


async def reoffer_late(stage: Stage, party: Party, answer: bytes) -> tuple[int, bytes]:
    """A re-INVITE without offer, and its ACK with the answer."""
    done: asyncio.Future[tuple[int, bytes]] = stage.loop.create_future()
    party.dialogue.reoffer.send(
        b"",
        lambda status, response: done.set_result((status, response.body if response else b"")),
        delayed=True,
    )
    outcome = await done
    party.dialogue.reoffer.acknowledge(answer)
    await asyncio.sleep(1)
    return outcome


@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "6")
@virtual
async def test_an_answer_with_other_streams_than_a_service_offered_ends_it() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197")
    await alice.until("answered")
    await reoffer_late(stage, alice, describe(alice.host, count=2))
    assert "ended bye" in alice.said
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.bad_answer", "exchange")]


@pytest.mark.rule("T-16")
@pytest.mark.rfc("4028", "7.4")
@virtual
async def test_a_refresh_of_a_service_gets_the_answer_that_it_had() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9196")
    await alice.until("answered")
    for _ in range(3):
        assert (await alice.reoffer(alice.body)) == (200, alice.heard[-1])
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-22")
@pytest.mark.rfc("3264", "6.1")
@virtual
async def test_keys_are_heard_under_the_number_that_we_offered_not_under_the_callers_own() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197", b"")
    await alice.until("answered")
    session: Any = alice.session
    session.acknowledge(describe(alice.host).replace(b"101", b"96"))
    await asyncio.sleep(1)
    assert b"a=rtpmap:101 telephone-event/8000" in alice.heard[-1]
    assert [remote.dtmf_payload_type for remote in stage.engine.remotes.values()] == [101]
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-21")
@pytest.mark.parametrize("nowhere", ["0.0.0.0", "::"])  # noqa: S104  (RFC 2543 hold)
@pytest.mark.rfc("3264", "8.4")
@virtual
async def test_a_hold_by_an_address_that_is_none_is_answered_as_a_hold(nowhere: str) -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197")
    await alice.until("answered")
    hold = describe(nowhere, version=2)
    status, held = await alice.reoffer(hold.replace(b"IP4", b"IP6") if ":" in nowhere else hold)
    assert (status, b"a=recvonly" in held) == (200, True)
    assert [direction.send for direction in stage.engine.directions.values()] == [False]
    alice.dialogue.hang_up()
    await stage.settle()
