"""Whole calls through the exchange: how they begin, ring and are refused."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.stage import Stage
from tests.link.virtual_time import virtual

ANSWERED = (200, "call.hangup")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@virtual
async def test_a_call_rings_is_answered_and_ended_by_its_caller(transport: str) -> None:
    stage = Stage(transport=transport)
    alice, bob = stage.party(), stage.party(rings_s=2.0)
    await stage.connect(alice, bob)
    await asyncio.sleep(10)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
    assert alice.said == ["180", "answered", "ended hangup"]
    assert bob.said == ["invited", "acknowledged", "ended bye"]
    assert stage.outcome("in") == stage.outcome("out") == [(*ANSWERED, "caller")]
    record = stage.over[0]
    assert record.answered_at is not None
    assert 2.0 <= record.answered_at - record.started_at < 2.2
    assert 10.0 <= record.ended_at - record.answered_at < 10.2
    assert stage.story == [
        "auth.ok",
        "call.received",
        "route.extension",
        "route.contacts",
        "leg.invited",
        "leg.ringing",
        "call.answered",
        "call.ended",
    ]


@virtual
async def test_a_call_is_ended_by_its_callee() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    bob.dialogue.hang_up()
    await alice.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(*ANSWERED, "callee")]


@pytest.mark.rfc("3261", "9.2")
@pytest.mark.rule("T-06")
@virtual
async def test_a_caller_who_gives_up_gets_487_and_the_callee_a_cancel_with_the_callers_reason() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.dial(alice, "1002")
    await alice.until("180")
    alice.dialogue.hang_up('Reason: SIP;cause=487;text="Changed my mind"\r\n')
    await alice.until("failed 487")
    await bob.until("cancelled")
    await stage.settle()
    assert bob.reasons == ['SIP;cause=487;text="Changed my mind"']
    assert stage.outcome("in") == stage.outcome("out") == [(487, "call.cancelled", "caller")]
    assert stage.story[-1] == "call.cancelled"


@virtual
async def test_a_cancel_without_reason_is_passed_on_without_one() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.dial(alice, "1002")
    await alice.until("180")
    alice.dialogue.hang_up()
    await bob.until("cancelled")
    await stage.settle()
    assert bob.reasons == [None]


@pytest.mark.rfc("3261", "9.1")
@virtual
async def test_a_caller_gone_before_the_callee_said_anything_leaves_nothing_ringing() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.network.drop = lambda data, src, _dst: src[0] == bob.host and data.startswith(b"SIP/2.0 1")
    stage.dial(alice, "1002")
    await bob.until("invited")
    alice.dialogue.hang_up()
    await alice.until("failed 487")
    await asyncio.sleep(5)
    assert not stage.sent("10.0.0.100", "CANCEL")
    stage.network.drop = lambda _data, _src, _dst: False
    await bob.until("cancelled")
    await stage.settle()
    assert stage.outcome("in") == [(487, "call.cancelled", "caller")]


@virtual
async def test_a_cancel_that_arrives_with_its_invite_closes_the_call() -> None:
    stage = Stage()
    alice = stage.party()
    stage.party(answers=False)
    stage.dial(alice, "1002")
    invite = await stage.until_sent(alice.host, "INVITE", 2)
    cancel = invite.partition(b"\r\n\r\n")[0].replace(b"INVITE", b"CANCEL").split(b"Content-Length")[0]
    # Both are read from the socket in one go: the script of the call has had no chance to begin.
    flow = stage.network.nodes["10.0.0.100", 5060].flow_to("UDP", alice.host, 5060)
    stage.endpoint.receive(invite, flow)
    stage.endpoint.receive(cancel + b"Content-Length: 0\r\n\r\n", flow)
    await alice.until("failed 487")
    await stage.settle()
    assert stage.outcome("in") == [(487, "call.cancelled", "caller")]


@pytest.mark.rfc("5407", "3.1.2")
@pytest.mark.rule("T-03")
@virtual
async def test_a_2xx_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(rings_s=1.0)
    stage.dial(alice, "1002")
    await bob.until("invited")
    # The CANCEL reaches the exchange while Bob's 2xx is on its way there.
    await asyncio.sleep(0.985)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await alice.until("failed 487")
    await stage.settle()
    assert "acknowledged" in bob.said
    assert stage.sent("10.0.0.100", "SIP/2.0 487", alice.host)
    assert stage.outcome("in") == stage.outcome("out") == [(487, "call.cancelled", "caller")]


@virtual
async def test_a_cancel_too_late_for_the_answer_lets_the_caller_hang_up_by_bye() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(rings_s=1.0)
    stage.dial(alice, "1002")
    await bob.until("invited")
    # The exchange's 2xx to Alice is on its way when she gives up.
    await asyncio.sleep(1.015)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(*ANSWERED, "caller")]


@virtual
async def test_a_callee_that_never_answers_is_cancelled_after_the_ring_timeout() -> None:
    stage = Stage(ring_timeout_s=20.0)
    alice, bob = stage.party(), stage.party(answers=False)
    begun = stage.loop.time()
    stage.dial(alice, "1002")
    await alice.until("failed 480")
    assert 20.0 <= stage.loop.time() - begun < 20.3
    await bob.until("cancelled")
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(480, "call.no_answer", "exchange")]
    assert bob.reasons == [None]


@pytest.mark.rfc("3261", "8.1.3.1")
@virtual
async def test_a_callee_that_cannot_be_reached_is_unavailable() -> None:
    stage = Stage(ring_timeout_s=100.0)
    alice = stage.party()
    stage.extension("1002", "sip:1002@10.9.9.9")
    stage.dial(alice, "1002")
    await alice.until("failed 480")
    await stage.settle()
    assert stage.outcome("in") == [(480, "call.unreachable", "exchange")]
    assert stage.outcome("out") == [(408, "call.unreachable", "exchange")]


@virtual
async def test_a_contact_without_address_is_on_record_as_an_attempt() -> None:
    stage = Stage()
    alice = stage.party()
    stage.extension("1002", "sip:1002@nowhere.invalid")
    stage.dial(alice, "1002")
    await alice.until("failed 480")
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(480, "call.not_sent", "exchange")]
    assert "leg.not_dialled" in stage.story


@pytest.mark.parametrize(
    ("said", "told", "code"),
    [
        (486, 486, "call.busy"),
        (603, 603, "call.refused"),
        (600, 600, "call.busy"),
        (404, 404, "call.refused"),
        (488, 488, "call.refused"),
        (503, 480, "call.refused"),
        (302, 480, "call.refused"),
        (401, 502, "call.refused"),
    ],
)
@pytest.mark.rfc("3261", "16.7")
@virtual
async def test_a_refusal_is_passed_on_as_what_it_means_to_a_caller(said: int, told: int, code: str) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.refuse_with = said
    stage.dial(alice, "1002")
    await alice.until(f"failed {told}")
    await stage.settle()
    assert stage.outcome("in") == [(told, code, "exchange")]
    assert stage.outcome("out") == [(said, code, "callee")]


@virtual
async def test_unknown_and_unregistered_numbers_are_refused_without_an_attempt() -> None:
    stage = Stage()
    alice = stage.party()
    stage.extension("1003")
    for number, status, code in (
        ("7777", 404, "route.unknown_number"),
        ("1003", 480, "route.not_registered"),
    ):
        stage.dial(alice, number)
        await alice.until(f"failed {status}")
        assert stage.outcome("in")[-1] == (status, code, "exchange")
    await stage.settle()
    assert not stage.outcome("out")


@pytest.mark.parametrize("status", [0, 486])
@virtual
async def test_calls_over_connections_are_cancelled_and_refused_without_repetition(status: int) -> None:
    stage = Stage(transport="tcp")
    alice, bob = stage.party(), stage.party(answers=False)
    bob.refuse_with = status
    stage.dial(alice, "1002")
    await alice.until("failed 486" if status else "180")
    if not status:
        alice.dialogue.hang_up()
        await bob.until("cancelled")
        await alice.until("failed 487")
    await stage.settle()
    assert len(stage.sent(stage.parties[0].host, "INVITE")) == 2, "one to be challenged, one with credentials"


@virtual
async def test_a_connection_that_is_refused_makes_the_callee_unavailable_at_once() -> None:
    stage = Stage(transport="tcp")
    alice = stage.party()
    stage.extension("1002", "sip:1002@10.9.9.9")
    begun = stage.loop.time()
    stage.dial(alice, "1002")
    await alice.until("failed 480")
    assert stage.loop.time() - begun < 1.0
    await stage.settle()
    assert stage.outcome("out") == [(503, "call.not_sent", "exchange")]
