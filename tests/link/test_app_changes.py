"""Sessions with an app that change while they talk: hold, re-INVITE, UPDATE, refreshes, keys, texts."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.app_stage import ANSWER, HOST, OTHER, App, AppStage
from tests.link.phones import Party, describe
from tests.link.talking import version_of
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.call.app_changes import ANSWER_S
from trunkline.call.passing_media import MediaPolicy
from trunkline.media.commands import SendDigits
from trunkline.proto.sip.message import Response
from trunkline.ua.sessions.session_timer import TimerPolicy
from trunkline.ua.sessions.update import send_update

NEW = describe("10.0.0.1", "a=sendonly", version=9)
policies = pytest.mark.parametrize("media", ["bypass", "relay"])


async def talking(**rest: object) -> tuple[AppStage, Party, App]:
    stage = AppStage(**rest)  # type: ignore[arg-type]
    pbx, app = stage.party(), stage.app()
    await stage.talk(pbx, app)
    return stage, pbx, app


async def end(stage: AppStage) -> None:
    stage.parties[0].dialogue.hang_up()
    await stage.settle()


# What the PBX changes


@policies
@virtual
async def test_a_re_invite_is_the_apps_to_answer(media: MediaPolicy) -> None:
    stage, pbx, app = await talking(media=media)
    app.answers = OTHER
    status, answer = await pbx.reoffer(NEW)
    asked = await app.until("asked")
    assert status == 200
    if media == "bypass":
        assert (asked, answer) == (NEW, OTHER)
    else:
        assert b"198.51.100.9" in asked
        assert b"198.51.100.9" in answer
    assert stage.is_held()
    await end(stage)


@virtual
async def test_a_re_invite_to_an_app_that_cannot_be_reached_is_refused_at_once() -> None:
    stage, pbx, app = await talking()
    app.reachable = False
    before = stage.loop.time()
    assert (await pbx.reoffer(NEW))[0] == 488
    assert stage.loop.time() - before < 0.2
    await end(stage)


@virtual
async def test_a_re_invite_that_the_app_never_answers_is_refused_in_time() -> None:
    stage, pbx, app = await talking()
    before = stage.loop.time()
    assert (await pbx.reoffer(NEW))[0] == 488
    assert ANSWER_S <= stage.loop.time() - before < 32.0
    assert app.said[-1] == "withdrawn"
    with pytest.raises(LocalProtocolError):
        app.leg.answer_change(OTHER)
    app.answers = OTHER
    assert (await pbx.reoffer(NEW))[0] == 200
    await end(stage)


@virtual
async def test_an_app_may_refuse_a_change_and_the_call_goes_on() -> None:
    stage, pbx, app = await talking()
    app.answers = 488
    assert (await pbx.reoffer(NEW))[0] == 488
    assert not app.leg.done
    await end(stage)


@virtual
async def test_a_re_invite_without_offer_asks_the_app_for_one_and_brings_it_the_answer() -> None:
    stage, pbx, app = await talking()
    app.answers = OTHER

    status, offer = await pbx.reoffer(b"")
    assert (status, offer) == (200, OTHER)
    pbx.dialogue.reoffer.acknowledge(NEW)
    async with asyncio.timeout(10):
        while app.heard[-1] != NEW:  # noqa: ASYNC110  (the second of two such events)
            await asyncio.sleep(0.01)
    assert app.said[-1] == "confirmed"
    await end(stage)


@virtual
async def test_a_cancelled_re_invite_is_withdrawn_from_the_app() -> None:
    stage, pbx, app = await talking()
    asking = asyncio.ensure_future(pbx.reoffer(NEW))
    await app.until("asked")
    pbx.dialogue.reoffer.withdraw()
    await app.until("withdrawn")
    assert (await asking)[0] == 487
    await end(stage)


@pytest.mark.rfc("3311", "5.2")
@virtual
async def test_an_update_is_answered_at_once_or_told_that_a_user_must_be_asked() -> None:
    stage, pbx, app = await talking()

    async def update(body: bytes) -> int:
        done: asyncio.Future[int] = stage.loop.create_future()

        def told(status: int, _response: Response | None) -> None:
            done.set_result(status)

        send_update(pbx.dialogue, body, told)
        return await done

    app.answers = OTHER
    assert await update(NEW) == 200
    app.answers = None
    assert await update(pbx.body) == 504
    app.reachable = False
    assert await update(pbx.body) == 488
    await end(stage)


@pytest.mark.rfc("4028", "9")
@virtual
async def test_a_session_refresh_is_answered_without_the_app() -> None:
    stage = AppStage()
    timers = TimerPolicy("always", 600, 90)
    stage.endpoint.set_session_timers(timers)
    pbx, app = stage.party(), stage.app()
    pbx.endpoint.set_session_timers(timers)
    stage.network.mangle = lambda data: data.replace(b", UPDATE", b"")
    await stage.talk(pbx, app)
    app.reachable = False
    await asyncio.sleep(1500)
    assert len(stage.sent(pbx.host, "INVITE ")) >= 4
    assert stage.body_of(HOST, "SIP/2.0 200 OK", 3) == ANSWER
    assert app.said == ["offered", "confirmed"]
    await end(stage)


@virtual
async def test_our_refresh_repeats_the_apps_description() -> None:
    stage = AppStage()
    stage.endpoint.set_session_timers(TimerPolicy("always", 600, 90))
    pbx, app = stage.party(), stage.app()
    stage.network.mangle = lambda data: data.replace(b", UPDATE", b"")
    pbx.offer_answer = pbx.body
    await stage.talk(pbx, app)
    await asyncio.sleep(700)
    refreshes = [data.partition(b"\r\n\r\n")[2] for data in stage.sent(HOST, "INVITE ")]
    assert refreshes
    assert set(refreshes) <= {ANSWER}
    assert app.said == ["offered", "confirmed"]
    await end(stage)


# What the app changes


@policies
@virtual
async def test_an_app_holds_and_takes_the_call_back(media: MediaPolicy) -> None:
    stage, pbx, app = await talking(media=media)
    pbx.offer_answer = describe(pbx.host, "a=recvonly", version=2)
    app.leg.hold(True, app.on_done)
    status, _ = await app.until_done()
    assert status == 200
    assert (app.leg.held, stage.is_held()) == (True, True)
    held = pbx.heard[-1]
    assert b"a=sendonly" in held
    pbx.offer_answer = describe(pbx.host, version=3)
    app.leg.hold(False, app.on_done)
    assert (await app.until_done(2))[0] == 200
    resumed = pbx.heard[-1]
    assert b"a=sendonly" not in resumed
    assert (app.leg.held, stage.is_held()) == (False, False)
    assert version_of(resumed) > version_of(held)
    if media == "bypass":
        assert version_of(held) > version_of(ANSWER)
        assert held.replace(b"a=sendonly\r\n", b"").partition(b"\r\ns=")[2] == ANSWER.partition(b"\r\ns=")[2]
    await end(stage)
    assert stage.story[-3:] == ["call.hold", "call.resume", "call.ended"]


@virtual
async def test_holding_twice_asks_once() -> None:
    stage, pbx, app = await talking()
    for count in (1, 2):
        app.leg.hold(True, app.on_done)
        assert (await app.until_done(count))[0] == 200
    assert pbx.said.count("offered") == 1
    await end(stage)


@virtual
async def test_an_offer_of_the_apps_goes_out_as_it_is_and_the_answer_comes_back_so() -> None:
    stage, pbx, app = await talking()
    offer = describe("192.0.2.77", "a=sendonly", version=6)
    app.leg.change(offer, app.on_done)
    assert await app.until_done() == (200, pbx.offer_answer)
    assert pbx.heard[-1] == offer
    assert app.leg.held
    with pytest.raises(RemoteProtocolError):
        app.leg.change(b"nonsense", app.on_done)
    await end(stage)


@virtual
async def test_after_a_hold_of_ours_the_apps_descriptions_get_higher_versions() -> None:
    stage, pbx, app = await talking()
    app.leg.hold(True, app.on_done)
    await app.until_done()
    app.leg.change(OTHER, app.on_done)
    assert (await app.until_done(2))[0] == 200
    assert version_of(pbx.heard[-1]) > version_of(pbx.heard[-2])
    assert (
        pbx.heard[-1].partition(b"\r\n")[2].partition(b"\r\n")[2]
        == OTHER.partition(b"\r\n")[2].partition(b"\r\n")[2]
    )
    await end(stage)


@pytest.mark.parametrize("status", [488, 415])
@virtual
async def test_a_refused_change_leaves_the_call_as_it_was(status: int) -> None:
    stage, pbx, app = await talking()
    pbx.offer_answer = status
    app.leg.hold(True, app.on_done)
    assert await app.until_done() == (status, b"")
    assert not app.leg.held
    await end(stage)


@pytest.mark.scenario(13)
@pytest.mark.rfc("3261", "14.1")
@virtual
async def test_a_change_that_meets_one_of_the_pbx_gets_491_and_is_tried_again() -> None:
    stage, pbx, app = await talking()
    pbx.offer_answer = None
    app.leg.hold(True, app.on_done)
    await pbx.until("offered")
    assert (await pbx.reoffer(NEW))[0] == 491, "their re-INVITE while ours is with them"
    pbx.dialogue.reoffer.refuse(491)
    pbx.offer_answer = describe(pbx.host, "a=recvonly", version=2)
    assert (await app.until_done())[0] == 200
    assert len(stage.sent(HOST, "INVITE ")) == 2
    await end(stage)


@virtual
async def test_a_change_of_the_apps_while_it_is_asked_itself_gets_491() -> None:
    stage, pbx, app = await talking()
    asking = asyncio.ensure_future(pbx.reoffer(NEW))
    await app.until("asked")
    app.leg.change(OTHER, app.on_done)
    assert app.done == [(491, b"")]
    app.leg.answer_change(OTHER)
    assert (await asking)[0] == 200
    await end(stage)


@virtual
async def test_whoever_waits_for_a_change_when_the_call_ends_is_told_so() -> None:
    stage, pbx, app = await talking()
    pbx.offer_answer = None
    app.leg.hold(True, app.on_done)
    await pbx.until("offered")
    pbx.dialogue.hang_up()
    assert (await app.until_done())[0] == 487
    await stage.settle()
    assert len(app.done) == 1


# Keys and texts


@virtual
async def test_keys_go_as_info_one_after_the_other() -> None:
    stage, pbx, app = await talking()
    app.leg.press("1a#", 120, app.on_done)
    assert await app.until_done() == (200, b"")
    assert [request.body for request in pbx.requests] == [
        b"Signal=1\r\nDuration=120\r\n",
        b"Signal=A\r\nDuration=120\r\n",
        b"Signal=#\r\nDuration=120\r\n",
    ]
    assert {request.headers["Content-Type"] for request in pbx.requests} == {"application/dtmf-relay"}
    await end(stage)


@pytest.mark.rfc("4733", "2.5")
@virtual
async def test_where_media_passes_here_keys_are_telephone_events_as_the_other_party_numbers_them() -> None:
    stage = AppStage(media="relay")
    pbx, app = stage.party(), stage.app()
    pbx.body = pbx.body.replace(b"101", b"97")
    await stage.talk(pbx, app)
    app.leg.press("1#", 120, app.on_done)
    assert (await app.until_done())[0] == 200
    (sent,) = [command for command in stage.engine.commands if isinstance(command, SendDigits)]
    assert (sent.digits, sent.payload_type, sent.duration_ms) == ("1#", 97, 120)
    assert sent.port == stage.calls.all[0].legs[0].media.ports[0]
    assert not pbx.requests
    await end(stage)


@virtual
async def test_keys_that_are_refused_end_with_that_status() -> None:
    stage, pbx, app = await talking()
    pbx.answer_with = 415
    app.leg.press("12", 100, app.on_done)
    assert await app.until_done() == (415, b"")
    assert len(pbx.requests) == 1
    await end(stage)


@pytest.mark.parametrize(
    ("digits", "duration"), [("", 100), ("12x", 100), ("1", 5), ("1", 60_000), ("1" * 65, 100)]
)
@virtual
async def test_what_is_no_key_is_refused(digits: str, duration: int) -> None:
    stage, pbx, app = await talking()
    with pytest.raises(LocalProtocolError):
        app.leg.press(digits, duration, app.on_done)
    assert not pbx.requests
    await end(stage)


@virtual
async def test_an_info_of_the_pbx_reaches_the_app() -> None:
    stage, pbx, app = await talking()
    response = await pbx.dialogue.request("INFO", body=b"Signal=5\r\n", content_type="application/dtmf-relay")
    assert response.status == 200
    assert app.infos[0].body == b"Signal=5\r\n"
    app.reachable = False
    assert (await pbx.dialogue.request("INFO", body=b"x", content_type="text/x")).status == 415
    assert (await pbx.dialogue.request("MESSAGE", body=b"x", content_type="text/plain")).status == 488
    await end(stage)


@pytest.mark.scenario(13)
@virtual
async def test_both_hang_up_at_once() -> None:
    stage, pbx, app = await talking()
    pbx.dialogue.hang_up()
    app.leg.leave()
    await stage.settle()
    assert app.said[-1] == "ended call.hangup callee"
    assert len(stage.sent(HOST, "SIP/2.0 481")) + len(stage.sent(HOST, "SIP/2.0 200 OK")) >= 2
