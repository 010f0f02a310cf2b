"""Whole calls through the exchange: how they end, in good order and otherwise."""

from __future__ import annotations

import pytest

from tests.link.stage import Stage
from tests.link.virtual_time import virtual

ANSWERED = (200, "call.hangup")


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


@virtual
async def test_the_reason_of_who_hangs_up_reaches_the_other() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    alice.dialogue.hang_up('Reason: Q.850;cause=16;text="Bye bye"\r\n')
    await bob.until("ended bye")
    assert bob.reasons == ['Q.850;cause=16;text="Bye bye"']
    await stage.settle()
