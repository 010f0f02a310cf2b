"""Whole calls through the exchange: how they begin, ring and end."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.stage import Stage
from tests.link.virtual_time import virtual

ANSWERED = (200, "call.hangup")


@virtual
async def test_a_call_rings_is_answered_and_ended_by_its_caller() -> None:
    stage = Stage()
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


@pytest.mark.rfc("3261", "13.3.1.4")
@pytest.mark.rule("T-01")
@virtual
async def test_a_caller_whose_ack_never_comes_is_hung_up_and_so_is_the_callee() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.network.drop = lambda data, src, _dst: data.startswith(b"ACK") and src[0] == alice.host
    begun = stage.loop.time()
    stage.dial(alice, "1002")
    await bob.until("acknowledged")
    await bob.until("ended bye")
    assert 32.0 <= stage.loop.time() - begun < 32.6
    await alice.until("ended bye")
    stage.network.drop = lambda _data, _src, _dst: False
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(200, "call.no_ack", "exchange")]


@pytest.mark.rule("T-01")
@virtual
async def test_a_callee_who_misses_its_ack_hangs_up_and_the_caller_is_told() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.network.drop = lambda data, src, dst: data.startswith(b"ACK") and dst[0] == bob.host
    stage.dial(alice, "1002")
    await bob.until("ended no-ack")
    await alice.until("ended bye")
    await stage.settle()
    assert len(stage.sent("10.0.0.100", "ACK", bob.host)) == 11, "each repeated 2xx is acknowledged again"
    assert stage.outcome("in") == stage.outcome("out") == [(*ANSWERED, "callee")]


@pytest.mark.rfc("5407", "3.1.4")
@virtual
async def test_a_caller_may_hang_up_before_its_ack_arrives() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.network.drop = lambda data, src, _dst: data.startswith(b"ACK") and src[0] == alice.host
    stage.dial(alice, "1002")
    await alice.until("answered")
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(*ANSWERED, "caller")]


@virtual
async def test_a_callee_may_hang_up_before_the_callers_ack_arrives() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    late: list[bytes] = []

    def drop(data: bytes, src: tuple[str, int], _dst: tuple[str, int]) -> bool:
        if data.startswith(b"ACK") and src[0] == alice.host and len(late) < 3:
            late.append(data)
            return True
        return False

    stage.network.drop = drop
    stage.dial(alice, "1002")
    await bob.until("acknowledged")
    bob.dialogue.hang_up()
    await alice.until("ended bye")
    # RFC 3261 §15: the caller gets no BYE before its ACK was here.
    acks = [at for at, by, _, data in stage.network.log if by == alice.host and data.startswith(b"ACK")]
    byes = [at for at, _, to, data in stage.network.log if to == alice.host and data.startswith(b"BYE")]
    assert byes[0] > acks[3]
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(*ANSWERED, "callee")]


@pytest.mark.rfc("5407", "3.2.1")
@virtual
async def test_both_parties_may_hang_up_at_once() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    alice.dialogue.hang_up()
    bob.dialogue.hang_up()
    await stage.settle()
    assert alice.said[-1] == bob.said[-1] == "ended hangup"
    assert [row[:2] for row in stage.outcome("in") + stage.outcome("out")] == [ANSWERED, ANSWERED]


@virtual
async def test_an_operator_ends_a_call_for_both() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    call = await stage.connect(alice, bob)
    call.hang_up(code="call.hung_up_by_operator")
    await alice.until("ended bye")
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == stage.outcome("out") == [(200, "call.hung_up_by_operator", "exchange")]


@virtual
async def test_an_operator_ends_a_call_that_rings() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.dial(alice, "1002")
    await alice.until("180")
    stage.calls.all[0].hang_up(code="call.hung_up_by_operator")
    await alice.until("failed 480")
    await bob.until("cancelled")
    await stage.settle()
    assert stage.outcome("in") == [(480, "call.hung_up_by_operator", "exchange")]
    assert stage.outcome("out") == [(487, "call.hung_up_by_operator", "exchange")]


@pytest.mark.rule("T-11")
@virtual
async def test_a_draining_exchange_takes_no_new_calls_and_keeps_the_old_ones() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    stage.endpoint.draining = True
    carol = stage.party()
    stage.dial(carol, "1002")
    await carol.until("failed 503")
    assert not await stage.calls.idle(5.0)
    assert alice.said[-1] == "answered"
    alice.dialogue.hang_up()
    assert await stage.calls.idle(5.0)
    await stage.settle()


@virtual
async def test_a_script_that_fails_ends_its_call_with_500_and_is_reported() -> None:
    stage = Stage()
    alice = stage.party()

    async def broken(_call: object) -> None:
        raise ZeroDivisionError

    stage.extension("1009", "sip:1009@10.9.9.9")
    stage.door.scripts["1009"] = broken
    stage.dial(alice, "1009")
    await alice.until("failed 500")
    assert isinstance(stage.faults.pop(), ZeroDivisionError)
    await stage.settle()
    assert stage.outcome("in") == [(500, "call.fault", "exchange")]


@virtual
async def test_a_script_that_decides_nothing_leaves_the_caller_unavailable() -> None:
    stage = Stage()
    alice = stage.party()

    async def idle(_call: object) -> None:
        """Neither answers nor refuses."""

    stage.extension("1009", "sip:1009@10.9.9.9")
    stage.door.scripts["1009"] = idle
    stage.dial(alice, "1009")
    await alice.until("failed 480")
    await stage.settle()
    assert stage.outcome("in") == [(480, "call.no_decision", "exchange")]
