"""Calls that are handed to mobile apps: how they ring, are taken, refused, cancelled and ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.link.app_stage import ANSWER, HOST, OTHER, App, AppStage
from tests.link.test_lamps import lamps, watched
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.call.passing_media import MediaPolicy

policies = pytest.mark.parametrize("media", ["bypass", "relay"])


@pytest.mark.scenario(1)
@policies
@virtual
async def test_a_call_is_handed_to_an_app_taken_confirmed_by_the_ack_and_hung_up_by_the_app(
    media: MediaPolicy,
) -> None:
    stage = AppStage(media=media)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    offer = await app.until("offered")
    app.leg.ring()
    await pbx.until("180")
    app.leg.accept(ANSWER)
    assert app.said == ["offered"], "the call is up when its ACK came, not before"
    await app.until("confirmed")
    await pbx.until("answered")
    app.leg.leave()
    await pbx.until("ended bye")
    await stage.settle()
    if media == "bypass":
        assert offer == pbx.body, "the offer is the INVITE's body, byte for byte"
        assert pbx.heard[-1] == ANSWER, "and the 200 carries the app's answer"
        assert not stage.engine.commands
    else:
        assert b"198.51.100.9" in offer, "the offer names our relay"
        assert b"198.51.100.9" in pbx.heard[-1]
    assert app.said == ["offered", "confirmed", "ended call.hangup callee"]
    assert stage.outcome("in") == stage.outcome("out") == [(200, "call.hangup", "callee")]
    assert [record.target for record in stage.records if record.direction == "out"] == ["phone-1"]
    assert stage.story == ["leg.invited", "leg.ringing", "call.answered", "call.ended"]


@virtual
async def test_the_caller_hangs_up_and_the_app_is_told() -> None:
    stage = AppStage()
    pbx, app = stage.party(), stage.app()
    await stage.talk(pbx, app)
    pbx.dialogue.hang_up()
    await app.until("ended call.hangup caller")
    await stage.settle()
    assert stage.outcome("out") == [(200, "call.hangup", "caller")]
    app.leg.leave()  # an app that does not know it yet
    assert app.said[-1] == "ended call.hangup caller"


@pytest.mark.scenario(4)
@virtual
async def test_of_two_devices_the_first_wins_and_the_other_hears_that_it_was_answered_elsewhere() -> None:
    stage = AppStage()
    pbx, first, second = stage.party(), stage.app(), stage.app()
    stage.invite(pbx)
    await second.until("offered")
    second.leg.accept(ANSWER)
    assert first.said == ["offered", "ended call.elsewhere exchange"]
    with pytest.raises(LocalProtocolError):
        first.leg.accept(OTHER)
    await second.until("confirmed")
    second.leg.leave()
    await stage.settle()
    assert first.reasons == ['SIP;cause=200;text="Call completed elsewhere"']
    assert len(stage.sent(HOST, "SIP/2.0 200 OK")) == 1


@pytest.mark.scenario(5)
@virtual
async def test_the_same_accept_again_does_nothing_and_another_description_is_refused() -> None:
    stage = AppStage()
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    app.leg.accept(ANSWER)
    app.leg.accept(ANSWER)
    with pytest.raises(LocalProtocolError):
        app.leg.accept(OTHER)
    await app.until("confirmed")
    app.leg.accept(ANSWER)
    assert len(stage.sent(HOST, "SIP/2.0 200 OK")) == 1
    pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_answer_that_cannot_be_one_is_refused_before_the_caller_hears_of_it() -> None:
    stage = AppStage()
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    for wrong in (b"", b"nonsense", ANSWER.replace(b"m=audio", b"m=video")):
        with pytest.raises(RemoteProtocolError):
            app.leg.accept(wrong)
    app.leg.accept(ANSWER)
    await app.until("confirmed")
    pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.scenario(3)
@virtual
async def test_a_caller_who_gives_up_before_the_app_takes_the_call_gets_487_and_the_app_its_reason() -> None:
    stage = AppStage()
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    app.leg.ring()
    await pbx.until("180")
    pbx.dialogue.hang_up('Reason: SIP;cause=200;text="Call completed elsewhere"\r\n')
    await app.until("ended call.cancelled caller")
    with pytest.raises(LocalProtocolError):
        app.leg.accept(ANSWER)
    await stage.settle()
    assert app.reasons == ['SIP;cause=200;text="Call completed elsewhere"']
    assert pbx.said[-1] == "failed 487"
    assert stage.story[-1] == "call.cancelled"
    assert stage.outcome("out") == [(487, "call.cancelled", "caller")]


@virtual
async def test_a_603_ends_the_call_for_all_devices() -> None:
    stage = AppStage()
    pbx, first, second = stage.party(), stage.app(), stage.app()
    stage.invite(pbx)
    await second.until("offered")
    first.leg.decline()
    await pbx.until("failed 603")
    await stage.settle()
    assert first.said[-1] == "ended call.refused callee"
    assert second.said[-1] == "ended call.refused_elsewhere exchange"


@virtual
async def test_a_486_is_for_one_device_alone() -> None:
    stage = AppStage()
    pbx, first, second = stage.party(), stage.app(), stage.app()
    stage.invite(pbx)
    await second.until("offered")
    first.leg.decline(486)
    assert second.said == ["offered"]
    second.leg.decline(486)
    await pbx.until("failed 486")
    await stage.settle()
    assert stage.outcome("out") == [(486, "call.busy", "callee")] * 2


@virtual
async def test_an_app_that_does_nothing_is_given_up_after_its_ring_time() -> None:
    stage = AppStage(ring_timeout_s=20.0)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await pbx.until("failed 480")
    await stage.settle()
    assert app.said == ["offered", "ended call.no_answer exchange"]
    assert 20.0 <= stage.records[0].ended_at - stage.records[0].started_at < 20.2


@virtual
async def test_a_call_that_nobody_acknowledges_ends_and_the_app_is_told_why() -> None:
    stage = AppStage()
    pbx, app = stage.party(), stage.app()
    stage.network.drop = lambda data, _source, _target: data.startswith(b"ACK ")
    stage.invite(pbx)
    await app.until("offered")
    app.leg.accept(ANSWER)
    await app.until("ended call.no_ack exchange")
    assert "confirmed" not in app.said
    await stage.settle()
    assert len(stage.sent(HOST, "SIP/2.0 200 OK\r\nVia")) >= 10
    assert pbx.said[-1] == "ended bye"


@virtual
async def test_nothing_but_leaving_can_be_done_before_the_ack() -> None:
    stage = AppStage()
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    leg = app.leg
    early_ones: list[Callable[[], None]] = [
        lambda: leg.change(ANSWER, app.on_done),
        lambda: leg.hold(True, app.on_done),
        lambda: leg.press("1", 100, app.on_done),
        lambda: leg.transfer("sip:carol@other.test", app.on_done),
        lambda: leg.answer_change(ANSWER),
    ]
    for early in early_ones:
        with pytest.raises(LocalProtocolError):
            early()
    leg.leave()
    await pbx.until("failed 603")
    await stage.settle()


@pytest.mark.rfc("3261", "13.2.1")
@policies
@virtual
async def test_without_an_offer_the_app_makes_it_and_is_told_the_answer_of_the_ack(
    media: MediaPolicy,
) -> None:
    stage = AppStage(media=media)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx, b"")
    assert await app.until("offered") == b""
    app.leg.accept(ANSWER)
    await pbx.until("answered")
    offer = pbx.heard[-1]
    pbx.dialogue.acknowledge(OTHER)  # type: ignore[attr-defined]
    answer = await app.until("confirmed")
    if media == "bypass":
        assert (offer, answer) == (ANSWER, OTHER)
    else:
        assert b"198.51.100.9" in offer
        assert b"198.51.100.9" in answer
    pbx.dialogue.hang_up()
    await stage.settle()
    assert app.said == ["offered", "confirmed", "ended call.hangup caller"]


@virtual
async def test_a_phone_and_an_app_ring_together() -> None:
    stage = AppStage(media="relay", foreign=False)
    alice, bob, app = stage.party(), stage.party(answers=False), stage.app()
    stage.contacts["1002"].append(app.target())
    stage.dial(alice, "1002")
    await bob.until("invited")
    app.leg.accept(ANSWER)
    await alice.until("answered")
    await bob.until("cancelled")
    await app.until("confirmed")
    assert bob.reasons == ['SIP;cause=200;text="Call completed elsewhere"']
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_phone_that_answers_first_ends_it_for_the_app() -> None:
    stage = AppStage(media="relay", foreign=False)
    alice, bob, app = stage.party(), stage.party(), stage.app()
    stage.contacts["1002"].append(app.target())
    await stage.connect(alice, bob)
    assert app.said == ["offered", "ended call.elsewhere exchange"]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_provisional_is_repeated_as_often_as_the_app_says_that_it_rings() -> None:
    stage = AppStage(ring_timeout_s=300.0)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    for _ in range(3):
        app.leg.ring()
        await asyncio.sleep(60)
    assert pbx.said == ["180"] * 3
    app.leg.decline()
    await stage.settle()


@pytest.mark.rfc("4235", "3.7.1")
@virtual
async def test_a_lamp_shows_that_an_app_rings_and_talks() -> None:
    stage, alice, bob, watcher = await watched()
    app = App("phone-1")
    stage.contacts["1002"] = [app.target()]
    stage.dial(alice, "1002")
    await app.until("offered")
    await asyncio.sleep(5)
    app.leg.accept(bob.body)
    await app.until("confirmed")
    await asyncio.sleep(5)
    app.leg.leave()
    await asyncio.sleep(5)
    seen = [one.states for one in lamps(watcher)]
    assert seen[0] == []
    assert seen[-1] == ["terminated"]
    assert ["early"] in seen
    assert ["confirmed"] in seen
    await stage.settle()
