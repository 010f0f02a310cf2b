"""Calls whose INVITE carries no offer: the callee offers, the caller's ACK answers."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.talking import port_of, version_of
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
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


def in_need_of_an_offer(stage: Stage) -> tuple[Party, Party]:
    """A caller without offer, and a callee that takes no INVITE like that."""
    alice, bob = stage.party(), stage.party()
    stage.contacts["1002"] = [Target(f"sip:1002@{bob.host}", needs_offer=True)]
    return alice, bob


@pytest.mark.rfc("3261", "13.2.1")
@virtual
async def test_a_callee_that_needs_an_offer_gets_ours_and_its_answer_is_the_callers_offer() -> None:
    stage = Stage()
    alice, bob = in_need_of_an_offer(stage)
    bob.body = describe(bob.host, "a=ptime:20")
    answering(alice, describe(alice.host))
    stage.dial(alice, "1002", b"")
    await bob.until("acknowledged")
    await alice.until("answered")
    await asyncio.sleep(1)
    ours = bob.heard[0]
    assert b"RTP/AVP 9 8 0 101\r\n" in ours
    assert b"a=rtpmap:101 telephone-event/8000\r\n" in ours
    assert b"a=ptime:20" in alice.heard[-1]
    assert stage.engine.relays(port_of(alice.heard[-1]), port_of(ours))
    assert {remote.address for remote in stage.engine.remotes.values()} == {alice.host, bob.host}
    assert bob.said == ["invited", "acknowledged"], "the caller takes all of it: nothing is left to be said"
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(200, "call.hangup", "caller")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"RTP/AVP 0 8 101", b"RTP/AVP 8 101"),
        (b"101", b"96"),
        (b"a=rtpmap:101 telephone-event/8000", b"a=rtpmap:101 telephone-event/8000\r\na=inactive"),
    ],
)
@pytest.mark.rfc("3264", "6.1")
@virtual
async def test_a_callee_is_told_what_the_caller_made_of_its_answer(old: bytes, new: bytes) -> None:
    stage = Stage()
    alice, bob = in_need_of_an_offer(stage)
    answer = describe(alice.host).replace(old, new)
    bob.offer_answer = describe(bob.host, version=2, port=4400).replace(old, new)
    answering(alice, answer)
    stage.dial(alice, "1002", b"")
    await bob.until("offered")
    await asyncio.sleep(1)
    again = bob.heard[-1]
    assert new in again
    assert version_of(again) == version_of(bob.heard[0]) + 1
    assert port_of(again) == port_of(bob.heard[0])
    assert {remote.rtp_port for remote in stage.engine.remotes.values()} == {4000, 4400}
    bob.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "callee")]


@virtual
async def test_a_callee_that_keeps_to_its_first_answer_keeps_the_call() -> None:
    stage = Stage()
    alice, bob = in_need_of_an_offer(stage)
    bob.offer_answer = 488
    answering(alice, describe(alice.host).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 8 101"))
    stage.dial(alice, "1002", b"")
    await bob.until("offered")
    await asyncio.sleep(1)
    assert stage.engine.links
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]
    assert "call.change_refused" in stage.story


@virtual
async def test_a_callee_whose_second_answer_makes_no_sense_loses_the_call() -> None:
    stage = Stage()
    alice, bob = in_need_of_an_offer(stage)
    bob.offer_answer = describe(bob.host, count=2)
    answering(alice, describe(alice.host).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 8 101"))
    stage.dial(alice, "1002", b"")
    await alice.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.bad_answer", "exchange")]


@pytest.mark.parametrize("answer", [b"", b"nonsense", describe("10.0.0.2", count=2)])
@virtual
async def test_an_answer_that_does_not_fit_our_own_offer_fails_the_call(answer: bytes) -> None:
    stage = Stage()
    alice, bob = in_need_of_an_offer(stage)
    bob.body = answer
    stage.dial(alice, "1002", b"")
    await alice.until("failed 502")
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(502, "call.bad_answer", "exchange")]


@virtual
async def test_a_caller_who_answers_nothing_to_a_callees_answer_ends_the_call() -> None:
    stage = Stage()
    alice, bob = in_need_of_an_offer(stage)
    answering(alice, b"")
    stage.dial(alice, "1002", b"")
    await alice.until("ended bye")
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.bad_answer", "exchange")]


@virtual
async def test_a_caller_who_offers_is_the_one_whom_the_callee_hears_of() -> None:
    stage = Stage()
    alice, bob = in_need_of_an_offer(stage)
    await stage.connect(alice, bob)
    assert b"RTP/AVP 0 8 101\r\n" in bob.heard[0]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_without_a_free_port_no_offer_can_be_made() -> None:
    stage = Stage(ports=0)
    alice, bob = in_need_of_an_offer(stage)
    stage.dial(alice, "1002", b"")
    await alice.until("failed 503")
    assert "invited" not in bob.said
    await stage.settle()
