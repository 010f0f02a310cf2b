"""The exchange dies at each step of a call with an app: it goes on, or ends defined for whoever is there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.link.app_stage import ANSWER, HOST, OTHER, App, AppStage
from tests.link.crash import Keeping
from tests.link.phones import Party, describe
from tests.link.virtual_time import virtual
from trunkline.base.errors import CallFailed
from trunkline.call.app_leg import AppLeg
from trunkline.call.passing_media import MediaPolicy
from trunkline.call.restored import LOST, NobodyThere

pytestmark = [pytest.mark.scenario(11)]
policies = pytest.mark.parametrize("media", ["bypass", "relay"])
KEYED = describe("10.0.0.1", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0IGtleSBzZWNyZXQga2V5IHNlY3Jl")


def keep(stage: AppStage) -> Keeping:
    keeping = Keeping(stage)
    stage.context.keep_now = keeping.checkpoints.write_now
    stage.context.on_disk = keeping.checkpoints.on_disk
    return keeping


async def crash(keeping: Keeping, *gone: App, down_s: float = 0.5) -> tuple[Keeping, AppStage]:
    """The next process; its mobile side knows all apps but those that are ``gone``."""
    old = keeping.stage
    assert isinstance(old, AppStage)
    by_label = {app.label: app for app in old.apps if app not in gone}

    def sides(_leg: str, data: dict[str, Any]) -> App | None:
        return by_label.get(data["label"])

    for call in old.calls.active.values():
        for leg in call.legs:
            if isinstance(leg, AppLeg):
                leg.side = NobodyThere(leg.side.label)  # the dead tell nothing
    new = await keeping.crash(down_s, sides)
    stage = new.stage
    assert isinstance(stage, AppStage)
    stage.apps = old.apps
    stage.context.keep_now = new.checkpoints.write_now
    stage.context.on_disk = new.checkpoints.on_disk
    for call in stage.calls.all:
        for leg in call.legs:
            if isinstance(leg, AppLeg) and isinstance(leg.side, App):
                leg.side._leg = leg
    return new, stage


async def ringing(
    media: MediaPolicy = "bypass", apps: int = 1, **rest: Any
) -> tuple[Keeping, Party, list[App]]:
    """A call that rings apps, and was written when they were told."""
    stage = AppStage(media=media, **rest)
    keeping = keep(stage)
    pbx = stage.party()
    mine = [stage.app() for _ in range(apps)]
    stage.invite(pbx)
    await mine[-1].until("offered")
    mine[-1].leg.ring()
    await pbx.until("180")
    mine[-1].leg.keep()
    return keeping, pbx, mine


# A call that rings


@policies
@virtual
async def test_a_call_that_rang_can_still_be_taken(media: MediaPolicy) -> None:
    keeping, pbx, (app,) = await ringing(media)
    _, stage = await crash(keeping)
    app.leg.accept(ANSWER)
    await pbx.until("answered")
    await app.until("confirmed")
    if media == "bypass":
        assert pbx.heard[-1] == ANSWER
    app.leg.leave()
    await pbx.until("ended bye")
    await stage.settle()
    assert app.said == ["offered", "confirmed", "ended call.hangup callee"]
    assert stage.story == ["leg.invited", "leg.ringing", "call.restored", "call.answered", "call.ended"]


@virtual
async def test_its_caller_can_still_give_up() -> None:
    keeping, pbx, (app,) = await ringing()
    _, stage = await crash(keeping)
    pbx.dialogue.hang_up()
    await app.until("ended call.cancelled caller")
    await pbx.until("failed 487")
    await stage.settle()


@virtual
async def test_it_still_ends_when_its_time_is_over() -> None:
    keeping, pbx, (app,) = await ringing(ring_timeout_s=20.0)
    before = keeping.stage.loop.time()
    _, stage = await crash(keeping, down_s=5.0)
    await pbx.until("failed 480")
    assert keeping.stage.loop.time() - before <= 20.1
    assert app.said[-1] == "ended call.no_answer exchange"
    await stage.settle()


@virtual
async def test_what_the_devices_say_counts_as_before() -> None:
    keeping, pbx, (first, second) = await ringing(apps=2)
    _, stage = await crash(keeping)
    first.leg.decline(486)
    second.leg.accept(ANSWER)
    await pbx.until("answered")
    await second.until("confirmed")
    pbx.dialogue.hang_up()
    await stage.settle()
    assert first.said == ["offered", "ended call.busy callee"]


@virtual
async def test_a_device_that_nobody_knows_any_more_leaves() -> None:
    keeping, pbx, (first, second) = await ringing(apps=2)
    _, stage = await crash(keeping, first)
    assert not second.leg.done, "it did not decline for all"
    second.leg.accept(ANSWER)
    await second.until("confirmed")
    pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_without_any_device_left_the_caller_is_told_so() -> None:
    keeping, pbx, (app,) = await ringing()
    _, stage = await crash(keeping, app)
    await pbx.until("failed 480")
    await stage.settle()


@pytest.mark.parametrize("session", [KEYED, describe("10.0.0.1", "k=clear:inline:secret")])
@virtual
async def test_no_key_of_a_reliable_provisional_is_written(session: bytes) -> None:
    stage = AppStage()
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx, extra="Require: 100rel\r\n")
    await app.until("offered")
    stage.calls.all[-1].caller_leg.progress(183, session, followed=True)
    await pbx.until("183")
    app.leg.keep()
    (row,) = keeping.journal.rows.values()
    assert "inline:" not in row.body
    app.leg.decline()
    await stage.settle()


@virtual
async def test_a_refusal_before_the_crash_is_remembered() -> None:
    keeping, pbx, (first, second) = await ringing(apps=2)
    first.leg.decline(486)
    keeping.sweep()
    _, stage = await crash(keeping)
    second.leg.give_up(CallFailed(480, "Temporarily Unavailable", 20, "call.no_answer"))
    await pbx.until("failed 486")
    await stage.settle()


@virtual
async def test_a_second_crash_finds_it_again() -> None:
    keeping, pbx, (app,) = await ringing()
    again, _ = await crash(keeping)
    _, stage = await crash(again)
    app.leg.accept(ANSWER)
    await app.until("confirmed")
    pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_retransmitted_invite_hears_what_it_heard() -> None:
    keeping, pbx, (app,) = await ringing()
    invite = keeping.stage.sent(pbx.host, "INVITE ")[0]
    _, stage = await crash(keeping)
    before = len(stage.sent(HOST, "SIP/2.0 180"))
    pbx.node.flow_to("UDP", HOST, 5060).send(invite)
    await asyncio.sleep(1)
    assert len(stage.sent(HOST, "SIP/2.0 180")) == before + 1
    assert len(stage.calls.active) == 1
    assert app.said == ["offered"]
    app.leg.decline()
    await stage.settle()


@virtual
async def test_neither_keys_nor_credentials_are_written_and_such_a_call_gets_a_final_response() -> None:
    stage = AppStage()
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx, KEYED, extra='Authorization: Digest username="x", response="y"\r\n')
    await app.until("offered")
    app.leg.keep()
    (row,) = keeping.journal.rows.values()
    for secret in ("inline:", "Digest"):
        assert secret not in row.body
    assert json.loads(row.body)["rings"] is None
    _, stage = await crash(keeping)
    await pbx.until("failed 480")
    await stage.settle()
    assert stage.outcome("in") == [(480, LOST, "exchange")]


@virtual
async def test_a_call_without_offer_can_still_be_taken() -> None:
    stage = AppStage()
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx, b"")
    await app.until("offered")
    app.leg.keep()
    keeping, _ = await crash(keeping)
    app.leg.accept(ANSWER)
    await pbx.until("answered")
    keeping, stage = await crash(keeping)  # between the 200 and the ACK
    pbx.dialogue.acknowledge(OTHER)  # type: ignore[attr-defined]
    assert await app.until("confirmed") == OTHER
    pbx.dialogue.hang_up()
    await stage.settle()


# Between the 200 and the ACK


@policies
@virtual
async def test_a_call_that_was_taken_is_confirmed_by_an_ack_that_comes_later(media: MediaPolicy) -> None:
    stage = AppStage(media=media)
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    stage.network.drop = lambda data, _source, _target: data.startswith((b"ACK ", b"SIP/2.0 200"))
    app.leg.accept(ANSWER)
    await stage.until_sent(HOST, "SIP/2.0 200")
    _, stage = await crash(keeping)
    assert "confirmed" not in app.said
    stage.network.drop = lambda _data, _source, _target: False
    await pbx.until("answered")
    await app.until("confirmed")
    app.leg.leave()
    await pbx.until("ended bye")
    await stage.settle()


# A call that is up


@policies
@pytest.mark.parametrize("by_app", [True, False])
@virtual
async def test_a_call_that_was_up_can_be_ended_by_either_side(media: MediaPolicy, by_app: bool) -> None:
    stage = AppStage(media=media)
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    await stage.talk(pbx, app)
    _, stage = await crash(keeping)
    if by_app:
        app.leg.leave()
        await pbx.until("ended bye")
    else:
        pbx.dialogue.hang_up()
        await app.until("ended call.hangup caller")
    await stage.settle()
    assert stage.over[0].answered_at is not None


@virtual
async def test_a_call_that_was_up_can_be_held_changed_and_refreshed() -> None:
    stage = AppStage()
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    await stage.talk(pbx, app)
    app.leg.hold(True, app.on_done)
    await app.until_done()
    await keeping.after(4)
    _, stage = await crash(keeping)
    assert app.leg.held
    assert stage.is_held()
    app.leg.hold(False, app.on_done)
    assert (await app.until_done(2))[0] == 200
    assert b"a=sendonly" not in pbx.heard[-1]
    await asyncio.sleep(1)
    app.answers = OTHER
    assert (await pbx.reoffer(pbx.body))[0] == 200
    assert app.said[-1] == "asked"
    app.leg.press("1", 100, app.on_done)
    assert (await app.until_done(3))[0] == 200
    app.leg.leave()
    await stage.settle()


# A call that an app has begun


@policies
@virtual
async def test_a_call_from_an_app_that_rang_goes_on(media: MediaPolicy) -> None:
    stage = AppStage(media=media)
    keeping = keep(stage)
    bob, target = stage.pbx(answers=False)
    app = stage.app()
    stage.place(app, target)
    await app.until("180")
    app.leg.keep()
    _, stage = await crash(keeping)
    bob.incoming.answer(bob.body)
    await app.until("answered")
    await bob.until("acknowledged")
    app.leg.leave()
    await bob.until("ended bye")
    await stage.settle()
    assert app.said == ["180", "answered", "confirmed", "ended call.hangup caller"]


@virtual
async def test_a_call_from_an_app_that_rang_can_be_cancelled() -> None:
    stage = AppStage()
    keeping = keep(stage)
    bob, target = stage.pbx(answers=False)
    app = stage.app()
    stage.place(app, target)
    await app.until("180")
    app.leg.keep()
    _, stage = await crash(keeping)
    app.leg.leave()
    await bob.until("cancelled")
    await stage.settle()


@virtual
async def test_a_call_from_an_app_that_nobody_knows_any_more_is_cancelled() -> None:
    stage = AppStage()
    keeping = keep(stage)
    bob, target = stage.pbx(answers=False)
    app = stage.app()
    stage.place(app, target)
    await app.until("180")
    app.leg.keep()
    _, stage = await crash(keeping, app)
    await bob.until("cancelled")
    await stage.settle()


@policies
@virtual
async def test_a_call_from_an_app_that_was_up_goes_on(media: MediaPolicy) -> None:
    stage = AppStage(media=media)
    keeping = keep(stage)
    bob, target = stage.pbx()
    app = stage.app()
    stage.place(app, target)
    await app.until("confirmed")
    await bob.until("acknowledged")
    await keeping.after(4)
    _, stage = await crash(keeping)
    bob.dialogue.hang_up()
    await app.until("ended call.hangup callee")
    await stage.settle()


# Where it cannot go on


@virtual
async def test_a_call_that_was_not_written_in_time_is_unknown_and_its_caller_may_try_again() -> None:
    stage = AppStage()
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    invite = stage.sent(pbx.host, "INVITE ")[0]
    _, stage = await crash(keeping)
    pbx.node.flow_to("UDP", HOST, 5060).send(invite)
    await asyncio.sleep(1)
    assert app.said == ["offered", "offered"], "the retransmission begins the call again"
    app.leg.decline()
    await pbx.until("failed 603")
    await stage.settle()


@virtual
async def test_what_is_too_old_is_closed_in_the_books() -> None:
    keeping, pbx, _ = await ringing(ring_timeout_s=100.0)
    _, stage = await crash(keeping, down_s=400.0)
    assert not stage.calls.active
    pbx.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(480, LOST, "exchange")]
