"""Transfers that apps ask for: by REFER at somebody else's PBX, by ourselves in a call of our own exchange."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.app_stage import HOST, App, AppStage
from tests.link.phones import Party
from tests.link.stage import DOMAIN
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError
from trunkline.call.app_referral import PATIENCE_S

CAROL = "sip:carol@other.test"


async def talking(**rest: object) -> tuple[AppStage, Party, App]:
    stage = AppStage(**rest)  # type: ignore[arg-type]
    pbx, app = stage.party(), stage.app()
    await stage.talk(pbx, app)
    return stage, pbx, app


async def notify(pbx: Party, fragment: str, state: str = "active;expires=60", event: str = "refer") -> int:
    lines = f"Event: {event}\r\nSubscription-State: {state}\r\n"
    kind = "message/sipfrag;version=2.0"
    response = await pbx.dialogue.request("NOTIFY", body=fragment.encode(), content_type=kind, extra=lines)
    return response.status


@virtual
async def test_the_pbx_is_asked_and_on_success_the_app_is_hung_up() -> None:
    stage, pbx, app = await talking()
    pbx.answer_with = 202
    app.leg.transfer(CAROL, app.on_done)
    request = await asyncio.wait_for(_referred(stage, pbx), 10)
    assert f"Refer-To: <{CAROL}>" in request
    assert "Referred-By: <sip:app@" in request
    assert await notify(pbx, "SIP/2.0 100 Trying\r\n") == 200
    assert not app.done
    assert await notify(pbx, "SIP/2.0 200 OK\r\n", "terminated;reason=noresource") == 200
    assert app.done == [(200, b"")]
    await pbx.until("ended bye")
    await stage.settle()
    assert app.said[-1] == "ended call.transferred exchange"
    assert stage.story[-2:] == ["transfer.asked", "transfer.done"]


async def _referred(stage: AppStage, pbx: Party) -> str:
    data = await stage.until_sent(HOST, "REFER ")
    while not pbx.requests:  # noqa: ASYNC110  (the party tells no event)
        await asyncio.sleep(0.01)
    return data.decode()


@virtual
async def test_a_failure_leaves_the_call() -> None:
    stage, pbx, app = await talking()
    app.leg.transfer(CAROL, app.on_done)
    await _referred(stage, pbx)
    assert await notify(pbx, "SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource") == 200
    assert app.done == [(486, b"")]
    assert not app.leg.done
    assert await notify(pbx, "SIP/2.0 486 Busy Here\r\n") == 501, "nobody has asked any more"
    app.leg.transfer(CAROL, app.on_done)
    pbx.answer_with = 603
    app.leg.leave()
    await stage.settle()


@virtual
async def test_a_pbx_that_refuses_or_is_silent_leaves_the_call() -> None:
    stage, pbx, app = await talking()
    pbx.answer_with = 405
    app.leg.transfer(CAROL, app.on_done)
    assert await app.until_done() == (405, b"")
    pbx.answer_with = 202
    before = stage.loop.time()
    app.leg.transfer(CAROL, app.on_done)
    app.leg.transfer(CAROL, app.on_done)
    assert app.done[-1] == (491, b""), "one at a time"
    assert await app.until_done(3) == (408, b"")
    assert PATIENCE_S <= stage.loop.time() - before < PATIENCE_S + 1
    app.leg.leave()
    await stage.settle()


@virtual
async def test_a_pbx_that_hangs_up_after_it_took_the_transfer_has_done_it() -> None:
    stage, pbx, app = await talking()
    pbx.answer_with = 202
    app.leg.transfer(CAROL, app.on_done)
    await _referred(stage, pbx)
    await asyncio.sleep(1)
    pbx.dialogue.hang_up()
    assert await app.until_done() == (200, b"")
    await stage.settle()


@pytest.mark.rfc("3515", "2.4.4")
@virtual
async def test_who_tells_of_its_progress_is_given_more_time() -> None:
    stage, pbx, app = await talking()
    pbx.answer_with = 202
    app.leg.transfer(CAROL, app.on_done)
    await _referred(stage, pbx)
    for _ in range(3):
        await asyncio.sleep(PATIENCE_S - 5)
        assert await notify(pbx, "SIP/2.0 180 Ringing\r\n") == 200
    assert not app.done
    assert await app.until_done() == (408, b"")
    app.leg.leave()
    await stage.settle()


@pytest.mark.rfc("3515", "2.4.7")
@virtual
async def test_who_ends_its_subscription_without_a_last_word_has_taken_the_transfer_over() -> None:
    stage, pbx, app = await talking()
    pbx.answer_with = 202
    app.leg.transfer(CAROL, app.on_done)
    await _referred(stage, pbx)
    assert await notify(pbx, "SIP/2.0 100 Trying\r\n", "terminated;reason=noresource") == 200
    assert app.done == [(200, b"")]
    await pbx.until("ended bye")
    await stage.settle()


@pytest.mark.rfc("4488", "4.1")
@virtual
async def test_who_promises_no_news_has_taken_the_transfer_over() -> None:
    stage, pbx, app = await talking()
    pbx.answer_with, pbx.answer_extra = 202, "Refer-Sub: false\r\n"
    app.leg.transfer(CAROL, app.on_done)
    assert await app.until_done() == (200, b"")
    await pbx.until("ended bye")
    await stage.settle()


@virtual
async def test_what_makes_no_sense_is_refused() -> None:
    stage, pbx, app = await talking()
    for wrong in ("carol", "tel:+4912345", "sip:a@b>\r\nX: y", "mailto:a@b"):
        with pytest.raises(LocalProtocolError):
            app.leg.transfer(wrong, app.on_done)
    pbx.answer_with = 202
    app.leg.transfer(CAROL, app.on_done)
    await _referred(stage, pbx)
    assert await notify(pbx, "SIP/2.0 200 OK\r\n", event="presence") == 489
    assert await notify(pbx, "hello") == 400
    assert not app.done
    app.leg.leave()
    await stage.settle()


@virtual
async def test_in_a_call_of_our_own_the_exchange_hands_it_on() -> None:
    stage = AppStage(media="relay", foreign=False)
    alice, bob, carol = stage.party(), stage.party(answers=False), stage.party()
    app = stage.app()
    stage.contacts["1002"] = [app.target()]
    stage.dial(alice, "1002")
    await app.until("offered")
    app.leg.accept(bob.body)
    await app.until("confirmed")
    app.leg.transfer(f"sip:1003@{DOMAIN}", app.on_done)
    assert (await app.until_done())[0] == 200
    await app.until("ended call.transferred exchange")
    await carol.until("acknowledged")
    alice.dialogue.hang_up()
    await stage.settle()
    assert "transfer.done" in stage.story


@virtual
async def test_whoever_stays_with_an_app_that_was_called_on_hears_it() -> None:
    """A phone hands its call on to an extension that has an app alone."""
    stage = AppStage(media="relay", foreign=False)
    alice, bob, _ = stage.party(), stage.party(), stage.party()
    app = stage.app()
    stage.contacts["1003"] = [app.target()]
    await stage.connect(alice, bob)
    lines = f"Refer-To: <sip:1003@{DOMAIN}>\r\n"
    assert (await bob.dialogue.request("REFER", contact=bob.dialogue.contact, extra=lines)).status == 200
    await app.until("offered")
    app.leg.accept(bob.body)
    await app.until("confirmed")
    await bob.until("ended bye")
    app.leg.leave()
    await alice.until("ended bye")
    await stage.settle()


@virtual
async def test_an_app_that_stays_is_asked_when_its_party_hands_it_on() -> None:
    stage = AppStage(media="relay", foreign=False)
    alice, bob, carol = stage.party(), stage.party(), stage.party()
    app = stage.app()
    app.answers = bob.body
    stage.contacts["1002"] = [app.target()]
    stage.dial(alice, "1002")
    await app.until("offered")
    app.leg.accept(bob.body)
    await app.until("confirmed")
    lines = f"Refer-To: <sip:1003@{DOMAIN}>\r\n"
    assert (await alice.dialogue.request("REFER", contact=alice.dialogue.contact, extra=lines)).status == 200
    await app.until("asked")
    await carol.until("acknowledged")
    await alice.until("ended bye")
    app.leg.leave()
    await carol.until("ended bye")
    await stage.settle()
