"""What apps do in a call that is up, and what the PBX does to it; texts and mailboxes beside calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.link.mobile import ALICE, ANSWER, TENANT, App, MobileStage, until
from tests.link.phones import describe
from tests.link.stage import HOST
from tests.link.virtual_time import virtual
from trunkline.base.messages.app_calls import (
    AskAppCall,
    GetAppCall,
    HangUpAppCall,
    HoldAppCall,
    ListAppCalls,
    PressKeys,
    TransferAppCall,
)
from trunkline.base.messages.request import Refused
from trunkline.mobile.office import HandOverPolicy
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.push.notification import Fate, Outcome

OTHER = describe("10.8.8.8", version=9)


async def up(stage: MobileStage, phone: App) -> None:
    """A call that talks."""
    stage.ring_app()
    await stage.until_event(phone, "call.incoming")
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")


async def send(stage: MobileStage, method: str, account: str = ALICE, **rest: Any) -> Response:
    """A request of the PBX outside of dialogs."""
    endpoint = stage.pbx.endpoint
    draft = Draft(
        method,
        f"sip:{account}@{HOST}",
        f'"Carol" <sip:carol@pbx.example>;tag={endpoint.ids.tag()}',
        f"<sip:alice@{HOST}>",
        endpoint.ids.call_id(),
        1,
        **rest,
    )
    return await endpoint.request(draft, stage.pbx.node.flow_to("UDP", HOST, 5060))


# Within the call


@virtual
async def test_keys_are_pressed_by_info() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    ask = PressKeys(call_token=phone.token, digits="1#", owner=phone.device.owner)
    with pytest.raises(Refused) as refused:
        await stage.app_calls.press(TENANT, ask)
    assert (refused.value.problem.code, refused.value.problem.status) == ("call.not_active", 409)
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    assert (await stage.app_calls.press(TENANT, ask)).status == 200
    bodies = [one.body for one in stage.pbx.requests if one.method == "INFO"]
    assert [body.split(b"\r\n")[0] for body in bodies] == [b"Signal=1", b"Signal=#"]
    for digits, ms in (("x", 160), ("", 160), ("1" * 33, 160), ("1", 5), ("1\n", 160)):
        with pytest.raises(Refused) as refused:
            await stage.app_calls.press(
                TENANT, PressKeys(call_token=phone.token, digits=digits, duration_ms=ms)
            )
        assert (refused.value.problem.code, refused.value.problem.status) == ("call.keys", 422)
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_app_holds_and_resumes() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    await up(stage, phone)
    stage.pbx.offer_answer = OTHER
    hold = HoldAppCall(call_token=phone.token, owner=phone.device.owner)
    assert (await stage.app_calls.hold(TENANT, hold)).sdp_answer.encode() == OTHER
    assert b"a=sendonly" in stage.pbx.heard[-1]
    assert (await phone.status()).held
    resume = HoldAppCall(call_token=phone.token, held=False, owner=phone.device.owner)
    await stage.app_calls.hold(TENANT, resume)
    assert b"a=sendonly" not in stage.pbx.heard[-1]
    assert not (await phone.status()).held
    stage.pbx.offer_answer = 488
    with pytest.raises(Refused) as refused:
        await stage.app_calls.hold(TENANT, hold)
    assert refused.value.problem.sip_status == 488
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_app_asks_the_pbx_to_call_somebody_else() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    await up(stage, phone)
    stage.pbx.answer_with = 603
    ask = TransferAppCall(call_token=phone.token, destination="dave@pbx.example", owner=phone.device.owner)
    with pytest.raises(Refused) as refused:
        await stage.app_calls.transfer(TENANT, ask)
    assert refused.value.problem.sip_status == 603
    refer = next(one for one in stage.pbx.requests if one.method == "REFER")
    assert refer.headers["Refer-To"] == "<sip:dave@pbx.example>"
    assert stage.devices.events[-1][1] == "call.transfer"
    assert stage.devices.events[-1][3] == {"sip_status": 603}
    with pytest.raises(Refused):
        await stage.app_calls.transfer(TENANT, TransferAppCall(call_token=phone.token, destination="1003"))
    refer = [one for one in stage.pbx.requests if one.method == "REFER"][-1]
    assert refer.headers["Refer-To"] == "<sip:1003@pbx.example>", "at the exchange of the other party"
    with pytest.raises(Refused) as refused:
        await stage.app_calls.transfer(TENANT, TransferAppCall(call_token=phone.token, destination="a b>"))
    assert refused.value.problem.status == 422
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_whoever_calls_a_number_is_one_of_the_apps_own_exchange() -> None:
    stage = MobileStage()
    stage.office.domain_of = lambda account: f"{account[0]}.home" if account else ""
    phone = stage.app("phone")
    stage.ring_app(from_='"Anonymous" <sip:anonymous@anonymous.invalid>')
    await stage.until_event(phone, "call.incoming")
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    stage.pbx.answer_with = 603
    with pytest.raises(Refused) as refused:
        await stage.app_calls.transfer(TENANT, TransferAppCall(call_token=phone.token, destination="1003"))
    assert refused.value.problem.sip_status == 603
    (refer,) = [one for one in stage.pbx.requests if one.method == "REFER"]
    assert refer.headers["Refer-To"] == "<sip:1003@a.home>"
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_hold_that_is_granted_when_the_call_ends_is_not_told_after_its_end() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    await up(stage, phone)
    party = stage.app_calls._parties[phone.token]
    leg: Any = party.leg

    class Ending:
        id = leg.id
        ends_here = leg.ends_here

        def hold(self, held: bool, told: Any) -> None:
            def both(status: int, body: bytes) -> None:
                told(status, body)
                leg.leave()

            leg.hold(held, both)

    party.leg = Ending()  # type: ignore[assignment]
    ask = HoldAppCall(call_token=phone.token, owner=phone.device.owner, held=True)
    await stage.app_calls.hold(TENANT, ask)
    assert phone.events[-1] == "call.ended"
    await stage.settle()


@virtual
async def test_a_change_that_the_app_does_not_answer_is_refused() -> None:
    stage = MobileStage()
    phone = stage.app("phone", live=True)
    await up(stage, phone)
    with pytest.raises(Refused) as refused:
        await phone.answer_change(ANSWER)
    assert refused.value.problem.code == "call.nothing_asked"
    assert (await stage.pbx.reoffer(OTHER))[0] == 488
    assert phone.events[-2:] == ["call.renegotiate", "call.changed"]
    with pytest.raises(Refused):
        await phone.answer_change(ANSWER)
    asking = asyncio.ensure_future(stage.pbx.reoffer(OTHER))
    await until(lambda: phone.events[-1] == "call.renegotiate")
    await phone.answer_change(b"", 2)
    assert (await asking)[0] == 488
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_status_waits_for_a_change() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    begun = stage.loop.time()
    assert (await phone.status(wait_s=5, seen="pending")).status == "pending"
    assert 5 <= stage.loop.time() - begun < 5.1
    waiting = asyncio.ensure_future(phone.status(wait_s=100, seen="pending"))
    await asyncio.sleep(0.1)
    await phone.accept()
    assert (await waiting).status == "active"
    assert (await phone.status(wait_s=25, seen="pending")).status == "active", (
        "what was seen is over: at once"
    )
    waiting = asyncio.ensure_future(phone.status(wait_s=25))
    await asyncio.sleep(0.1)
    stage.pbx.dialogue.hang_up()
    row = await waiting
    assert (row.status, row.reason) == ("ended", "bye_from_remote")
    await stage.settle()
    assert (await phone.status()).status == "unknown", "an ended call is forgotten after two minutes"


@pytest.mark.scenario(15)
@virtual
async def test_what_is_anothers_is_not_there() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    token = phone.token
    calls = stage.app_calls
    for tenant, owner in ((TENANT, "somebody else"), ("t2", phone.device.owner), ("t2", None)):
        for asking in (
            calls.get(tenant, GetAppCall(call_token=token, owner=owner)),
            calls.hang_up(tenant, HangUpAppCall(call_token=token, owner=owner)),
            calls.press(tenant, PressKeys(call_token=token, digits="1", owner=owner)),
        ):
            with pytest.raises(Refused) as refused:
                await asking
            assert refused.value.problem.status == 404
            assert refused.value.problem.detail == "there is no such call"
        status = await calls.status(tenant, AskAppCall(call_token=token, owner=owner, wait_s=20))
        assert status.call.status == "unknown"
        assert (await calls.page(tenant, ListAppCalls(owner=owner))).rows == ()
    assert len((await calls.page(TENANT, ListAppCalls(owner=phone.device.owner))).rows) == 1
    assert (await calls.get(TENANT, GetAppCall(call_token=token))).call_token == token, "the operator's"
    assert (await phone.status()).state == "push_queued", "an operator who looks is no phone"
    await phone.get()
    assert (await phone.status()).state == "device_reached"
    stage.pbx.dialogue.hang_up()
    await stage.settle()


# Beside calls


@virtual
async def test_a_text_reaches_a_phone_that_listens() -> None:
    stage = MobileStage()
    stage.app("phone", live=True)
    response = await send(stage, "MESSAGE", body=b"hello", content_type="text/plain")
    assert response.status == 200
    _, name, _, data = stage.devices.events[-1]
    assert (name, data["from"], data["body"]) == ("message.received", "carol@pbx.example", "hello")
    assert stage.provider.sent == []
    await stage.settle()


@virtual
async def test_a_text_wakes_a_phone_by_a_push_that_does_not_ring() -> None:
    stage = MobileStage()
    stage.app("phone")
    response = await send(stage, "MESSAGE", body=b"hello", content_type="text/plain")
    assert response.status == 202
    assert stage.provider.after() == [("alert", "alert-phone", "message")]
    assert (stage.provider.sent[0].title, stage.provider.sent[0].body) == ("Carol", "hello")
    stage.provider.fates["alert-phone"] = Fate(Outcome.UNAVAILABLE)
    response = await send(stage, "MESSAGE", body=b"hello", content_type="text/plain")
    assert response.status == 480
    typing = await send(stage, "MESSAGE", body=b"<x/>", content_type="application/im-iscomposing+xml")
    assert typing.status == 200
    assert len(stage.provider.sent) == 2, "nobody is woken because somebody types"
    await stage.settle()


@virtual
async def test_a_hidden_sender_and_text_are_in_no_push() -> None:
    stage = MobileStage(HandOverPolicy(show_caller=False))
    stage.app("phone")
    await send(stage, "MESSAGE", body=b"hello", content_type="text/plain")
    push = stage.provider.sent[0]
    assert "carol" not in f"{push.data}{push.title}{push.body}".lower()
    assert "hello" not in f"{push.data}{push.title}{push.body}"
    await stage.settle()


@pytest.mark.rfc("3842", "3.2")
@virtual
async def test_news_of_a_mailbox_wakes_a_phone_in_silence() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    rest: dict[str, Any] = {
        "body": b"Messages-Waiting: yes\r\nVoice-Message: 2/8\r\n",
        "content_type": "application/simple-message-summary",
        "extra": "Event: message-summary\r\nSubscription-State: terminated\r\n",
    }
    assert (await send(stage, "NOTIFY", **rest)).status == 200
    await until(lambda: bool(stage.provider.sent))
    assert stage.provider.after() == [("background", "alert-phone", "message_waiting")]
    assert stage.provider.sent[0].data["new"] == "2"
    stage.devices.live.add("phone")
    assert (await send(stage, "NOTIFY", **rest)).status == 200
    assert stage.devices.events[-1][3] == {"waiting": True, "new": "2", "old": "8"}
    assert len(stage.provider.sent) == 1
    assert (await send(stage, "NOTIFY", extra="Event: presence\r\n")).status == 489
    assert phone.events == ["message.waiting"]
    await stage.settle()


@pytest.mark.rfc("3261", "11.2")
@virtual
async def test_whatever_else_the_registrar_asks_has_an_answer() -> None:
    stage = MobileStage()
    stage.app("phone")
    assert (await send(stage, "OPTIONS")).status == 200
    assert (await send(stage, "REFER", extra="Refer-To: <sip:x@y>\r\n")).status in {403, 404, 405, 401}
    assert (await send(stage, "BREW")).status == 501
    assert (await send(stage, "INFO")).status == 481
    assert stage.provider.sent == []
    await stage.settle()
