"""Apps of our own extensions: a target beside the desk phone, and the sound goes through our relay."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.fake_media import FakeEngine
from tests.link.mobile import ANSWER, TENANT, App, MobileStage, crash
from tests.link.phones import Party
from tests.link.talking import both_sides
from tests.link.transferring import refer, told
from tests.link.virtual_time import virtual
from trunkline.base.messages.app_calls import TransferAppCall
from trunkline.base.messages.request import Refused


def office(stage: MobileStage) -> tuple[Party, Party, App]:
    """1001 calls 1002, who has a desk phone that does not answer and an app."""
    caller, desk = stage.pbx, stage.party(answers=False)
    phone = stage.app("phone")
    stage.contacts["1002"] += stage.incoming.targets([phone.device])
    return caller, desk, phone


@virtual
async def test_an_extensions_app_rings_beside_its_phone_and_takes_the_call() -> None:
    stage = MobileStage()
    caller, desk, phone = office(stage)
    stage.dial(caller, "1002")
    await stage.until_pushed()
    await caller.until("180")
    offer = await phone.get()
    assert offer.caller == "1001@pbx.test"
    assert FakeEngine.ADDRESS.encode() in offer.sdp_offer.encode(), "our relay stands between them"
    await phone.accept()
    await desk.until("cancelled")
    assert desk.reasons == ['SIP;cause=200;text="Call completed elsewhere"']
    await stage.until_event(phone, "call.confirmed")
    assert FakeEngine.ADDRESS.encode() in caller.heard[-1]
    await phone.hang_up()
    await caller.until("ended bye")
    await stage.settle()
    assert "mobile.accepted" in stage.story


@virtual
async def test_the_desk_phone_answers_and_the_app_is_told() -> None:
    stage = MobileStage()
    caller, desk, phone = office(stage)
    stage.dial(caller, "1002")
    await caller.until("180")
    await phone.get()
    desk.incoming.answer(desk.body)
    await caller.until("answered")
    await stage.until_event(phone, "call.answered_elsewhere")
    with pytest.raises(Refused) as refused:
        await phone.accept()
    assert refused.value.problem.status == 409
    caller.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_answer_whose_ack_is_awaited_is_told_as_such() -> None:
    stage = MobileStage()
    caller, _desk, phone = office(stage)
    stage.network.drop = lambda data, _src, _dst: data.startswith(b"ACK")
    stage.dial(caller, "1002")
    await stage.until_pushed()
    await phone.accept()
    await caller.until("answered")
    assert (await phone.status()).state == "answered"
    await stage.until_event(phone, "call.ended")
    assert (await phone.status()).reason == "no_ack"
    await stage.settle()


@both_sides
@virtual
async def test_an_app_to_which_a_call_is_handed_on_is_told_who_stays(side: str) -> None:
    stage = MobileStage()
    alice, bob, _ = stage.pbx, stage.party(), stage.party()
    await stage.connect(alice, bob)
    phone = stage.app("phone")
    stage.contacts["1003"] = stage.incoming.targets([phone.device])
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    stage.kept.clear()
    await refer(one, "1003")
    await stage.until_pushed()
    assert stage.kept == [], "a crash now leaves the two to each other"
    assert (await phone.get()).caller == ("1002@pbx.test" if one is alice else "1001@pbx.test")
    await phone.accept()
    await one.until("ended bye")
    await stage.until_event(phone, "call.confirmed")
    assert told(one) == ["100 active", "180 active", "200 terminated"]
    other.dialogue.hang_up()
    await stage.until_event(phone, "call.ended")
    await stage.settle()


@virtual
async def test_a_call_that_an_app_hands_on_to_another_app_rings_there_as_anew() -> None:
    stage = MobileStage()
    caller, desk, phone = office(stage)
    desk.answers = False
    second = stage.app("second")
    stage.party()
    stage.contacts["1003"] = stage.incoming.targets([second.device])
    stage.dial(caller, "1002")
    await stage.until_pushed()
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    ask = TransferAppCall(call_token=phone.token, destination="1003", owner=phone.device.owner)
    handing = asyncio.ensure_future(stage.app_calls.transfer(TENANT, ask))
    await stage.until_pushed(2)
    assert (await second.get()).caller == "1001@pbx.test"
    steps = [step.code for step in stage.call.story.steps]
    assert steps.count("leg.ringing") == 2, "its ringing is told too"
    await second.accept()
    await handing
    await stage.until_event(second, "call.confirmed")
    assert phone.events[-2:] == ["call.transfer", "call.ended"]
    caller.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_dead_app_leaves_the_desk_phone_ringing() -> None:
    stage = MobileStage()
    caller, desk, phone = office(stage)
    phone.device.disabled_why = "Unregistered"
    stage.dial(caller, "1002")
    await desk.until("invited")
    await asyncio.sleep(5)
    desk.incoming.answer(desk.body)
    await caller.until("answered")
    caller.dialogue.hang_up()
    await stage.settle()


@pytest.mark.scenario(11)
@virtual
async def test_an_app_that_was_told_that_it_has_the_call_has_it_after_a_crash() -> None:
    stage = MobileStage()
    stage.engine.delay_s = 0.2
    keeping = stage.keep_calls()
    caller, _desk, phone = office(stage)
    stage.dial(caller, "1002")
    await stage.until_pushed()
    await caller.until("180")
    await phone.accept()
    await asyncio.sleep(0.1)
    assert "answered" not in caller.said, "the ports are not linked yet"
    new = await crash(keeping)
    phone.stage = new
    assert (await phone.status()).state == "accepted"
    await caller.until("answered")
    await new.until_event(phone, "call.confirmed")
    await phone.accept(ANSWER)
    await phone.hang_up()
    await caller.until("ended bye")
    await new.settle()
