"""Calls that come in for a sleeping phone, from the PBX's INVITE to the app's goodbye."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Literal

import pytest

from tests.link.crash import Keeping
from tests.link.fake_media import FakeEngine
from tests.link.mobile import ALICE, ANSWER, BOB, PBX, App, MobileStage, until
from tests.link.phones import describe
from tests.link.stage import HOST
from tests.link.virtual_time import virtual
from trunkline.base.messages.request import Refused
from trunkline.mobile.office import HandOverPolicy
from trunkline.proto.sip.draft import Draft
from trunkline.push.notification import Fate, Outcome, Purpose, Service

OTHER = describe("10.8.8.8", version=9)
GONE = Fate(Outcome.GONE, 410, "Unregistered", since=2000.0)


@pytest.mark.scenario(1)
@pytest.mark.rfc("3261", "12.1.1")
@virtual
async def test_a_sleeping_phone_rings_accepts_and_hangs_up() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app(route="Route: <sip:10.0.0.100;lr>\r\n")
    await stage.until_pushed()
    (push,) = stage.provider.sent
    assert (push.purpose, push.address.service, push.address.kind) == (Purpose.CALL, Service.APNS, "voip")
    assert push.address.token == "voip-phone"
    assert push.expires_at == 0
    assert push.data["callToken"] == phone.token
    assert stage.answers("SIP/2.0 100")
    offer = await phone.get()
    assert offer.sdp_offer.encode() == stage.pbx.body
    assert (offer.caller, offer.caller_name) == ("carol@pbx.example", "Carol")
    assert (await phone.status()).status == "pending"
    await phone.ringing()
    await phone.accept()
    assert (await phone.status()).status == "pending", "active only after the ACK"
    await stage.until_event(phone, "call.confirmed")
    assert (await phone.status()).status == "active"
    assert stage.pbx.heard[-1] == ANSWER, "the app's answer, byte for byte"
    await phone.hang_up()
    await stage.pbx.until("ended bye")
    row = await phone.status()
    assert (row.status, row.reason) == ("ended", "hangup")
    assert stage.provider.calls == ["voip-phone"]
    await stage.settle()
    assert stage.provider.after() == []


@virtual
async def test_the_story_tells_how_the_phone_was_woken() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.pbx.until("180")
    (call,) = stage.calls.active.values()
    assert stage.calls.find(call.tenant, phone.token) is call, "operators find it by what the app calls it"
    await phone.get()
    await phone.accept()
    await stage.pbx.until("answered")
    stage.pbx.dialogue.hang_up()
    await stage.until_event(phone, "call.ended")
    assert (await phone.status()).reason == "bye_from_remote"
    await stage.settle()
    told = [code for code in stage.story if code.startswith("mobile.")]
    assert told == ["mobile.push_queued", "mobile.push_sent", "mobile.reached", "mobile.accepted"]
    assert stage.rows.all == [
        "push_queued",  # which stands for a push that went, too
        "device_reached",
        "accepted",
        "answered",
        "confirmed",
        "ended",
    ]
    assert stage.kept, "the call was written down when its push was queued"


@pytest.mark.scenario(1)
@pytest.mark.rfc("3261", "8.2.6.2")
@virtual
async def test_all_vias_and_record_routes_come_back_and_the_bye_takes_the_route() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    via = b"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKbehind\r\n"
    route = b"Record-Route: <sip:10.0.0.1;lr;mark=1>\r\n"

    def by_a_proxy(data: bytes) -> bytes:
        if data.startswith(b"INVITE"):
            return data.replace(b"\r\nMax-Forwards", b"\r\n" + via + route + b"Max-Forwards", 1)
        return data.replace(via, b"") if data.startswith(b"SIP/2.0") else data

    raw: list[bytes] = []

    def noted(data: bytes) -> bytes:
        raw.append(data)
        return by_a_proxy(data)

    stage.network.mangle = noted
    stage.ring_app()
    await stage.until_pushed()
    await phone.get()
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    answer = next(data for data in raw if data.startswith(b"SIP/2.0 200"))
    assert answer.count(b"Via:") == 2
    assert via in answer
    assert b"mark=1" in answer
    assert b"Contact: <sip:" in answer
    tag = answer.partition(b"\r\nTo:")[2].partition(b"\r\n")[0].partition(b"tag=")[2]
    await phone.hang_up()
    await stage.pbx.until("ended bye")
    bye = next(data for data in raw if data.startswith(b"BYE"))
    assert b"Route: <sip:10.0.0.1;lr;mark=1>" in bye
    assert tag
    assert b";tag=" + tag in bye.partition(b"\r\nFrom:")[2].partition(b"\r\n")[0]
    await stage.settle()


# Scenario 2


@pytest.mark.scenario(2)
@pytest.mark.rfc("3261", "17.2.1")
@virtual
async def test_an_invite_that_is_repeated_makes_one_call_and_one_push() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.network.drop = lambda data, _src, dst: dst[0] == PBX and data.startswith(b"SIP/2.0 1")
    stage.ring_app()
    await asyncio.sleep(18)
    assert len(stage.sent(PBX, "INVITE")) == 6
    assert stage.provider.calls == ["voip-phone"]
    assert phone.events == ["call.incoming"]
    assert len(stage.calls.active) == 1
    assert len(stage.answers("SIP/2.0 180")) >= 5, "the last provisional is said again each time"
    stage.network.drop = lambda _data, _src, _dst: False
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    stage.pbx.dialogue.hang_up()
    await stage.settle()
    assert stage.provider.calls == ["voip-phone"]


@pytest.mark.scenario(2)
@pytest.mark.parametrize("live", [True, False])
@virtual
async def test_a_change_of_an_active_call_is_never_pushed(live: bool) -> None:
    stage = MobileStage()
    phone = stage.app("phone", live=live)
    await up(stage, phone)
    pushes = len(stage.provider.sent)
    asking = asyncio.ensure_future(stage.pbx.reoffer(OTHER))
    if live:
        await stage.until_event(phone, "call.renegotiate")
        data = stage.devices.events[-1][3]
        assert data["sdp_offer"].encode() == OTHER
        await phone.answer_change(ANSWER, data["renegotiation"])
        assert await asking == (200, ANSWER)
    else:
        assert (await asking)[0] == 488
    assert len(stage.provider.sent) == pushes
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "12.2.2")
@virtual
async def test_an_invite_in_a_dialog_that_nobody_knows_is_refused_and_never_pushed() -> None:
    stage = MobileStage()
    stage.app("phone")
    stage.network.mangle = lambda data: (
        data.replace(b"\r\nCall-ID", b";tag=unknown\r\nCall-ID", 1) if data.startswith(b"INVITE") else data
    )
    stage.ring_app()
    await stage.pbx.until("failed 481")
    stage.network.mangle = lambda data: data
    stage.ring_app(extra="Replaces: abc;to-tag=1;from-tag=2\r\n")
    await until(lambda: stage.pbx.said.count("failed 481") == 2)
    await stage.settle()
    assert stage.provider.sent == []


# Scenario 3


@pytest.mark.scenario(3)
@pytest.mark.rfc("3261", "9.2")
@pytest.mark.parametrize("provider_s", [0.05, 5.0], ids=["after the push", "before the provider answered"])
@virtual
async def test_a_caller_who_gives_up_is_told_to_a_phone_that_nobody_hears(provider_s: float) -> None:
    stage = MobileStage()
    stage.provider.takes_s = provider_s
    phone = stage.app("phone")
    stage.ring_app()
    await asyncio.sleep(1)
    stage.pbx.dialogue.hang_up()
    await stage.until_event(phone, "call.cancelled")
    await stage.pbx.until("failed 487")
    with pytest.raises(Refused) as refused:
        await phone.accept()
    assert (refused.value.problem.status, refused.value.problem.reason) == (410, "cancelled")
    row = await phone.status()
    assert (row.status, row.reason) == ("ended", "cancelled")
    await stage.settle()
    assert stage.provider.calls == ["voip-phone"]
    assert stage.provider.after() == [("alert", "alert-phone", "call_cancelled")]
    assert not accepted(stage)
    assert stage.outcome() == [(487, "call.cancelled", "caller")]


@pytest.mark.scenario(3)
@virtual
async def test_a_cancel_that_comes_just_before_the_app_accepts_wins() -> None:
    stage = MobileStage()
    phone = stage.app("phone", live=True)
    stage.ring_app()
    await stage.until_event(phone, "call.incoming")
    await phone.ringing()
    await stage.pbx.until("180")
    stage.pbx.dialogue.hang_up()
    await stage.until_event(phone, "call.cancelled")
    await asyncio.sleep(0.005)
    with pytest.raises(Refused) as refused:
        await phone.accept()
    assert refused.value.problem.status == 410
    await stage.settle()
    assert stage.provider.sent == [], "the live channel was enough"
    assert not accepted(stage)


@pytest.mark.scenario(3)
@virtual
async def test_an_accept_that_comes_just_before_the_cancel_wins() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.pbx.until("180")
    session = stage.pbx.dialogue
    await phone.accept()
    session.hang_up()
    await stage.until_event(phone, "call.ended")
    assert phone.events == ["call.incoming", "call.confirmed", "call.ended"]
    await stage.settle()
    assert stage.outcome() == [(200, "call.hangup", "caller")], (
        "a CANCEL that comes too late is followed by a BYE"
    )
    assert stage.provider.after() == []


@pytest.mark.scenario(3)
@pytest.mark.rfc("3326", "3.1")
@pytest.mark.parametrize("reason", ['SIP;cause=200;text="Call completed elsewhere"', "Q.850;cause=26"])
@virtual
async def test_a_call_that_the_pbx_says_was_answered_elsewhere_is_no_missed_call(reason: str) -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.pbx.until("180")
    stage.pbx.dialogue.hang_up(f"Reason: {reason}\r\n")
    await stage.until_event(phone, "call.answered_elsewhere")
    with pytest.raises(Refused) as refused:
        await phone.accept()
    assert (refused.value.problem.status, refused.value.problem.reason) == (410, "answered_elsewhere")
    await stage.settle()
    assert stage.provider.after() == [("background", "alert-phone", "answered_elsewhere")]


@virtual
async def test_a_phone_is_told_too_when_an_operator_ends_what_rings_it() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.pbx.until("180")
    stage.call.hang_up(code="call.hung_up_by_operator")
    await stage.pbx.until("failed 480")
    assert (await phone.status()).reason == "hung_up_by_operator"
    await stage.settle()
    assert stage.provider.after() == [("alert", "alert-phone", "call_cancelled")]


@pytest.mark.scenario(3)
@virtual
async def test_a_phone_without_an_alert_token_is_never_told_by_the_token_that_rings() -> None:
    stage = MobileStage()
    phone = stage.app("phone", alert_token="")
    stage.ring_app()
    await stage.pbx.until("180")
    stage.pbx.dialogue.hang_up()
    await stage.until_event(phone, "call.cancelled")
    await stage.settle()
    assert [one.address.token for one in stage.provider.sent] == ["voip-phone"]


@pytest.mark.scenario(3)
@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("alert", [("alert", "alert-phone", "call_cancelled")]),
        ("background", [("background", "alert-phone", "call_cancelled")]),
        ("off", []),
    ],
)
@virtual
async def test_how_a_phone_is_told_that_nobody_calls_any_more_is_the_operators_choice(
    how: Literal["alert", "background", "off"], told: list[tuple[str, str, str]]
) -> None:
    stage = MobileStage(HandOverPolicy(cancel_push=how))
    stage.app("phone")
    stage.ring_app()
    await stage.pbx.until("180")
    stage.pbx.dialogue.hang_up()
    await stage.settle()
    assert stage.provider.after() == told


@pytest.mark.scenario(3)
@virtual
async def test_a_phone_that_hears_of_the_end_by_its_live_channel_is_not_pushed_for_it() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.pbx.until("180")
    stage.devices.live.add("phone")  # the push has woken it
    stage.pbx.dialogue.hang_up()
    await stage.until_event(phone, "call.cancelled")
    await stage.settle()
    assert stage.provider.after() == []


# Scenario 4


@pytest.mark.scenario(4)
@pytest.mark.rfc("3261", "8.2.2.2")
@virtual
async def test_a_call_that_the_pbx_forks_to_two_accounts_rings_both() -> None:
    stage = MobileStage()
    alice, bob = stage.app("alice"), stage.app("bob", BOB)
    stage.ring_app()
    first = stage.pbx.dialogue
    stage.ring_app(BOB, like=(first.sip_call_id, tag_of_from(stage)))
    await stage.until_pushed(2)
    assert len(stage.calls.active) == 2
    assert alice.token != bob.token
    await bob.reject("busy")
    await stage.pbx.until("failed 486")
    await alice.accept()
    await stage.until_event(alice, "call.confirmed")
    first.hang_up()
    await stage.settle()


@pytest.mark.scenario(4)
@pytest.mark.rfc("3261", "8.2.2.2")
@virtual
async def test_the_same_account_twice_is_a_merged_request() -> None:
    stage = MobileStage()
    stage.app("alice")
    stage.ring_app()
    first = stage.pbx.dialogue
    # By another path the Request-URI may have changed its look.
    stage.network.mangle = lambda data: data.replace(b"@10.0.0.100 SIP", b"@10.0.0.100;transport=udp SIP", 1)
    stage.ring_app(like=(first.sip_call_id, tag_of_from(stage)))
    await stage.pbx.until("failed 482")
    assert len(stage.calls.active) == 1
    assert stage.provider.calls == ["voip-alice"]
    stage.network.mangle = lambda data: data
    first.hang_up()
    await stage.settle()


@pytest.mark.scenario(4)
@virtual
async def test_of_two_devices_the_first_to_accept_has_the_call() -> None:
    stage = MobileStage()
    phone, tablet = stage.app("phone"), stage.app("tablet")
    stage.ring_app()
    await stage.until_pushed(2)
    assert sorted(stage.provider.calls) == ["voip-phone", "voip-tablet"]
    await phone.get()
    await tablet.get()
    await tablet.accept()
    await stage.until_event(phone, "call.answered_elsewhere")
    with pytest.raises(Refused) as refused:
        await phone.accept()
    assert (refused.value.problem.code, refused.value.problem.status) == ("call.elsewhere", 409)
    await stage.until_event(tablet, "call.confirmed")
    stage.pbx.dialogue.hang_up()
    await stage.settle()
    assert stage.provider.after() == [("background", "alert-phone", "answered_elsewhere")]
    assert "mobile.elsewhere" in stage.story


@virtual
async def test_two_accounts_on_one_phone_ring_it_once() -> None:
    stage = MobileStage()
    alice = stage.app("alice", push_token="the phone")
    bob = stage.app("bob", BOB, push_token="the phone")
    stage.ring_app()
    first = stage.pbx.dialogue
    stage.ring_app(BOB, like=(first.sip_call_id, tag_of_from(stage)))
    await stage.until_event(bob, "call.incoming")
    await asyncio.sleep(1)
    assert stage.provider.calls == ["the phone"]
    await alice.reject()
    await until(lambda: stage.pbx.said.count("failed 603") == 2)
    await stage.settle()


@pytest.mark.parametrize("sent", [True, False])
@virtual
async def test_a_phone_is_pushed_for_its_other_account_when_the_call_to_the_first_is_withdrawn(
    *, sent: bool
) -> None:
    """The PBX gives up one of its branches, perhaps before the push went; the other one rings on."""
    stage = MobileStage()
    stage.app("alice", push_token="the phone")
    bob = stage.app("bob", BOB, push_token="the phone")
    stage.rows.takes_s = 0.005 if sent else 0.4
    stage.ring_app()
    first = stage.pbx.dialogue
    stage.ring_app(BOB, like=(first.sip_call_id, tag_of_from(stage)))
    await stage.until_event(bob, "call.incoming")
    if sent:
        await stage.until_pushed()
    first.hang_up()
    await stage.pbx.until("failed 487")
    await stage.until_pushed(2 if sent else 1)
    assert stage.provider.calls == ["the phone"] * (2 if sent else 1)
    assert stage.provider.of(Purpose.CALL)[-1].data["callToken"] == bob.token
    await asyncio.sleep(1)
    stage.pbx.dialogue.hang_up()
    await stage.until_event(bob, "call.cancelled")
    await stage.settle()
    assert ("alert", "alert-bob", "call_cancelled") in stage.provider.after(), "as after any push of its own"


@virtual
async def test_a_call_that_is_withdrawn_from_two_accounts_of_a_phone_pushes_it_once() -> None:
    stage = MobileStage()
    stage.app("alice", push_token="the phone")
    bob = stage.app("bob", BOB, push_token="the phone")
    stage.ring_app()
    first = stage.pbx.dialogue
    stage.ring_app(BOB, like=(first.sip_call_id, tag_of_from(stage)))
    await stage.until_event(bob, "call.incoming")
    await stage.until_pushed()
    first.hang_up()
    await asyncio.sleep(0.5)
    stage.pbx.dialogue.hang_up()
    await stage.settle()
    assert stage.provider.calls == ["the phone"]


# Scenario 5


@pytest.mark.scenario(5)
@virtual
async def test_the_same_accept_again_changes_nothing_and_another_is_refused() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    await up(stage, phone)
    await phone.accept()
    with pytest.raises(Refused) as refused:
        await phone.accept(OTHER)
    assert (refused.value.problem.code, refused.value.problem.status) == ("call.accepted", 409)
    assert len(accepted(stage)) == 1
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.scenario(5)
@virtual
async def test_two_accepts_at_once_are_one_answer() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    await asyncio.gather(phone.accept(), phone.accept())
    await stage.until_event(phone, "call.confirmed")
    assert len(accepted(stage)) == 1
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_answer_that_cannot_be_read_or_does_not_fit_is_refused_and_may_be_mended() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    for wrong in (b"", b"nonsense", describe("10.9.9.9", count=2)):
        with pytest.raises(Refused) as refused:
            await phone.accept(wrong)
        assert (refused.value.problem.code, refused.value.problem.status) == ("call.sdp", 422)
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    stage.pbx.dialogue.hang_up()
    await stage.settle()


# Scenario 6


@pytest.mark.scenario(6)
@virtual
async def test_a_dead_token_is_disabled_and_its_caller_does_not_wait() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.provider.fates["voip-phone"] = GONE
    begun = stage.loop.time()
    stage.ring_app()
    await stage.pbx.until("failed 480")
    assert stage.loop.time() - begun < 1.0
    assert stage.devices.disabled == [("voip-phone", "Unregistered")]
    assert (await phone.status()).reason == "push_failed"
    stage.ring_app()
    await until(lambda: stage.pbx.said.count("failed 480") == 2)
    await stage.settle()
    assert stage.provider.calls == ["voip-phone"], "and is not pushed again"
    assert "mobile.no_push" in stage.story


@pytest.mark.scenario(6)
@virtual
async def test_a_token_that_was_registered_after_it_died_is_kept() -> None:
    stage = MobileStage()
    stage.app("phone", registered_at=3000.0)
    stage.provider.fates["voip-phone"] = GONE
    stage.ring_app()
    await stage.pbx.until("failed 480")
    assert stage.devices.disabled == []
    await stage.settle()


@pytest.mark.scenario(6)
@virtual
async def test_one_dead_device_does_not_end_the_call_of_another() -> None:
    stage = MobileStage()
    stage.app("old")
    phone = stage.app("phone")
    stage.provider.fates["voip-old"] = GONE
    stage.ring_app()
    await stage.pbx.until("180")
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.scenario(6)
@virtual
async def test_a_device_that_is_removed_while_it_rings_rings_no_more_and_its_caller_does_not_wait() -> None:
    stage = MobileStage()
    phone, other = stage.app("phone"), stage.app("other")
    stage.ring_app()
    await stage.until_pushed(2)
    await phone.get()
    await other.ringing()
    stage.incoming.gone(phone.device)
    assert (await phone.status()).reason == "device_removed"
    assert (await other.status()).state == "ringing", "it goes on"
    begun = stage.loop.time()
    stage.incoming.gone(other.device)
    await stage.pbx.until("failed 480")
    assert stage.loop.time() - begun < 1.0
    assert "mobile.device_removed" in stage.story
    await stage.settle()
    assert stage.provider.after() == [], "whoever has the phone now is told nothing"


@virtual
async def test_a_device_that_is_removed_while_it_talks_goes_on() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    await phone.accept()
    stage.incoming.gone(phone.device)
    await stage.until_event(phone, "call.confirmed")
    stage.incoming.gone(phone.device)
    await phone.hang_up()
    await stage.pbx.until("ended bye")
    await stage.settle()


@pytest.mark.scenario(8)
@virtual
async def test_a_provider_that_is_down_for_all_ends_the_call_at_once() -> None:
    stage = MobileStage()
    stage.app("phone")
    stage.provider.fates["voip-phone"] = Fate(Outcome.UNAVAILABLE, 503, "ServiceUnavailable")
    stage.ring_app()
    await stage.pbx.until("failed 480")
    await stage.settle()
    assert stage.outcome("out") == [(480, "mobile.push_failed", "exchange")]
    assert stage.devices.disabled == []


# Scenario 13


@pytest.mark.scenario(13)
@pytest.mark.rfc("3261", "13.3.1.4")
@virtual
async def test_an_answer_that_is_never_acknowledged_ends_the_call() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.network.drop = lambda data, _src, _dst: data.startswith(b"ACK")
    stage.ring_app()
    await stage.until_pushed()
    await phone.accept()
    await stage.until_event(phone, "call.ended")
    row = await phone.status()
    assert (row.status, row.reason) == ("ended", "no_ack")
    assert len(accepted(stage)) == 11
    assert stage.answers("BYE")
    await stage.settle()
    assert "call.confirmed" not in phone.events


@pytest.mark.scenario(13)
@virtual
async def test_two_byes_that_cross_end_in_peace() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    await up(stage, phone)
    stage.pbx.dialogue.hang_up()
    await phone.hang_up()
    await stage.settle()
    assert len(stage.sent(PBX, "BYE")) == 1
    assert len(stage.answers("BYE")) == 1


# Written down before it goes


@pytest.mark.scenario(11)
@virtual
async def test_a_push_goes_when_it_is_on_disk_and_not_before() -> None:
    stage = MobileStage()
    stage.rows.takes_s = 0.2
    stage.app("phone")
    stage.ring_app()
    await asyncio.sleep(0.15)
    assert [row.state for row in stage.rows.rows.values()] == ["push_queued"]
    assert stage.kept, "and the call before it"
    assert stage.provider.sent == []
    await stage.until_pushed()
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_call_that_ends_before_its_push_is_on_disk_rings_nobody() -> None:
    stage = MobileStage()
    stage.rows.takes_s = 0.2
    stage.app("phone")
    stage.ring_app()
    await until(lambda: bool(stage.answers("SIP/2.0 100")))
    stage.pbx.dialogue.hang_up()
    await stage.settle()
    assert stage.provider.sent == []


@virtual
async def test_a_disk_that_is_stuck_keeps_no_phone_from_ringing() -> None:
    stage = MobileStage()
    stage.rows.takes_s = 30.0
    stage.app("phone")
    begun = stage.loop.time()
    stage.ring_app()
    await stage.until_pushed()
    assert stage.loop.time() - begun < 0.6
    stage.pbx.dialogue.hang_up()
    await stage.settle()


# What the traps say


@pytest.mark.scenario(15)
@pytest.mark.rfc("3261", "8.2.2.1")
@virtual
async def test_a_gateway_alone_knows_nobody_whom_strangers_call() -> None:
    stage = MobileStage()
    stage.app("phone")
    stage.endpoint.set_doors([stage.mobile_door])
    stranger = stage.party()
    stranger.call(HOST, ALICE)
    await stranger.until("failed 404")
    stage.pbx.call(HOST, "c" * 32)  # a contact of a device that is gone
    await stage.pbx.until("failed 404")
    for method, status in (("MESSAGE", 404), ("REGISTER", 501), ("OPTIONS", 200), ("SUBSCRIBE", 501)):
        endpoint = stranger.endpoint
        from_, to = "<sip:mallory@scan.example>;tag=1", f"<sip:{ALICE}@{HOST}>"
        draft = Draft(method, f"sip:{ALICE}@{HOST}", from_, to, endpoint.ids.call_id(), 1)
        response = await endpoint.request(draft, stranger.node.flow_to("UDP", HOST, 5060))
        assert response.status == status
    await stage.settle()
    assert stage.provider.sent == []
    assert stage.devices.events == []


@pytest.mark.scenario(15)
@virtual
async def test_an_invite_from_anybody_but_the_registrar_rings_nothing() -> None:
    stage = MobileStage()
    stage.app("phone")
    stranger = stage.party()
    stranger.call(HOST, "a" * 32)
    await until(lambda: any(said.startswith("failed") for said in stranger.said))
    await stage.settle()
    assert stage.provider.sent == []
    assert stage.devices.events == []


@pytest.mark.parametrize(("reason", "status"), [("declined", 603), ("busy", 486)])
@virtual
async def test_how_a_user_refuses_is_the_users_choice(reason: str, status: int) -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    await phone.reject(reason)
    await stage.pbx.until(f"failed {status}")
    row = await phone.status()
    assert (row.status, row.reason, row.sip_status) == ("ended", "rejected", status)
    await stage.settle()
    assert stage.provider.after() == []


@pytest.mark.scenario(14)
@virtual
async def test_to_hang_up_before_the_call_is_taken_declines_it() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    await phone.hang_up()
    await stage.pbx.until("failed 603")
    assert (await phone.status()).reason == "rejected"
    await stage.settle()


@virtual
async def test_busy_on_one_device_leaves_the_others_ringing_and_declined_ends_all() -> None:
    stage = MobileStage()
    phone, tablet, watch = stage.app("phone"), stage.app("tablet"), stage.app("watch")
    stage.ring_app()
    await stage.until_pushed(3)
    await phone.reject("busy")
    assert (await tablet.status()).status == "pending"
    await tablet.reject()
    await stage.until_event(watch, "call.declined_elsewhere")
    await stage.pbx.until("failed 603")
    await stage.settle()


@virtual
async def test_a_phone_that_never_wakes_ends_with_t1_and_is_told_of_the_missed_call() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app()
    begun = stage.loop.time()
    await stage.pbx.until("failed 480")
    assert 20 <= stage.loop.time() - begun < 20.5
    assert (await phone.status()).reason == "expired"
    await stage.settle()
    assert stage.provider.after() == [("alert", "alert-phone", "call_missed")]
    assert stage.outcome("out") == [(480, "mobile.expired", "exchange")]


@virtual
async def test_a_phone_that_woke_has_t2_from_then_on() -> None:
    stage = MobileStage(HandOverPolicy(no_answer_status=408))
    phone = stage.app("phone")
    stage.ring_app()
    await asyncio.sleep(15)
    await phone.get()
    begun = stage.loop.time()
    await until(lambda: any(said.startswith("failed") for said in stage.pbx.said))
    assert 45 <= stage.loop.time() - begun < 45.5
    assert "failed 408" in stage.pbx.said
    await stage.settle()


@pytest.mark.parametrize(
    ("policy", "heard"),
    [("on_invite", 0.0), ("on_push_accepted", 3.0), ("on_device_fetch", 6.0)],
)
@virtual
async def test_the_caller_hears_ringing_when_the_policy_says_so(policy: str, heard: float) -> None:
    stage = MobileStage(HandOverPolicy(provisional=policy))  # type: ignore[arg-type]
    stage.provider.takes_s = 3.0
    phone = stage.app("phone")
    begun = stage.loop.time()
    stage.ring_app()
    stage.loop.call_later(6.0, lambda: stage.context.spawn(fetched(phone)))
    await stage.pbx.until("180")
    assert heard <= stage.loop.time() - begun < heard + 0.2
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_provisional_is_repeated_each_minute() -> None:
    stage = MobileStage(HandOverPolicy(answer_s=200.0))
    phone = stage.app("phone")
    stage.ring_app()
    await stage.pbx.until("180")
    await phone.get()
    await asyncio.sleep(190)
    assert stage.pbx.said.count("180") == 4
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_device_on_the_live_channel_is_pushed_once_when_it_says_nothing() -> None:
    stage = MobileStage()
    phone = stage.app("phone", live=True)
    stage.ring_app()
    await stage.until_event(phone, "call.incoming")
    await asyncio.sleep(1.9)
    assert stage.provider.sent == []
    await stage.until_pushed()
    await asyncio.sleep(10)
    assert stage.provider.calls == ["voip-phone"]
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3264", "4")
@virtual
async def test_an_invite_without_an_offer_gets_the_apps_and_the_acks_answer_reaches_the_app() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app(body=b"")
    await stage.until_pushed()
    assert (await phone.get()).sdp_offer == ""
    await phone.accept()
    await stage.pbx.until("answered")
    assert stage.pbx.heard[-1] == ANSWER
    session = stage.pbx.session
    session.acknowledge(OTHER)  # type: ignore[union-attr]
    await stage.until_event(phone, "call.confirmed")
    assert stage.devices.events[-1][3] == {"sdp_answer": OTHER.decode()}
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_sound_goes_through_our_relay_where_the_policy_says_so() -> None:
    stage = MobileStage(HandOverPolicy(media="relay"))
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    offer = (await phone.get()).sdp_offer.encode()
    assert FakeEngine.ADDRESS.encode() in offer
    assert stage.engine.owners
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    assert FakeEngine.ADDRESS.encode() in stage.pbx.heard[-1]
    await phone.hang_up()
    await stage.settle()


@virtual
async def test_an_account_without_a_device_is_not_there() -> None:
    stage = MobileStage()
    stage.ring_app()
    await stage.pbx.until("failed 480")
    await stage.settle()
    assert stage.outcome()[0][1] == "mobile.no_device"


@virtual
async def test_a_caller_who_stays_unknown_is_told_to_nobody() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app(from_='"Anonymous" <sip:anonymous@anonymous.invalid>')
    await stage.until_pushed()
    push = stage.provider.sent[0]
    assert push.data["callerUri"] == "anonymous"
    assert "callerName" not in push.data
    assert push.body == "Somebody is calling"
    assert (await phone.get()).caller == ""
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_caller_whose_name_is_no_text_is_told_as_one() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    name = "J\udce9r\u00f4me \u202etxt.exe\u200f"
    stage.ring_app(from_=f'"{name}" <sip:{"7" * 3000}%0d%0aX@pbx.example>')
    await stage.until_pushed()
    push = stage.provider.sent[0]
    assert push.data["callerName"] == "J\ufffdr\u00f4me txt.exe"
    assert push.body == "J\ufffdr\u00f4me txt.exe is calling"
    assert len(push.data["callerUri"]) < 300
    assert push.data["callerUri"].isprintable()
    assert (await phone.get()).caller_name == "J\ufffdr\u00f4me txt.exe"
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "8.2.2.3")
@pytest.mark.parametrize(
    ("extra", "status"),
    [("Require: teleport\r\n", 420), ("Content-Encoding: gzip\r\n", 415), ("Accept: text/plain\r\n", 406)],
)
@virtual
async def test_what_no_call_can_be_made_of_wakes_nobody(extra: str, status: int) -> None:
    stage = MobileStage()
    stage.app("phone")
    stage.ring_app(extra=extra)
    await stage.pbx.until(f"failed {status}")
    await stage.settle()
    assert stage.provider.sent == []
    assert not stage.calls.all


@pytest.mark.rfc("3262", "3")
@virtual
async def test_a_caller_who_wants_provisionals_for_certain_acknowledges_the_ringing() -> None:
    stage = MobileStage()
    phone = stage.app("phone")
    stage.ring_app(reliable=True, extra="Require: 100rel\r\n")
    await stage.pbx.until("180")
    assert stage.sent(PBX, "PRACK")
    await phone.get()
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    assert stage.pbx.heard[-1] == ANSWER
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_gateway_that_is_about_to_stop_takes_no_call() -> None:
    stage = MobileStage()
    stage.app("phone")
    stage.endpoint.draining = True
    stage.ring_app()
    await stage.pbx.until("failed 503")
    await stage.settle()
    assert stage.provider.sent == []


@virtual
async def test_an_app_that_must_not_learn_who_calls_from_a_push_asks() -> None:
    stage = MobileStage(HandOverPolicy(show_caller=False))
    phone = stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    assert "carol" not in str(stage.provider.sent[0].data).lower()
    assert (await phone.get()).caller == "carol@pbx.example"
    stage.pbx.dialogue.hang_up()
    await stage.settle()


# Helpers of these tests


async def up(stage: MobileStage, phone: App) -> None:
    """A call that talks."""
    stage.ring_app()
    await stage.until_event(phone, "call.incoming")
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")


async def fetched(phone: App) -> None:
    with suppress(Refused):
        await phone.get()


def accepted(stage: MobileStage) -> list[bytes]:
    """The 200s to INVITEs that the PBX got."""
    return [data for data in stage.answers("SIP/2.0 200") if b" INVITE\r\n" in data]


def tag_of_from(stage: MobileStage) -> str:
    """The From tag of the PBX's last INVITE."""
    line = stage.sent(PBX, "INVITE")[-1].partition(b"\r\nFrom:")[2].partition(b"\r\n")[0]
    return line.partition(b"tag=")[2].decode()


