"""What meets a transfer, a takeover or a pickup under way: parties that leave, changes of those who stand aside."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.crash import Keeping
from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides, talking
from tests.link.test_attended_transfers import TwoCalls, consulted, ways
from tests.link.test_pickup import replaces
from tests.link.transferring import refer, relays, three, until_told
from tests.link.virtual_time import virtual
from trunkline.call.referrals import MAX_LEGS
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.sessions.update import send_update

pytestmark = pytest.mark.rule("T-37")


def first_two(stage: Stage, side: str) -> tuple[Party, Party]:
    """Alice and Bob, who talk; the party of the side comes first."""
    alice, bob = stage.parties[:2]
    return (alice, bob) if side == "caller" else (bob, alice)


@ways
@consulted
@pytest.mark.parametrize("how", ["refused", "one leaves", "two leaves"])
@virtual
async def test_who_is_left_alone_by_a_failed_attended_transfer_is_hung_up(
    first: str, second: str, how: str
) -> None:
    calls = TwoCalls()
    await calls.connect(first, second)
    calls.one.offer_answer = calls.two.offer_answer = None
    assert await calls.join() == 200
    calls.first.hang_up()
    calls.second.hang_up()
    await asyncio.sleep(1)
    if how == "refused":
        for party in (calls.one, calls.two):
            party.offer_answer = 488
            party.dialogue.reoffer.refuse(488)
    else:
        (calls.one if how == "one leaves" else calls.two).dialogue.hang_up()
    await asyncio.sleep(40)
    assert calls.one.dialogue.ended
    assert calls.two.dialogue.ended
    await calls.stage.settle()


@both_sides
@virtual
async def test_who_is_left_alone_by_a_failed_takeover_is_hung_up(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = first_two(stage, side)
    second = stage.party("1001" if side == "caller" else "1002")
    second.account = one.account
    other.offer_answer = None
    stage.dial(second, "9196", extra=replaces(one))
    await other.until("offered")
    one.dialogue.hang_up()
    await asyncio.sleep(1)
    assert not other.dialogue.ended
    other.dialogue.reoffer.refuse(488)
    await second.until("failed 488")
    await other.until("ended bye", 40)
    await stage.settle()


@both_sides
@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_a_change_of_a_transferor_that_is_out_already_touches_nobody(side: str) -> None:
    stage, _alice, _bob, carol = await three()
    one, other = first_two(stage, side)
    keeps = one.on_request

    def silent(session, incoming: Incoming) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        if incoming.request.method == "NOTIFY" and b" 200 " in incoming.request.body:
            one.requests.append(incoming.request)  # it does not answer the last word
        else:
            keeps(session, incoming)

    one.on_request = silent  # type: ignore[method-assign]
    await refer(one, "1003")
    await until_told(one, "200 terminated")
    assert relays(stage, other, carol)
    heard = len(other.heard), len(carol.heard)
    status, _ = await one.reoffer(describe(one.host, "a=sendonly", version=3))
    assert status in {488, 491}
    assert (len(other.heard), len(carol.heard)) == heard
    assert relays(stage, other, carol)
    assert not stage.is_held()
    other.dialogue.hang_up()
    await carol.until("ended bye")
    await stage.settle()


@both_sides
@pytest.mark.rule("T-12")
@pytest.mark.rfc("3311", "5.2")
@virtual
async def test_a_change_of_who_rings_by_a_transfer_reaches_nobody_who_talks(side: str) -> None:
    stage, alice, bob, carol = await three()
    one, other = first_two(stage, side)
    carol.endpoint.reliable_provisionals = "supported"
    carol.on_invite = lambda session: session.progress(183, carol.body)
    await refer(one, "1003")
    await carol.until("invited")
    await asyncio.sleep(1)
    heard = len(alice.heard), len(bob.heard)
    outcome: list[int] = []
    send_update(carol.dialogue, describe(carol.host, version=2), lambda status, _r: outcome.append(status))
    await asyncio.sleep(3)
    assert outcome
    assert outcome[0] >= 400
    assert (len(alice.heard), len(bob.heard)) == heard
    assert relays(stage, alice, bob)
    carol.incoming.answer(b"")
    await until_told(one, "200 terminated")
    await asyncio.sleep(1)
    assert relays(stage, other, carol)
    other.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rfc("3261", "13.2.2.4")
@pytest.mark.parametrize("moment_s", [0.02 * step for step in range(12)])
@virtual
async def test_an_offer_for_a_newcomer_that_left_is_acknowledged_all_the_same(
    side: str, moment_s: float
) -> None:
    stage = Stage(media_delay_s=0.05)
    await talking(stage)
    one, other = first_two(stage, side)
    second = stage.party("1001" if side == "caller" else "1002")
    second.account = one.account
    stage.dial(second, "9196", b"", extra=replaces(one))
    await other.until("offered")
    await asyncio.sleep(moment_s)
    second.dialogue.hang_up()
    await asyncio.sleep(3)
    left = other if not other.dialogue.ended else one
    if not left.dialogue.ended and "call.taken_over" not in [
        step.code for step in stage.calls.all[0].story.steps
    ]:
        status, _ = await other.reoffer(describe(other.host, version=7))
        assert status == 200
        status, _ = await one.reoffer(describe(one.host, version=7))
        assert status == 200
        one.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_what_the_newcomer_sends_before_it_is_in_goes_to_nobody() -> None:
    stage, alice, bob, carol = await three()
    bob.offer_answer = None  # who stays has not agreed yet
    carol.on_invite = lambda session: session.answer(carol.body)
    await refer(alice, "1003")
    await bob.until("offered")
    await carol.until("acknowledged")
    said = len(alice.requests), len(bob.requests)
    response = await carol.dialogue.request(
        "INFO", body=b"Signal=1\r\n", content_type="application/dtmf-relay"
    )
    assert (len(alice.requests), len(bob.requests)) == said
    assert response.status >= 200
    status, _ = await carol.reoffer(describe(carol.host, "a=sendonly", version=2))
    assert status in {488, 491}
    assert not stage.is_held()
    bob.dialogue.reoffer.answer(describe(bob.host, version=2))
    await until_told(alice, "200 terminated")
    assert relays(stage, bob, carol)
    bob.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "UPDATE"])
@pytest.mark.rfc("5057", "4.2")
@virtual
async def test_what_comes_for_the_call_after_its_end_finds_only_the_subscription(method: str) -> None:
    stage, alice, bob, carol = await three()
    carol.answers = False
    await refer(alice, "1003")
    await carol.until("invited")
    dialog = alice.dialogue.dialog
    assert dialog is not None
    alice.dialogue.hang_up()
    await asyncio.sleep(1)
    contact = alice.dialogue.contact
    body = describe(alice.host) if method == "INVITE" else b""
    draft = dialog.request(method, contact=contact, body=body)
    alice.node.flow_to("UDP", HOST, 5060).send(draft.render("SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKlate"))
    await stage.until_sent(HOST, "SIP/2.0 481")
    carol.incoming.answer(carol.body)
    await carol.until("acknowledged")
    await asyncio.sleep(1)
    assert relays(stage, bob, carol)
    bob.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_call_is_not_handed_on_without_end() -> None:
    stage, alice, bob, carol = await three()
    carol.refuse_with = 486
    (call,) = stage.calls.active.values()
    while (response := await refer(alice, "1003")).status == 200:
        await until_told(alice, "486 terminated")
        alice.requests.clear()
    assert response.status == 603
    assert len(call.legs) == MAX_LEGS
    second = stage.party("1001")
    second.account = alice.account
    stage.dial(second, "9196", extra=replaces(alice))
    await second.until("failed 603")
    assert relays(stage, alice, bob)
    alice.dialogue.hang_up()
    await stage.settle()
    assert len(stage.records) == MAX_LEGS + 1, "and that of the attempt to take over"


@virtual
async def test_pickups_of_a_ringing_call_that_come_to_nothing_have_an_end() -> None:
    stage = Stage(ring_timeout_s=3000)
    alice, bob, carol = stage.party(), stage.party(), stage.party()
    bob.answers = False
    carol.offer_answer = 488
    stage.dial(alice, "1002")
    await alice.until("180")
    for _ in range(MAX_LEGS):
        carol.said.clear()
        stage.dial(carol, "**1002")
        while not any(word.startswith(("ended", "failed")) for word in carol.said):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
        if "failed 603" in carol.said:
            break
    assert "failed 603" in carol.said
    assert all(len(call.legs) <= MAX_LEGS for call in stage.calls.all)
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("side", ["caller", "callee"])
@virtual
async def test_transfers_and_takeovers_that_fail_keep_no_media_ports(side: str) -> None:
    stage, _alice, _bob, carol = await three()
    one, other = first_two(stage, side)
    before = set(stage.engine.owners)
    carol.refuse_with = 486
    await refer(one, "1003")
    await until_told(one, "486 terminated")
    assert set(stage.engine.owners) == before
    second = stage.party("1001" if side == "caller" else "1002")
    second.account = one.account
    other.offer_answer = None
    stage.dial(second, "9196", extra=replaces(one))
    await other.until("offered")
    second.dialogue.hang_up()
    await second.until("failed 487")
    other.dialogue.reoffer.refuse(488)
    await asyncio.sleep(1)
    assert set(stage.engine.owners) == before
    other.dialogue.hang_up()
    await stage.settle()


@ways
@pytest.mark.rfc("3515", "2.4.6")
@virtual
async def test_a_party_that_moved_to_another_call_still_names_its_second_refer(first: str) -> None:
    calls = TwoCalls()
    await calls.connect(first, "made")
    one, busy = calls.one, calls.stage.party()
    busy.refuse_with = 486
    for party in (one, calls.two):
        await refer(party, "1004")
        await until_told(party, "486 terminated")
        assert party.requests[-1].headers["Event"] == "refer"
        party.requests.clear()
    assert await calls.join() == 200
    await until_told(calls.middle, "200 terminated")
    await asyncio.sleep(1)
    for party in (one, calls.two):
        await refer(party, "1004")
        await until_told(party, "486 terminated")
        assert party.requests[-1].headers["Event"].startswith("refer;id=")
    await calls.over()


@pytest.mark.rfc("3515", "2.4.6")
@virtual
async def test_the_second_refer_of_a_dialog_is_named_after_a_crash_too() -> None:
    stage, alice, _bob, carol = await three()
    carol.refuse_with = 486
    await refer(alice, "1003")
    await until_told(alice, "486 terminated")
    keeping = Keeping(stage)
    await keeping.after(5)
    keeping = await keeping.crash()
    alice.requests.clear()
    await refer(alice, "1003")
    await until_told(alice, "486 terminated")
    assert alice.requests[-1].headers["Event"].startswith("refer;id=")
    alice.dialogue.hang_up()
    await keeping.stage.settle()


@both_sides
@pytest.mark.rule("T-21")
@virtual
async def test_who_was_told_of_a_party_that_left_at_once_is_told_again_whom_it_talks_to(side: str) -> None:
    stage, alice, bob, carol = await three()
    one, other = first_two(stage, side)
    other.offer_answer = None
    carol.body = describe(carol.host).replace(b"AVP 0 8 101", b"AVP 8 101")
    await refer(one, "1003")
    await other.until("offered")
    assert b"AVP 8 101" in other.heard[-1]
    carol.dialogue.hang_up()
    await asyncio.sleep(0.5)
    answer = describe(other.host, version=2).replace(b"AVP 0 8 101", b"AVP 8 101")
    other.offer_answer = describe(other.host, version=3)
    other.dialogue.reoffer.answer(answer)
    await until_told(one, "480 terminated")
    assert b"AVP 0 8 101" in other.heard[-1]
    assert relays(stage, alice, bob)
    one.dialogue.hang_up()
    await other.until("ended bye")
    await stage.settle()


@pytest.mark.parametrize("moment_s", [0.0, 0.02, 0.05, 0.1, 0.3])
@virtual
async def test_calls_that_the_exchange_ends_while_they_are_joined_end_for_all(moment_s: float) -> None:
    calls = TwoCalls(Stage(media_delay_s=0.01))
    await calls.connect("received", "made")
    joining = asyncio.ensure_future(calls.join())
    await asyncio.sleep(moment_s)
    for call in list(calls.stage.calls.active.values()):
        call.hang_up()
    await asyncio.sleep(60)
    assert all(session.ended for session in (calls.first, calls.second))
    assert calls.one.dialogue.ended
    assert calls.two.dialogue.ended
    assert joining.done()
    await calls.stage.settle()
