"""Calls that somebody else takes: pickup of what rings, and taking over what talks (RFC 3891)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import Weather
from tests.link.phones import Party, describe
from tests.link.stage import DOMAIN, HOST, Stage
from tests.link.talking import talking
from tests.link.transferring import relays
from tests.link.virtual_time import virtual
from trunkline.call.fork import ELSEWHERE
from trunkline.proto.sip.dialog_names import DialogName, render_replaces


def replaces(party: Party, *, seen_by: str = "exchange", early_only: bool = False) -> str:
    """The header that names a party's present dialog with the exchange: as the exchange knows it, or as the party."""
    dialog = party.dialogue.dialog
    assert dialog is not None
    name = DialogName(dialog.call_id, dialog.remote_tag, dialog.local_tag, early_only)
    return f"Replaces: {render_replaces(name if seen_by == 'exchange' else name.across)}\r\n"


async def ringing(stage: Stage | None = None) -> tuple[Stage, Party, Party, Party]:
    """Alice calls Bob, whose phone rings; Carol may pick the call up."""
    stage = stage or Stage()
    alice, bob, carol = (stage.party() for _ in range(3))
    bob.answers = False
    stage.dial(alice, "1002")
    await alice.until("180")
    return stage, alice, bob, carol


async def over(stage: Stage, one: Party, other: Party) -> None:
    one.dialogue.hang_up()
    await other.until("ended bye")
    await stage.settle()


@pytest.mark.parametrize("by", ["exchange", "phone", "number"])
@pytest.mark.parametrize("offer", ["early", "late"])
@pytest.mark.parametrize("asked", ["early", "late"])
@pytest.mark.rule("T-37")
@pytest.mark.rule("T-38")
@pytest.mark.rfc("3891", "3")
@pytest.mark.rfc("3326", "2")
@virtual
async def test_who_picks_a_ringing_call_up_talks_to_its_caller(by: str, offer: str, asked: str) -> None:
    stage = Stage()
    alice, bob, carol = (stage.party() for _ in range(3))
    bob.answers = False
    stage.dial(alice, "1002", alice.body if asked == "early" else b"")
    await alice.until("180")
    body = carol.body if offer == "early" else b""
    if by == "number":
        stage.dial(carol, "**1002", body)
    else:
        stage.dial(carol, "1002", body, extra=replaces(bob, seen_by=by) + "Require: replaces\r\n")
    await carol.until("answered")
    if not body:
        carol.session.acknowledge(describe(carol.host))  # type: ignore[union-attr]
    await alice.until("answered")
    if asked == "late":
        alice.session.acknowledge(describe(alice.host))  # type: ignore[union-attr]
    await bob.until("cancelled")
    assert bob.reasons == [ELSEWHERE]
    await asyncio.sleep(3)
    assert relays(stage, alice, carol)
    assert [stage.calls.load("t1", number) for number in ("1001", "1002", "1003")] == [1, 0, 1]
    await over(stage, alice, carol)
    assert len(stage.over) == 1
    assert "call.picked_up" in stage.story
    (taken,) = (record for record in stage.records if record.answered_at and record.direction == "out")
    assert carol.host in taken.target


@pytest.mark.rule("T-37")
@virtual
async def test_a_call_that_is_answered_meanwhile_is_not_picked_up() -> None:
    stage, alice, bob, carol = await ringing()
    carol.offer_answer = None
    stage.dial(carol, "**1002")
    await carol.until("offered")
    bob.incoming.answer(bob.body)
    await alice.until("answered")
    carol.dialogue.reoffer.answer(describe(carol.host, version=2))
    await carol.until("ended bye")
    assert carol.reasons[-1] == ELSEWHERE
    await alice.until("answered")
    await asyncio.sleep(1)
    assert relays(stage, alice, bob)
    await over(stage, alice, bob)


@pytest.mark.rule("T-37")
@virtual
async def test_a_caller_that_gives_up_meanwhile_takes_the_newcomer_along() -> None:
    stage, alice, bob, carol = await ringing()
    carol.offer_answer = None
    stage.dial(carol, "**1002")
    await carol.until("offered")
    alice.dialogue.hang_up()
    await carol.until("ended bye")
    await bob.until("cancelled")
    await stage.settle()


@pytest.mark.parametrize("leaves", ["cancel", "bye"])
@pytest.mark.rule("T-37")
@virtual
async def test_a_newcomer_that_leaves_meanwhile_leaves_the_call_ringing(leaves: str) -> None:
    stage = Stage(media_delay_s=0.2)
    stage, alice, bob, carol = await ringing(stage)
    stage.dial(carol, "**1002")
    if leaves == "bye":
        carol.offer_answer = None
        await carol.until("offered")
    else:
        await stage.until_sent(HOST, "SIP/2.0 100", 1)
        await asyncio.sleep(0.05)
    carol.dialogue.hang_up()
    await asyncio.sleep(5)
    assert "cancelled" not in bob.said
    bob.incoming.answer(bob.body)
    await alice.until("answered")
    await asyncio.sleep(2)
    assert relays(stage, alice, bob)
    await over(stage, alice, bob)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3264", "6")
@virtual
async def test_a_newcomer_that_cannot_be_understood_leaves_the_call_ringing() -> None:
    stage, alice, bob, carol = await ringing()
    carol.offer_answer = 488
    stage.dial(carol, "**1002")
    await carol.until("ended bye")
    bob.incoming.answer(bob.body)
    await alice.until("answered")
    await over(stage, alice, bob)


@pytest.mark.rule("T-37")
@virtual
async def test_nothing_rings_there() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    carol = stage.party()
    stage.dial(carol, "**1002")
    await carol.until("failed 480")
    await over(stage, alice, bob)


