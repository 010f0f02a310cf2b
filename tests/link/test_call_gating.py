"""Who is heard before the answer, and what a caller is told of callees that ring in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.talking import port_of
from tests.link.virtual_time import virtual
from trunkline.call.early_media import EarlyMediaPolicy
from trunkline.call.identity import IdentityPolicy
from trunkline.call.target import Target
from trunkline.ua.sessions import ServerSession

pytestmark = pytest.mark.rule("T-14")


def announcing(stage: Stage, party: Party, answers_s: float = 2.0) -> None:
    """Early media, then an answer."""

    def announce(session: ServerSession) -> None:
        session.progress(183, party.body)
        stage.loop.call_later(answers_s, session.answer, party.body)

    party.on_invite = announce


def heard(stage: Stage, body: bytes) -> bool:
    """Whether what comes in at the port of a description is passed on."""
    by_number = {number: port for port, number in stage.engine.rtp_ports.items()}
    direction = stage.engine.directions.get(by_number[port_of(body)])
    return direction is None or direction.receive


@pytest.mark.rfc("3960", "3")
@pytest.mark.parametrize(("policy", "caller_is_heard"), [("callee", False), ("both", True)])
@virtual
async def test_an_unanswered_caller_is_heard_only_by_policy(
    policy: EarlyMediaPolicy, caller_is_heard: bool
) -> None:
    stage = Stage()
    stage.context.early_media = policy
    alice, bob = stage.party(), stage.party()
    announcing(stage, bob)
    stage.dial(alice, "1002")
    await alice.until("183")
    early, offered = alice.heard[0], bob.heard[0]
    assert stage.engine.relays(port_of(early), port_of(offered))
    assert heard(stage, early) == caller_is_heard
    assert heard(stage, offered), "the callee always is"
    await alice.until("answered")
    await asyncio.sleep(1)
    assert heard(stage, early)
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_nobody_is_heard_before_the_answer_when_the_policy_says_so() -> None:
    stage = Stage()
    stage.context.early_media = "none"
    alice, bob = stage.party(), stage.party()
    announcing(stage, bob)
    stage.dial(alice, "1002")
    await alice.until("183")
    assert alice.heard == []
    assert not stage.engine.links
    await alice.until("answered")
    assert stage.engine.relays(port_of(alice.heard[0]), port_of(bob.heard[0]))
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_hold_in_the_answer_outlasts_the_silence_before_it() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()

    def announce(session: ServerSession) -> None:
        session.progress(183, bob.body)
        stage.loop.call_later(2.0, session.answer, bob.body)

    bob.on_invite = announce
    stage.dial(alice, "1002", describe(alice.host, "a=recvonly"))
    await alice.until("answered")
    await asyncio.sleep(1)
    assert not heard(stage, alice.heard[-1]), "it has said that it only listens"
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_caller_whom_nobody_answered_is_heard_by_whoever_answers_then() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()

    def announce(session: ServerSession) -> None:
        session.progress(183, bob.body)
        stage.loop.call_later(1.0, session.refuse, 486)

    bob.on_invite = announce
    stage.dial(alice, "1002")
    await alice.until("183")
    early = alice.heard[0]
    assert not heard(stage, early)
    await alice.until("failed 486")
    await stage.settle()
    assert stage.engine.directions, "silenced and heard again, while the port was open"
    assert heard(stage, early)


@pytest.mark.rule("T-13")
@virtual
async def test_each_callee_in_turn_begins_early_media_anew() -> None:
    stage = Stage()
    alice, bob, carol = stage.party(), stage.party(), stage.party()

    def refuse_late(session: ServerSession) -> None:
        session.progress(183, bob.body)
        stage.loop.call_later(1.0, session.refuse, 480)

    bob.on_invite = refuse_late
    carol.body = describe(carol.host, "a=ptime:30")

    def ring_then_announce(session: ServerSession) -> None:
        session.progress(180)
        stage.loop.call_later(1.0, session.progress, 183, carol.body)
        stage.loop.call_later(2.0, session.answer, carol.body)

    carol.on_invite = ring_then_announce

    async def in_turn() -> AsyncIterator[Target]:
        yield stage.contacts["1002"][0]
        await asyncio.sleep(3.0)
        yield stage.contacts["1003"][0]

    stage.ring("1700", in_turn())
    stage.dial(alice, "1700")
    await alice.until("answered")
    assert alice.said == ["183", "180", "183", "answered"]
    first, second = alice.heard[0], alice.heard[1]
    assert b"a=ptime:30" not in first
    assert b"a=ptime:30" in second
    assert stage.engine.relays(port_of(second), port_of(carol.heard[0]))
    alice.dialogue.hang_up()
    await stage.settle()


# Preconditions

QOS = (
    "a=curr:qos local {current}",
    "a=curr:qos remote none",
    "a=des:qos {strength} local sendrecv",
    "a=des:qos none remote sendrecv",
)


def wanting(party: Party, strength: str, current: str = "none") -> bytes:
    """A description that asks for resources."""
    return describe(party.host, *(row.format(strength=strength, current=current) for row in QOS))


@pytest.mark.rule("T-18")
@pytest.mark.rfc("3312", "5.1")
@pytest.mark.parametrize(
    ("extra", "strength", "current"),
    [
        ("Supported: precondition\r\n", "mandatory", "none"),
        ("Supported: precondition\r\n", "optional", "none"),
        ("Require: precondition\r\n", "optional", "none"),
        ("Require: precondition\r\n", "none", "none"),
        ("Require: precondition\r\n", "mandatory", "sendrecv"),
    ],
)
@virtual
async def test_preconditions_that_need_not_be_met_keep_no_call_from_ringing(
    extra: str, strength: str, current: str
) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", wanting(alice, strength, current), extra=extra)
    await alice.until("answered")
    assert b"a=des:" not in bob.heard[0]
    assert b"a=curr:" not in bob.heard[0]
    answer = alice.heard[-1]
    if extra.startswith("Require"):
        assert f"a=des:qos {strength} remote sendrecv".encode() in answer
        assert f"a=curr:qos remote {current}".encode() in answer
    else:
        assert b"a=des:" not in answer
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-18")
@pytest.mark.rfc("3312", "8")
@virtual
async def test_a_mandatory_precondition_that_is_not_met_gets_580_with_the_reason_in_its_body() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", wanting(alice, "mandatory"), extra="Require: precondition\r\n")
    await alice.until("failed 580")
    (refusal,) = set(stage.sent(HOST, "SIP/2.0 580"))
    assert b"m=audio 0 RTP/AVP 0 8 101\r\na=des:qos failure remote sendrecv\r\n" in refusal
    assert bob.said == []
    await stage.settle()


# What a network that we trust says


@pytest.mark.rfc("5009", "8")
@pytest.mark.parametrize(
    ("trusted", "said", "is_heard"),
    [
        (True, "inactive", False),
        (True, "recvonly, inactive", False),
        (True, "sendonly", True),
        (True, "sendrecv;gated", True),
        (True, "nonsense", True),
        (False, "inactive", True),
    ],
)
@virtual
async def test_early_media_is_heard_as_a_trusted_peer_says(
    *, trusted: bool, said: str, is_heard: bool
) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.contacts["1002"][0].identity = IdentityPolicy(trusted=trusted)

    def announce(session: ServerSession) -> None:
        session.progress(183, bob.body, f"P-Early-Media: {said}\r\n")
        stage.loop.call_later(1.0, session.answer, bob.body)

    bob.on_invite = announce
    stage.dial(alice, "1002")
    await alice.until("183")
    assert bool(alice.heard) == is_heard
    assert bob.invites[0].headers.get("P-Early-Media", "") == ("supported" if trusted else "")
    assert not any(b"P-Early-Media" in data for data in stage.sent(HOST, "SIP/2.0 183"))
    await alice.until("answered")
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-18")
@pytest.mark.rfc("3312", "8")
@virtual
async def test_preconditions_in_a_change_are_looked_at_too() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    response = await alice.dialogue.request(
        "UPDATE", body=wanting(alice, "mandatory"), extra="Require: precondition\r\n"
    )
    assert response.status == 580
    assert b"a=des:qos failure remote sendrecv" in response.body
    assert "offered" not in bob.said
    response = await alice.dialogue.request(
        "UPDATE", body=wanting(alice, "optional"), extra="Require: precondition\r\n"
    )
    assert response.status == 200
    assert b"a=des:qos optional remote sendrecv" in response.body
    assert b"a=des:" not in bob.heard[-1]
    alice.dialogue.hang_up()
    await stage.settle()
