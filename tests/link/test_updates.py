"""UPDATE (RFC 3311) within one dialog, early and confirmed, and what happens when offers cross."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party, describe
from tests.link.reliable import BOB, SUPPORTED, pair, sent, settle
from tests.link.virtual_time import virtual
from trunkline.proto.sip.message import Response
from trunkline.ua.sessions.update import send_update

pytestmark = pytest.mark.rule("T-17")


async def early() -> tuple[Party, Party]:
    """A call that rings, its first offer and answer through."""
    network, alice, bob = pair()
    network.drop = lambda _data, _src, _dst: False
    alice.call(BOB, extra=SUPPORTED)
    await bob.until("invited")
    bob.incoming.progress(183, bob.body)
    await alice.until("183")
    await asyncio.sleep(1)
    return alice, bob


async def talking() -> tuple[Party, Party]:
    """A call that is answered."""
    _network, alice, bob = pair()
    bob.on_invite = lambda session: session.answer(bob.body)
    alice.call(BOB)
    await bob.until("acknowledged")
    return alice, bob


class Outcome:
    """What became of an UPDATE."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    def __call__(self, status: int, response: Response | None) -> None:
        self.status = status
        self.body = response.body if response is not None else b""


async def update(party: Party, body: bytes) -> Outcome:
    outcome = Outcome()
    send_update(party.dialogue, body, outcome)
    await asyncio.sleep(1)
    return outcome


@pytest.mark.rfc("3311", "5.1")
@pytest.mark.rfc("3311", "5.2")
@pytest.mark.parametrize("by_caller", [True, False])
@virtual
async def test_an_early_session_is_changed_by_update(*, by_caller: bool) -> None:
    alice, bob = await early()
    one, other = (alice, bob) if by_caller else (bob, alice)
    outcome = await update(one, describe(one.host, version=2))
    assert (outcome.status, outcome.body) == (200, other.offer_answer)
    assert "offered" in other.said
    bob.incoming.answer(b"")
    await bob.until("acknowledged")
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3311", "5.2")
@virtual
async def test_an_update_in_a_confirmed_session_needs_no_ack() -> None:
    alice, bob = await talking()
    outcome = await update(alice, describe(alice.host, version=2))
    assert (outcome.status, outcome.body) == (200, bob.offer_answer)
    assert len(sent(bob.network, alice.host, "ACK")) == 1
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3311", "5.2")
@pytest.mark.rule("T-15")
@virtual
async def test_an_update_without_description_moves_the_target_and_asks_nobody() -> None:
    alice, bob = await talking()
    response = await alice.dialogue.request("UPDATE", contact="<sip:moved@10.0.0.1>")
    assert response.status == 200
    assert "Contact" in response.headers
    assert "offered" not in bob.said
    assert bob.dialogue.dialog is not None
    assert bob.dialogue.dialog.target == "sip:moved@10.0.0.1"
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3311", "5.2")
@pytest.mark.rule("T-08")
@virtual
async def test_crossing_updates_get_491() -> None:
    alice, bob = await talking()
    here, there = Outcome(), Outcome()
    send_update(alice.dialogue, describe(alice.host, version=2), here)
    send_update(bob.dialogue, describe(bob.host, version=2), there)
    await asyncio.sleep(1)
    assert (here.status, there.status) == (491, 491)
    assert (await update(alice, describe(alice.host, version=2))).status == 200
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3311", "5.2")
@pytest.mark.rule("T-08")
@virtual
async def test_an_update_that_crosses_a_reinvite_gets_491_and_so_does_that() -> None:
    alice, bob = await talking()
    here, there = Outcome(), Outcome()
    send_update(alice.dialogue, describe(alice.host, version=2), here)
    bob.dialogue.reoffer.send(describe(bob.host, version=2), there)
    await asyncio.sleep(1)
    assert (here.status, there.status) == (491, 491)
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3311", "5.2")
@virtual
async def test_an_offer_while_another_is_unanswered_is_told_to_come_again() -> None:
    alice, bob = await talking()
    bob.offer_answer = None
    first = Outcome()
    send_update(alice.dialogue, describe(alice.host, version=2), first)
    await bob.until("offered")
    body = describe(alice.host, version=3)
    response = await alice.dialogue.request("UPDATE", body=body)
    assert response.status == 500
    assert 0 <= int(response.headers["Retry-After"]) < 10
    bob.dialogue.reoffer.answer(bob.body)
    await asyncio.sleep(1)
    assert first.status == 200
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3311", "5.1")
@virtual
async def test_an_offer_before_the_first_answer_is_not_sent_and_not_taken() -> None:
    _network, alice, bob = pair("never")
    alice.call(BOB)
    await bob.until("invited")
    bob.incoming.progress(183, bob.body)
    await alice.until("183")
    outcome = Outcome()
    send_update(alice.dialogue, alice.body, outcome)
    assert outcome.status == 491
    response = await alice.dialogue.request("UPDATE", body=alice.body)
    assert response.status == 500
    bob.incoming.refuse(486)
    await settle(alice, bob)


@pytest.mark.rfc("3311", "4")
@virtual
async def test_whether_the_peer_takes_updates_is_what_its_allow_says() -> None:
    alice, bob = await talking()
    assert alice.dialogue.takes_update
    assert bob.dialogue.takes_update
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3261", "12.2.1.2")
@virtual
async def test_an_update_that_the_peer_knows_no_dialog_for_ends_the_call() -> None:
    alice, bob = await talking()
    bob.endpoint.sessions.clear()
    outcome = await update(alice, describe(alice.host, version=2))
    assert outcome.status == 481
    assert "ended lost" in alice.said


@pytest.mark.rfc("3311", "5.2")
@virtual
async def test_a_call_that_ends_answers_an_update_that_waits() -> None:
    alice, bob = await talking()
    bob.offer_answer = None
    outcome = Outcome()
    send_update(alice.dialogue, describe(alice.host, version=2), outcome)
    await bob.until("offered")
    bob.dialogue.hang_up()
    await alice.until("ended bye")
    assert outcome.status in {481, 487}
    await settle(alice, bob)
