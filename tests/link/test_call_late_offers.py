"""Calls whose INVITE carries no offer: the callee offers, the caller's ACK answers."""

from __future__ import annotations

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.talking import port_of
from tests.link.virtual_time import virtual
from trunkline.ua.sessions import ClientSession, Session

pytestmark = pytest.mark.rule("T-19")


def caller_of(party: Party) -> ClientSession:
    assert isinstance(party.session, ClientSession)
    return party.session


def answering(party: Party, answer: bytes) -> None:
    """Let a party acknowledge an offer in a 2xx at once with its answer."""
    tell = party.on_answered

    def on_answered(session: Session, response: object) -> None:
        tell(session, response)  # type: ignore[arg-type]
        caller_of(party).acknowledge(answer)

    party.on_answered = on_answered  # type: ignore[method-assign]


@pytest.mark.rfc("3261", "13.2.1")
@virtual
async def test_the_callee_offers_and_the_callers_ack_answers() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    answering(alice, describe(alice.host, "a=ptime:30"))
    stage.dial(alice, "1002", b"")
    await bob.until("acknowledged")
    assert bob.heard[0] == b""
    assert b"a=ptime:30" in bob.heard[1]
    assert stage.engine.relays(port_of(alice.heard[-1]), port_of(bob.heard[1]))
    assert len(stage.sent(HOST, "ACK", bob.host)) == 1
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(200, "call.hangup", "caller")]


@virtual
async def test_the_callees_answer_is_acknowledged_only_when_the_callers_is() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", b"")
    await alice.until("answered")
    assert not stage.sent(HOST, "ACK", bob.host)
    caller_of(alice).acknowledge(alice.body)
    await bob.until("acknowledged")
    bob.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_caller_who_never_acknowledges_the_offer_loses_the_call() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", b"")
    await alice.until("ended bye")
    await bob.until("ended no-ack")
    await stage.settle()
    assert stage.outcome("in")[0][:2] in {(200, "call.no_ack"), (200, "call.hangup")}


@pytest.mark.parametrize("answer", [b"", b"nonsense", describe("10.0.0.1", count=2)])
@virtual
async def test_an_ack_without_a_usable_answer_ends_the_call_for_both(answer: bytes) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    answering(alice, answer)
    stage.dial(alice, "1002", b"")
    await alice.until("ended bye")
    await bob.until("ended bye")
    assert "acknowledged" in bob.said
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(200, "call.bad_answer", "exchange")]


@pytest.mark.parametrize("offer", [b"", b"nonsense"])
@virtual
async def test_a_callee_without_a_usable_offer_fails_the_call(offer: bytes) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.body = offer
    stage.dial(alice, "1002", b"")
    await alice.until("failed 502")
    await bob.until("ended bye")
    assert "acknowledged" in bob.said
    await stage.settle()
    assert stage.outcome("in") == [(502, "call.bad_answer", "exchange")]
    assert stage.outcome("out") == [(200, "call.bad_answer", "exchange")]


@virtual
async def test_a_caller_without_offer_may_give_up() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.dial(alice, "1002", b"")
    await alice.until("180")
    alice.dialogue.hang_up()
    await bob.until("cancelled")
    await stage.settle()


@virtual
async def test_early_media_waits_for_the_offer() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.on_invite = lambda session: session.progress(183, bob.body)
    stage.dial(alice, "1002", b"")
    await alice.until("183")
    assert not alice.heard
    alice.dialogue.hang_up()
    await stage.settle()
