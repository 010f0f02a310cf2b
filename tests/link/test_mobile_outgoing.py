"""Calls that apps place through their own exchange: credentials, progress, failures, and apps that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tests.link.carrier import when
from tests.link.crash import Keeping
from tests.link.phones import Party
from tests.link.placing import OFFER, OWNER, PASSWORD, PBX, TENANT, PlacingStage
from tests.link.stage import HOST
from tests.link.test_trunks import ask_for_password
from tests.link.virtual_time import virtual
from trunkline.base.messages import Refused
from trunkline.base.messages.app_calls import PlaceCall
from trunkline.base.messages.devices import SipAccount
from trunkline.call.app_leg import AppSide
from trunkline.mobile.outgoing_call import OutgoingCall

CREDENTIALS = SipAccount("alice", PBX, PASSWORD)


@pytest.mark.scenario(14)
@virtual
async def test_a_device_calls_with_the_account_of_its_registration_and_the_reply_waits_for_the_answer() -> (
    None
):
    stage = PlacingStage()
    device = await stage.device(display_name="Alice")
    ask_for_password(stage.pbx, 401)
    placed = await stage.place(device)
    assert placed.sdp_answer.encode() == stage.pbx.body
    first, second = stage.pbx.invites
    assert "Authorization" not in first.headers
    assert 'username="alice"' in second.headers["Authorization"]
    assert second.uri == f"sip:100@{PBX}"
    assert second.headers["From"].startswith(f'"Alice" <sip:alice@{PBX}>;tag=')
    assert second.body.decode() == OFFER, "byte for byte"
    await stage.pbx.until("acknowledged")
    acks = stage.sent(HOST, "ACK")
    assert b"CSeq: 1 ACK" in acks[0]
    assert b"CSeq: 2 ACK" in acks[1]
    assert (await stage.status(placed.call_token)).status == "active"
    await stage.hang_up(placed.call_token)
    await stage.pbx.until("ended bye")
    row = await stage.status(placed.call_token)
    assert (row.status, row.reason, row.direction) == ("ended", "hangup", "out")
    assert PASSWORD not in str(stage.told)
    await stage.finish()


@pytest.mark.scenario(14)
@virtual
async def test_without_waiting_the_app_hears_of_progress_and_of_the_answer_as_events() -> None:
    stage = PlacingStage()
    device = await stage.device()
    placed = await stage.place(device, wait=False)
    assert placed.sdp_answer == ""
    assert (await stage.status(placed.call_token)).status == "pending"
    ringing = await stage.event("call.progress")
    assert (ringing.call_token, ringing.data["sip_status"]) == (placed.call_token, 180)
    assert (await stage.status(placed.call_token)).state == "ringing"
    answered = await stage.event("call.answered")
    assert answered.data["sdp_answer"].encode() == stage.pbx.body
    await stage.pbx.until("acknowledged")
    stage.pbx.dialogue.hang_up()
    ended = await stage.event("call.ended")
    assert ended.data["reason"] == "bye_from_remote"
    await stage.finish()


@pytest.mark.scenario(14)
@pytest.mark.parametrize(("status", "http"), [(486, 502), (603, 502), (404, 502), (480, 502)])
@virtual
async def test_what_the_exchange_refuses_is_told_with_its_status(status: int, http: int) -> None:
    stage = PlacingStage()
    device = await stage.device()
    stage.pbx.refuse_with = status
    with pytest.raises(Refused) as refused:
        await stage.place(device)
    problem = refused.value.problem
    assert (problem.code, problem.status, problem.sip_status) == ("call.failed", http, status)
    await stage.finish()


@pytest.mark.scenario(14)
@virtual
async def test_an_app_that_leaves_before_the_answer_cancels_the_call() -> None:
    stage = PlacingStage()
    device = await stage.device()
    stage.pbx.answers = False
    waiting = asyncio.create_task(stage.place(device))
    await stage.pbx.until("invited")
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await stage.until_sent(HOST, "CANCEL")
    await when(lambda: b"487" in b"".join(stage.sent(PBX, "SIP/2.0 487")), within_s=10)
    assert (await stage.event("call.ended")).data["reason"] == "cancelled"
    await stage.finish()


@pytest.mark.scenario(14)
@virtual
async def test_an_answer_in_the_moment_in_which_its_app_leaves_is_hung_up() -> None:
    stage = PlacingStage()
    device = await stage.device()
    stage.pbx.answers = False
    waiting = asyncio.create_task(stage.place(device))
    await stage.pbx.until("invited")
    stage.pbx.incoming.answer(stage.pbx.body)
    await stage.event("call.answered")
    assert not waiting.done(), "who waits is told in the next turn of the loop"
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await stage.pbx.until("ended bye")
    await stage.finish()


@pytest.mark.scenario(14)
@virtual
async def test_an_answer_in_the_last_moment_of_patience_is_one() -> None:
    stage = PlacingStage()
    device = await stage.device()
    stage.pbx.answers = False
    waiting = asyncio.create_task(stage.place(device))
    await stage.pbx.until("invited")
    (party,) = stage.app_calls._parties.values()
    assert isinstance(party, OutgoingCall)
    late = party.outcome(0.5)
    asked = asyncio.create_task(late)
    stage.loop.call_later(0.5, party.settled.set)  # in the same turn of the loop, and before its deadline
    placed = await asked
    assert placed.call_token == party.token
    party.settled.clear()
    waiting.cancel()
    await asyncio.wait([waiting])
    await stage.finish()


@pytest.mark.scenario(14)
@virtual
async def test_nobody_answers_in_time() -> None:
    stage = PlacingStage()
    device = await stage.device()
    stage.pbx.answers = False
    with pytest.raises(Refused) as refused:
        await stage.place(device)
    assert (refused.value.problem.status, refused.value.problem.sip_status) == (504, 408)
    await stage.until_sent(HOST, "CANCEL")
    await stage.finish()


@pytest.mark.scenario(14)
@virtual
async def test_hanging_up_before_the_answer_cancels_too() -> None:
    stage = PlacingStage()
    device = await stage.device()
    stage.pbx.answers = False
    placed = await stage.place(device, wait=False)
    await stage.pbx.until("invited")
    await stage.hang_up(placed.call_token)
    await stage.until_sent(HOST, "CANCEL")
    assert (await stage.status(placed.call_token)).reason == "cancelled"
    await stage.finish()


@pytest.mark.scenario(12)
@virtual
async def test_a_wrong_password_fails_at_once() -> None:
    stage = PlacingStage()
    ask_for_password(stage.pbx, 401, times=10)
    begun = stage.loop.time()
    with pytest.raises(Refused) as refused:
        await stage.place(account=SipAccount("alice", PBX, "wrong"))
    problem = refused.value.problem
    assert (problem.status, problem.detail) == (502, "the account or its password is wrong")
    assert (problem.sip_status, bool(problem.reason)) == (401, True)
    assert stage.loop.time() - begun < 1
    assert len(stage.pbx.invites) == 3, "the challenge, and the answer refused twice"
    await stage.finish()


@pytest.mark.scenario(12)
@virtual
async def test_passwords_cannot_be_guessed_by_calling() -> None:
    stage = PlacingStage()
    statuses = []
    for attempt in range(7):
        ask_for_password(stage.pbx, 401, times=10)
        with pytest.raises(Refused) as refused:
            await stage.place(account=SipAccount("alice", PBX, f"guess-{attempt}"))
        statuses.append(refused.value.problem.status)
    assert statuses == [502] * 5 + [429] * 2
    await stage.finish()


@pytest.mark.scenario(12)
@virtual
async def test_a_device_whose_password_is_known_to_be_wrong_asks_nobody() -> None:
    stage = PlacingStage()
    device = await stage.device(password="wrong")
    with pytest.raises(Refused) as refused:
        await stage.place(device)
    assert refused.value.problem.sip_status == 401
    assert not stage.pbx.invites
    await stage.finish()


@pytest.mark.scenario(14)
@virtual
async def test_credentials_of_a_registered_account_take_its_route_and_others_none() -> None:
    stage = PlacingStage()
    stage.registrar.extra = f"Service-Route: <sip:edge@{PBX};lr>\r\n"
    await stage.device()
    placed = await stage.place(account=CREDENTIALS)
    assert stage.pbx.invites[-1].headers["Route"] == f"<sip:edge@{PBX};lr>"
    await stage.hang_up(placed.call_token)
    other = await stage.place(account=SipAccount("bob", PBX, "b"))
    assert "Route" not in stage.pbx.invites[-1].headers
    assert stage.pbx.invites[-1].headers["From"].startswith(f"<sip:bob@{PBX}>")
    await stage.hang_up(other.call_token)
    await stage.finish()


@pytest.mark.scenario(14)
@pytest.mark.rfc("7315", "4.1")
@virtual
async def test_an_account_calls_as_whom_its_registrar_says_that_it_is() -> None:
    stage = PlacingStage()
    stage.registrar.extra = f"P-Associated-URI: <sip:+4930123@{PBX}>, <tel:+4930123>\r\n"
    device = await stage.device()
    placed = await stage.place(device)
    assert stage.pbx.invites[-1].headers["From"].startswith(f"<sip:+4930123@{PBX}>;tag=")
    await stage.hang_up(placed.call_token)
    await stage.finish()


@virtual
async def test_calls_go_through_the_accounts_own_registrar_whatever_is_dialled() -> None:
    stage = PlacingStage()
    elsewhere = Party(stage.network, "10.7.7.7")
    stage.hosts["friend.test"] = ["10.7.7.7"]
    device = await stage.device()
    placed = await stage.place(device, "sip:carol@friend.test;maddr=10.7.7.7")
    assert stage.pbx.invites[-1].uri == "sip:carol@friend.test"
    assert not elsewhere.invites
    await stage.hang_up(placed.call_token)
    await stage.finish()


@pytest.mark.scenario(15)
@pytest.mark.parametrize(
    ("destination", "code"),
    [
        ("sip:+900123@evil.test", "account.domain"),
        ("100@evil.test", "account.domain"),
        ("sip:100@pbx\r\nX-Evil: 1", "call.destination"),
        ("sip:100@10.0.1.1?X-Evil=1", "call.destination"),
        ("<sip:100@10.0.1.1>", "call.destination"),
        ("http://10.0.1.1", "call.destination"),
        ("sips:100@10.0.1.1", "call.destination"),
        ("", "call.destination"),
        ("1" * 400, "call.destination"),
    ],
)
@virtual
async def test_what_must_not_be_called_is_refused(destination: str, code: str) -> None:
    stage = PlacingStage()
    device = await stage.device()
    with pytest.raises(Refused) as refused:
        await stage.place(device, destination)
    assert (refused.value.problem.code, refused.value.problem.status) == (code, 422)
    assert not stage.pbx.invites
    await stage.finish()


@pytest.mark.parametrize("destination", ["100", "sip:100", f"100@{PBX}", f"SIP:100@{PBX}:5060", "tel:1-0-0"])
@virtual
async def test_a_destination_may_be_a_number_or_a_uri(destination: str) -> None:
    stage = PlacingStage()
    device = await stage.device()
    placed = await stage.place(device, destination)
    assert stage.pbx.invites[-1].uri == f"sip:100@{PBX}"
    await stage.hang_up(placed.call_token)
    await stage.finish()


@pytest.mark.scenario(15)
@virtual
async def test_a_device_of_somebody_else_is_not_there() -> None:
    stage = PlacingStage()
    device = await stage.device()
    for tenant, owner in ((TENANT, "somebody"), ("t2", OWNER)):
        ask = PlaceCall(owner=owner, destination="100", sdp_offer=OFFER, device_id=device.id)
        with pytest.raises(Refused) as refused:
            await stage.outgoing.place(tenant, ask)
        assert (refused.value.problem.code, refused.value.problem.status) == ("device.unknown", 404)
    await stage.finish()


@virtual
async def test_the_same_key_is_the_same_call() -> None:
    stage = PlacingStage()
    device = await stage.device()
    first, second = await asyncio.gather(stage.place(device, key="k"), stage.place(device, key="k"))
    third = await stage.place(device, key="k")
    assert first == second == third
    assert len(stage.pbx.invites) == 1
    with pytest.raises(Refused) as refused:
        await stage.place(device, "200", key="k")
    assert refused.value.problem.code == "call.key"
    await stage.hang_up(first.call_token)
    other = await stage.place(device, key="another")
    assert len(stage.pbx.invites) == 2
    await stage.hang_up(other.call_token)
    await stage.finish()


@virtual
async def test_a_key_whose_asker_left_can_be_used_again() -> None:
    stage = PlacingStage()
    device = await stage.device()
    stage.pbx.answers = False
    waiting = asyncio.create_task(stage.place(device, key="k"))
    await stage.pbx.until("invited")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    stage.pbx.answers = True
    placed = await stage.place(device, key="k")
    assert placed.sdp_answer
    await stage.hang_up(placed.call_token)
    await stage.finish()


@virtual
async def test_one_owner_places_so_many_calls_at_once_and_no_more() -> None:
    stage = PlacingStage(max_calls=2)
    device = await stage.device()
    stage.pbx.answers = False
    placed = [await stage.place(device, wait=False) for _ in range(2)]
    with pytest.raises(Refused) as refused:
        await stage.place(device, wait=False)
    assert (refused.value.problem.code, refused.value.problem.status) == ("call.limit", 429)
    for one in placed:
        await stage.hang_up(one.call_token)
    stage.pbx.answers = True
    again = await stage.place(device)
    await stage.hang_up(again.call_token)
    await stage.finish()


@pytest.mark.parametrize("offer", ["", "nonsense", "v=0\r\n", "x" * 70_000])
@virtual
async def test_an_offer_that_cannot_be_used_is_refused(offer: str) -> None:
    stage = PlacingStage()
    device = await stage.device()
    with pytest.raises(Refused) as refused:
        await stage.place(device, sdp_offer=offer)
    assert (refused.value.problem.code, refused.value.problem.status) == ("call.sdp", 422)
    again = await stage.place(device)
    await stage.hang_up(again.call_token)
    await stage.finish()


@virtual
async def test_an_extension_of_ours_calls_as_its_phones_do() -> None:
    stage = PlacingStage()
    stage.extension("1002", f"sip:1002@{PBX}")
    device = await stage.device(username="1001", domain="own.test", password="own password")
    placed = await stage.place(device, "1002")
    assert "198.51.100.9" in placed.sdp_answer, "media is relayed"
    assert '"Anna" <sip:1001@own.test>' in stage.pbx.invites[-1].headers["From"]
    await stage.hang_up(placed.call_token)
    with pytest.raises(Refused) as refused:
        await stage.place(account=SipAccount("1001", "own.test", "guess"))
    assert refused.value.problem.status == 401
    with pytest.raises(Refused) as refused:
        await stage.place(device, "1002@friend.test")
    assert refused.value.problem.code == "account.domain"
    await stage.finish()


@virtual
async def test_kept_calls_that_are_no_more_answer_that_they_are_over() -> None:
    stage = PlacingStage()
    device = await stage.device()
    stage.pbx.answers = False
    placed = await stage.place(device, wait=False)
    rows = list(stage.kept.rows.values())
    assert [row.state for row in rows] == ["out_dialling"]
    again = PlacingStage()
    again.outgoing.load(rows)
    assert again.outgoing.side(rows[0].leg) is not None
    again.outgoing.resume([])
    row = await again.status(placed.call_token)
    assert (row.status, row.reason) == ("ended", "restarted")
    await stage.hang_up(placed.call_token)
    await stage.finish()


@pytest.mark.scenario(11)
@virtual
async def test_a_call_that_is_up_outlives_a_crash_and_its_token_still_hangs_up() -> None:
    stage = PlacingStage()
    device = await stage.device()
    keeping = Keeping(stage)
    placed = await stage.place(device)
    await stage.pbx.until("acknowledged")
    await keeping.after(3)
    rows = dict(stage.kept.rows)

    def side(leg: str, _data: Mapping[str, Any]) -> AppSide | None:
        newest = PlacingStage.newest
        if not newest.kept.rows:
            newest.kept.rows = dict(rows)
            newest.outgoing.load(rows.values())
        return newest.outgoing.side(leg)

    after = await keeping.crash(sides=side)
    new = PlacingStage.newest
    assert after.stage is new
    new.outgoing.resume(new.calls.active.values())
    assert (await new.status(placed.call_token)).status == "active"
    await new.hang_up(placed.call_token)
    await stage.pbx.until("ended bye")
    assert (await new.status(placed.call_token)).reason == "hangup"
    assert [row.state for row in new.kept.rows.values()] == ["out_ended"]