@virtual
async def test_a_call_is_written_down_before_its_push_and_what_follows_within_a_second() -> None:
    stage = MobileStage()
    keeping = stage.keep_calls()
    stage.app("phone")
    stage.ring_app()
    await stage.until_pushed()
    await asyncio.sleep(0.5)
    assert stage.answers("SIP/2.0 180")
    assert len(keeping.journal.rows) == 1
    assert "mobile.push_sent" not in kept_story(keeping), "nothing needs it at once"
    assert stage.rows.all == ["push_queued"]
    await keeping.after(1)
    assert "mobile.push_sent" in kept_story(keeping)
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3262", "3")
@virtual
async def test_a_180_that_the_caller_acknowledges_is_written_down_at_once() -> None:
    stage = MobileStage()
    keeping = stage.keep_calls()
    stage.app("phone")
    stage.ring_app(extra="Require: 100rel\r\n")
    await stage.until_pushed()
    await asyncio.sleep(0.5)
    assert stage.answers("SIP/2.0 180")
    (row,) = keeping.journal.rows.values()
    assert json.loads(row.body)["legs"][0]["session"]["reliable"] is not None
    stage.pbx.dialogue.hang_up()
    await stage.settle()


def kept_story(keeping: Keeping) -> list[str]:
    """The codes of the story of the one call that is written down."""
    (row,) = keeping.journal.rows.values()
    return [step[1] for step in json.loads(row.body)["story"]]