@pytest.mark.parametrize("how", ["number", "replaces"])
@pytest.mark.rule("T-37")
@virtual
async def test_where_pickup_is_not_allowed_only_its_own_calls_are_picked_up(how: str) -> None:
    stage, alice, bob, carol = await ringing()
    stage.door.picking_up.allowed = lambda: False
    if how == "number":
        stage.dial(carol, "**1002")
    else:
        stage.dial(carol, "1002", extra=replaces(bob))
    await carol.until("failed 403")
    bob.incoming.answer(bob.body)
    await alice.until("answered")
    await over(stage, alice, bob)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Replaces: nobody@here;to-tag=a;from-tag=b\r\n", 481),
        ("Replaces: nobody@here;to-tag=a\r\n", 400),
        ("Replaces: nobody@here;from-tag=b;to-tag\r\n", 400),
        ("Replaces: a@b;to-tag=a;from-tag=b\r\nReplaces: c@d;to-tag=a;from-tag=b\r\n", 400),
        ("Replaces: a@b;to-tag=a;from-tag=b\r\nJoin: a@b;to-tag=a;from-tag=b\r\n", 400),
    ],
)
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_a_replaces_that_names_nothing_is_refused(header: str, status: int) -> None:
    stage = Stage()
    alice, _bob = stage.party(), stage.party()
    stage.dial(alice, "1002", extra=header)
    await alice.until(f"failed {status}")
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_the_callers_own_early_dialog_cannot_be_replaced() -> None:
    stage, alice, bob, carol = await ringing()
    stage.dial(carol, "1002", extra=replaces(alice))
    await carol.until("failed 481")
    bob.incoming.answer(bob.body)
    await alice.until("answered")
    await over(stage, alice, bob)


@pytest.mark.parametrize("offer", ["early", "late"])
@pytest.mark.parametrize("side", ["caller", "callee"])
@pytest.mark.rule("T-37")
@pytest.mark.rule("T-34")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_a_party_goes_on_with_another_phone_of_its_own(side: str, offer: str) -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    second = stage.party("1001" if side == "caller" else "1002")
    second.account = one.account
    body = second.body if offer == "early" else b""
    stage.dial(second, "9196", body, extra=replaces(one))
    await second.until("answered")
    if not body:
        second.session.acknowledge(describe(second.host))  # type: ignore[union-attr]
    await one.until("ended bye")
    assert one.reasons[-1] == ELSEWHERE
    await asyncio.sleep(1)
    assert relays(stage, second, other)
    assert len(stage.calls.active) == 1
    number = "1001" if side == "caller" else "1002"
    assert f"<sip:{number}@{DOMAIN}>".encode() in stage.sent(HOST, "INVITE", other.host)[-1]
    await over(stage, second, other)
    assert len(stage.over) == 1
    assert sorted(record.code for record in stage.records) == ["call.hangup", "call.hangup", "call.replaced"]


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_nobody_else_takes_a_call_over_that_talks() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    carol = stage.party()
    stage.dial(carol, "1002", extra=replaces(bob))
    await carol.until("failed 403")
    await asyncio.sleep(1)
    assert relays(stage, alice, bob)
    await over(stage, alice, bob)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "6.1")
@virtual
async def test_early_only_does_not_take_a_call_that_talks() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    second = stage.party("1002")
    second.account = bob.account
    stage.dial(second, "1002", extra=replaces(bob, early_only=True))
    await second.until("failed 486")
    await over(stage, alice, bob)


@pytest.mark.rule("T-37")
@virtual
async def test_a_phone_that_is_not_understood_leaves_the_call_with_the_first() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    second = stage.party("1002")
    second.account = bob.account
    alice.offer_answer = 488
    stage.dial(second, "1001", extra=replaces(bob))
    await second.until("failed 488")
    assert relays(stage, alice, bob)
    await over(stage, alice, bob)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_a_dialog_that_is_being_ended_is_declined() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    second = stage.party("1002")
    second.account = bob.account
    header = replaces(bob)
    bob.endpoint.sessions.clear()  # it answers nothing any more, so that our BYE to it goes on
    bob.node.receive = None
    alice.dialogue.hang_up()
    await alice.until("ended hangup")
    stage.dial(second, "1001", extra=header)
    await second.until("failed 603")
    bob.session = None
    await stage.settle()


@pytest.mark.rule("T-40")
@pytest.mark.rfc("3891", "6.2")
@virtual
async def test_we_say_that_we_support_it() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    (invite,) = stage.sent(HOST, "INVITE", bob.host)
    for tag in (b"replaces", b"norefersub", b"tdialog"):
        assert tag in next(line for line in invite.split(b"\r\n") if line.startswith(b"Supported:"))
    assert b"REFER" in next(line for line in invite.split(b"\r\n") if line.startswith(b"Allow:"))
    await over(stage, alice, bob)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.rule("T-37")
@virtual
async def test_a_call_is_picked_up_through_loss_doubling_and_disorder(seed: int) -> None:
    stage = Stage(Weather(loss=0.15, duplicate=0.1, late=0.1), seed)
    alice, bob, carol = (stage.party() for _ in range(3))
    bob.answers = False
    stage.dial(alice, "1002")
    await bob.until("invited")
    await asyncio.sleep(2)
    stage.dial(carol, "**1002")
    await carol.until("answered")
    await alice.until("answered")
    await asyncio.sleep(60)
    assert bob.dialogue.ended
    assert relays(stage, alice, carol)
    alice.dialogue.hang_up()
    await asyncio.sleep(120)
    assert carol.dialogue.ended
    await stage.settle()
