"""Why a call ended, as SIP and the telephone network say it, passed between its legs and kept."""

from __future__ import annotations

import pytest

from tests.link.stage import HOST, Stage
from tests.link.talking import talking
from tests.link.virtual_time import virtual

BUSY = 'Q.850;cause=17;text="User busy"'


@pytest.mark.rfc("6432", "4")
@pytest.mark.rule("T-34")
@pytest.mark.parametrize(
    ("status", "reason", "told", "code", "q850"),
    [
        (486, BUSY, 486, "call.busy", 17),
        (500, BUSY, 486, "call.busy", 17),
        (404, "Q.850;cause=22", 404, "call.refused", 22),
        (480, "SIP;cause=480", 480, "call.refused", 18),
        (603, "Q.850;cause=0", 603, "call.refused", 21),
    ],
)
@virtual
async def test_a_refusals_cause_is_recorded_and_told_to_the_caller(
    status: int, reason: str, told: int, code: str, q850: int
) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.on_invite = lambda session: session.refuse(status, extra=f"Reason: {reason}\r\n")
    stage.dial(alice, "1002")
    await alice.until(f"failed {told}")
    await stage.settle()
    answer = stage.sent(HOST, f"SIP/2.0 {told}", alice.host)[0]
    assert f"\r\nReason: {reason}\r\n".encode() in answer
    assert stage.outcome("out") == [(status, code, "callee")]
    assert [record.q850 for record in stage.records] == [q850, q850]


@virtual
async def test_a_refusal_without_reason_is_passed_on_without_one() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.refuse_with = 486
    stage.dial(alice, "1002")
    await alice.until("failed 486")
    await stage.settle()
    assert b"Reason" not in stage.sent(HOST, "SIP/2.0 486", alice.host)[0]
    assert stage.over[0].q850 == 17


@pytest.mark.rfc("3326", "2")
@pytest.mark.rule("T-06")
@virtual
async def test_the_cause_of_a_bye_reaches_the_other_party_and_both_records() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    bob.dialogue.hang_up("Reason: Q.850;cause=31\r\n")
    await alice.until("ended bye")
    await stage.settle()
    assert alice.reasons == ["Q.850;cause=31"]
    assert [record.q850 for record in stage.records] == [31, 31]


@pytest.mark.rfc("3326", "2")
@virtual
async def test_the_cause_of_a_cancel_reaches_the_callee_and_both_records() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.dial(alice, "1002")
    await alice.until("180")
    alice.dialogue.hang_up("Reason: SIP;cause=487, Q.850;cause=102\r\n")
    await bob.until("cancelled")
    await stage.settle()
    assert bob.reasons == ["SIP;cause=487, Q.850;cause=102"]
    assert [record.q850 for record in stage.records] == [102, 102]
