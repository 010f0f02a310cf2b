"""The table of tokens: who may ask, what is left of a call that is over, and that it stays bounded."""

from __future__ import annotations

import pytest

from tests.link.mobile import Devices
from tests.link.virtual_time import virtual
from trunkline.base.messages.app_calls import (
    AcceptAppCall,
    AppCallRow,
    AskAppCall,
    GetAppCall,
    HangUpAppCall,
    ListAppCalls,
    RejectAppCall,
)
from trunkline.base.messages.request import Refused
from trunkline.base.wheel import TimerWheel
from trunkline.mobile import app_calls
from trunkline.mobile.app_calls import KEPT_S, AppCalls
from trunkline.mobile.app_party import ACTIVE, OVER, AppParty
from trunkline.mobile.call_journal import HandOverJournal
from trunkline.mobile.office import Office

TENANT = "t1"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Party(AppParty):
    """A call that an app has placed, and nothing else."""

    @property
    def status(self) -> str:
        return self.state


class Table:
    """The table with its clock; ``party`` puts one in."""

    def __init__(self) -> None:
        self.clock = Clock()
        devices = Devices()
        self.calls = AppCalls(self.clock)
        self.office = Office(
            TimerWheel(),
            lambda: 0.0,
            self.clock,
            lambda work: work.close(),
            devices,
            devices,
            HandOverJournal(),
        )
        self.office.calls = self.calls

    def party(self, token: str, owner: str = "ann", tenant: str = TENANT) -> Party:
        made = Party(self.office, token, tenant, owner, "device")
        made.state = ACTIVE
        self.calls.add(made)
        return made

    def end(self, party: Party, reason: str = "bye_from_remote") -> None:
        party.state, party.reason, party.ended_at = OVER, reason, self.clock.now
        self.calls.over(party)

    async def status(self, token: str, owner: str | None = "ann", tenant: str = TENANT) -> AppCallRow:
        return (await self.calls.status(tenant, AskAppCall(call_token=token, owner=owner))).call


@virtual
async def test_what_is_over_is_told_for_two_minutes_and_then_unknown() -> None:
    table = Table()
    table.end(table.party("one"))
    assert (await table.status("one")).reason == "bye_from_remote"
    with pytest.raises(Refused) as refused:
        await table.calls.get(TENANT, GetAppCall(call_token="one", owner="ann"))
    assert (refused.value.problem.code, refused.value.problem.status) == ("call.over", 410)
    await table.calls.hang_up(TENANT, HangUpAppCall(call_token="one", owner="ann"))
    table.clock.now += KEPT_S + 1
    assert (await table.status("one")).status == "unknown"
    with pytest.raises(Refused) as refused:
        await table.calls.get(TENANT, GetAppCall(call_token="one", owner="ann"))
    assert refused.value.problem.status == 404


@virtual
async def test_another_owner_or_tenant_learns_nothing_of_what_is_over() -> None:
    table = Table()
    table.end(table.party("one"))
    for tenant, owner in ((TENANT, "bob"), ("t2", "ann"), ("t2", None)):
        assert (await table.status("one", owner, tenant)).status == "unknown"
        with pytest.raises(Refused) as refused:
            await table.calls.accept(tenant, AcceptAppCall(call_token="one", sdp="v=0", owner=owner))
        assert refused.value.problem.status == 404
    assert (await table.status("one", None)).status == "ended", "the operator sees all of the tenant"


@virtual
async def test_ended_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_calls, "MOST_KEPT", 3)
    table = Table()
    for number in range(10):
        table.end(table.party(f"call {number}"))
    assert [(await table.status(f"call {number}")).status for number in range(10)] == ["unknown"] * 7 + [
        "ended"
    ] * 3
    assert len(table.calls) == 0


@virtual
async def test_calls_are_listed_the_newest_first_page_by_page() -> None:
    table = Table()
    for number in range(5):
        table.clock.now += 1
        table.party(f"call {number}")
    table.party("of bob", owner="bob")
    first = await table.calls.page(TENANT, ListAppCalls(owner="ann", limit=3))
    assert [row.call_token for row in first.rows] == ["call 4", "call 3", "call 2"]
    second = await table.calls.page(TENANT, ListAppCalls(owner="ann", limit=3, after=first.next))
    assert [row.call_token for row in second.rows] == ["call 1", "call 0"]
    assert second.next is None
    assert len((await table.calls.page(TENANT, ListAppCalls())).rows) == 6


@virtual
async def test_a_placed_call_cannot_be_accepted_or_rejected() -> None:
    table = Table()
    table.party("one")
    with pytest.raises(Refused) as refused:
        await table.calls.reject(TENANT, RejectAppCall(call_token="one", owner="ann"))
    assert (refused.value.problem.code, refused.value.problem.status) == ("call.outgoing", 409)
    with pytest.raises(Refused) as refused:
        await table.calls.reject(TENANT, RejectAppCall(call_token="one", owner="ann", reason="mood"))
    assert (refused.value.problem.code, refused.value.problem.status) == ("call.reason", 422)
