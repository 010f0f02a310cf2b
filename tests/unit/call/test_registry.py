"""The calls in progress."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from trunkline.call.registry import Calls


def call(name: str, sip_call_id: str = "", code: str = "call.hangup", tenant: str = "t") -> Any:
    outcome = SimpleNamespace(sip_call_id=sip_call_id, code=code)
    return SimpleNamespace(id=name, tenant=tenant, legs=[SimpleNamespace(outcome=outcome)], on_closed=None)


def test_a_call_is_found_by_its_id_its_beginning_and_its_sip_call_id() -> None:
    calls = Calls()
    one, other = call("0199-aaaa", "id-1@a"), call("0199-bbbb", "id-2@b")
    calls.add(one)
    calls.add(other)
    assert calls.find("t", "0199-aaaa") is one
    assert calls.find("t", "0199-b") is other
    assert calls.find("t", "0199") is None, "that may be either"
    assert calls.find("t", "019") is None
    assert calls.find("t", "id-2@b") is other


def test_a_call_of_another_tenant_is_not_found() -> None:
    calls = Calls()
    theirs, mine = call("0199-aaaa", "id-1@a", tenant="other"), call("0199-bbbb", "id-1@a")
    calls.add(theirs)
    calls.add(mine)
    assert calls.find("t", "id-1@a") is mine
    assert calls.find("other", "id-1@a") is theirs
    assert calls.find("t", "0199-aaaa") is None
    assert calls.find("t", "0199-") is mine


def test_a_finished_call_is_counted_by_its_reason() -> None:
    calls = Calls()
    for code in ("call.hangup", "call.busy", "call.hangup"):
        one = call("x", code=code)
        calls.add(one)
        one.on_closed(one)
    assert not calls.active
    assert calls.total == 3
    assert calls.outcomes == {"call.hangup": 2, "call.busy": 1}


async def test_idle_waits_for_the_last_call_but_not_for_ever() -> None:
    calls = Calls()
    assert await calls.idle(0)
    one = call("x")
    calls.add(one)
    assert not await calls.idle(0)
    one.on_closed(one)
    assert await calls.idle(0)
