"""Calls that begin at a mobile app: progress, answers, failures, and an app that leaves."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.app_stage import ANSWER, HOST, OTHER, AppStage
from tests.link.memory_network import Weather
from tests.link.phones import describe
from tests.link.stage import PASSWORD
from tests.link.test_app_changes import policies
from tests.link.virtual_time import virtual
from trunkline.base.errors import RemoteProtocolError
from trunkline.call.passing_media import MediaPolicy
from trunkline.call.target import Target
from trunkline.pbx import scripts
from trunkline.proto.sip.digest_client import Account, DigestClient
from trunkline.ua.challenges import Authorizer
from trunkline.ua.sessions import ServerSession

pytestmark = pytest.mark.scenario(14)
EARLY = describe("10.0.0.9", version=3)
CHALLENGE = 'WWW-Authenticate: Digest realm="pbx", nonce="abc", algorithm=MD5, qop="auth"\r\n'


@policies
@virtual
async def test_a_call_rings_is_answered_and_ended_by_the_app(media: MediaPolicy) -> None:
    stage = AppStage(media=media)
    bob, target = stage.pbx(rings_s=2.0)
    app = stage.app()
    stage.place(app, target)
    answer = await app.until("answered")
    await app.until("confirmed")
    assert app.said == ["180", "answered", "confirmed"]
    if media == "bypass":
        assert (bob.heard[0], answer) == (ANSWER, bob.body)
        assert not stage.engine.commands
    else:
        assert b"198.51.100.9" in bob.heard[0]
        assert b"198.51.100.9" in answer
    app.leg.leave()
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(200, "call.hangup", "caller")]
    assert stage.story == ["leg.invited", "leg.ringing", "call.answered", "call.ended"]
    assert stage.over[0].target == "phone-1"


@virtual
async def test_the_callee_hangs_up() -> None:
    stage = AppStage()
    bob, target = stage.pbx()
    app = stage.app()
    stage.place(app, target)
    await app.until("confirmed")
    bob.dialogue.hang_up()
    await app.until("ended call.hangup callee")
    await stage.settle()


@policies
@virtual
async def test_early_media_reaches_the_app(media: MediaPolicy) -> None:
    stage = AppStage(media=media)
    bob, target = stage.pbx()
    app = stage.app()

    def early(session: ServerSession) -> None:
        session.progress(183, EARLY)
        stage.loop.call_later(2.0, session.answer, EARLY)

    bob.on_invite = early
    stage.place(app, target)
    body = await app.until("183")
    assert (body == EARLY) if media == "bypass" else (b"198.51.100.9" in body)
    await app.until("confirmed")
    app.leg.leave()
    await stage.settle()


@pytest.mark.parametrize(
    ("status", "told"),
    [(486, "486 call.busy"), (404, "404 call.refused"), (603, "603 call.refused"), (503, "503 call.refused")],
)
@virtual
async def test_a_failure_is_told_with_its_status(status: int, told: str) -> None:
    stage = AppStage()
    bob, target = stage.pbx()
    bob.refuse_with = status
    app = stage.app()
    call = stage.place(app, target)
    await app.until(f"failed {told}")
    await stage.settle()
    assert app.said == [f"failed {told}"]
    assert call.legs[1].outcome.status == status, "what the PBX really said is in the leg's outcome"


@virtual
async def test_nobody_who_can_be_reached_is_a_failure_too() -> None:
    stage = AppStage()
    app = stage.app()
    stage.place(app, Target("sip:bob@nowhere.test"))
    await app.until("failed 480 call.not_sent")
    await stage.settle()


@virtual
async def test_an_offer_that_cannot_be_read_begins_no_call() -> None:
    stage = AppStage()
    app = stage.app()
    with pytest.raises(RemoteProtocolError):
        stage.place(app, Target("sip:bob@10.0.0.1"), offer=b"nonsense")
    assert not stage.calls.all


@virtual
async def test_an_app_that_leaves_before_the_answer_cancels() -> None:
    stage = AppStage()
    bob, target = stage.pbx(answers=False)
    app = stage.app()
    stage.place(app, target)
    await app.until("180")
    app.leg.leave()
    await bob.until("cancelled")
    await stage.settle()
    assert app.said == ["180", "ended call.cancelled caller"]
    assert stage.sent(HOST, "ACK "), "every 487 is acknowledged"
    assert stage.outcome("in") == stage.outcome("out") == [(487, "call.cancelled", "caller")]


@virtual
async def test_an_app_that_leaves_at_once_sends_nothing_or_a_cancel() -> None:
    stage = AppStage()
    bob, target = stage.pbx(answers=False)
    app = stage.app()
    stage.place(app, target)
    app.leg.leave()
    await stage.settle()
    assert app.said == ["ended call.cancelled caller"]
    assert not bob.invites


@pytest.mark.scenario(13)
@virtual
async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    stage = AppStage(weather=Weather(delay_s=0.05))
    bob, target = stage.pbx(rings_s=1.0)
    app = stage.app()
    stage.place(app, target)
    await bob.until("invited")
    await asyncio.sleep(0.97)
    app.leg.leave()
    await bob.until("ended bye")
    await stage.settle()
    assert bob.said == ["invited", "acknowledged", "ended bye"]
    assert app.said[-1] == "ended call.cancelled caller"


@virtual
async def test_a_challenge_is_answered() -> None:
    stage = AppStage()
    bob, target = stage.pbx()
    account = DigestClient(Account("alice", PASSWORD))
    target.authorizer = lambda: Authorizer(account, lambda: stage.endpoint.ids.pool.token(16))
    app = stage.app()

    def challenge(session: ServerSession) -> None:
        bob.on_invite = None
        session.refuse(401, extra=CHALLENGE)

    bob.on_invite = challenge
    stage.place(app, target)
    await app.until("confirmed")
    assert b'Authorization: Digest username="alice"' in stage.sent(HOST, "INVITE ")[1]
    app.leg.leave()
    await stage.settle()


@virtual
async def test_a_wrong_password_fails_at_once() -> None:
    stage = AppStage()
    bob, target = stage.pbx()
    account = DigestClient(Account("alice", "wrong"))
    target.authorizer = lambda: Authorizer(account, lambda: stage.endpoint.ids.pool.token(16))
    bob.on_invite = lambda session: session.refuse(401, extra=CHALLENGE)
    app = stage.app()
    before = stage.loop.time()
    call = stage.place(app, target)
    await app.until("failed 401 call.refused")
    assert stage.loop.time() - before < 1.0
    assert call.legs[1].outcome.status == 401
    await stage.settle()


@virtual
async def test_of_two_callees_the_second_to_answer_is_hung_up() -> None:
    stage = AppStage(weather=Weather(delay_s=0.05))
    (bob, first), (carol, second) = stage.pbx(), stage.pbx()
    app = stage.app()
    stage.place(app, first, second)
    await app.until("confirmed")
    await asyncio.sleep(5)
    assert {bob.said[-1], carol.said[-1]} == {"acknowledged", "ended bye"}
    app.leg.leave()
    await stage.settle()


@virtual
async def test_an_app_that_called_may_hold_be_held_and_press_keys() -> None:
    stage = AppStage()
    bob, target = stage.pbx()
    app = stage.app()
    stage.place(app, target)
    await app.until("confirmed")
    app.leg.hold(True, app.on_done)
    assert (await app.until_done())[0] == 200
    await asyncio.sleep(1)
    app.answers = OTHER
    assert (await bob.reoffer(bob.body))[0] == 200
    app.leg.press("5", 100, app.on_done)
    assert (await app.until_done(2))[0] == 200
    app.leg.leave()
    await stage.settle()


@virtual
async def test_an_app_calls_an_app() -> None:
    stage = AppStage(media="relay", foreign=False)
    caller, callee = stage.app(), stage.app()
    stage.place(caller, callee.target())
    offer = await callee.until("offered")
    assert b"198.51.100.9" in offer
    callee.leg.ring()
    callee.leg.accept(OTHER)
    await caller.until("confirmed")
    await callee.until("confirmed")
    assert caller.said == ["180", "answered", "confirmed"]
    caller.leg.hold(True, caller.on_done)
    await callee.until("asked")
    callee.leg.answer_change(OTHER)
    assert (await caller.until_done())[0] == 200
    callee.leg.leave()
    await stage.settle()
    assert caller.said[-1] == "ended call.hangup callee"


@virtual
async def test_an_app_calls_a_service_of_ours() -> None:
    stage = AppStage(media="relay", foreign=False)
    app = stage.app()
    call = stage.new_call("1001")
    app._leg = call.begin_app(app, ANSWER, scripts.echo)
    stage.calls.add(call)
    assert b"198.51.100.9" in await app.until("answered")
    await app.until("confirmed")
    app.leg.press("5", 100, app.on_done)
    assert (await app.until_done())[0] == 200
    app.leg.hold(True, app.on_done)
    assert (await app.until_done(2))[0] == 200
    app.leg.leave()
    await stage.settle()


@virtual
async def test_a_call_whose_media_does_not_pass_here_cannot_be_answered_here() -> None:
    stage = AppStage()
    app = stage.app()
    call = stage.new_call("1001")
    call.begin_app(app, ANSWER, scripts.echo)
    stage.calls.add(call)
    await app.until("failed 503 media.bypassed")
    await stage.settle()
