"""Explanations from the store alone: what it knows is told, and that the rest is not known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trunkline.app.handlers import StoreHandlers
from trunkline.base.messages import AddExtension, ExplainNumber, ExplainRegister, RecentRegisters, Request
from trunkline.model.binding import Binding
from trunkline.model.tenant import SystemScope
from trunkline.store import Store

SCOPE = SystemScope("a test")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data") as opened:
        yield opened


def ask(store: Store, request: Request[Any]) -> Any:
    return asyncio.run(StoreHandlers(store, "pbx.test").handle(request))


def register(store: Store, number: str) -> None:
    """As the exchange left it."""
    (tenant,) = store.tenants.list(SCOPE)
    now = time.time()
    contact, flow = f"sip:{number}@192.0.2.9;transport=tcp", "0000|tcp|192.0.2.1:5060|192.0.2.9:4000|1"
    bound = Binding(tenant.id, number, "b", contact, flow, "192.0.2.9:4000", "c", 1, now - 60, now + 600)
    store.bindings.upsert_many(SCOPE, [bound])


def test_a_registered_number_is_told_with_its_contacts(store: Store) -> None:
    for number in ("1001", "1002"):
        ask(store, AddExtension(number=number))
    register(store, "1002")
    history = ask(store, RecentRegisters(number="1002"))
    assert [(one.transport, one.received, one.by_flow) for one in history.bound] == [
        ("tcp", "192.0.2.9:4000", False)
    ]
    assert [one.explanation.outcome for one in history.attempts] == ["register.bound"]
    assert history.notes == ("no exchange runs: attempts are remembered only while one does",)
    call = ask(store, ExplainNumber(number="1002", caller="1001"))
    assert (call.status, call.outcome) == (0, "route.contacts")
    codes = [step.code for step in call.steps]
    assert codes[0] == "identify.offline"
    assert "fork.contact" in codes
    assert not any(step.stage == "media" for step in call.steps)


def test_an_unknown_number_and_a_short_time_are_refused_as_by_an_exchange(store: Store) -> None:
    ask(store, AddExtension(number="1001"))
    history = ask(store, RecentRegisters(number="9999"))
    assert (history.known, history.bound, history.attempts) == (False, (), ())
    assert "is no extension" in history.notes[0]
    assert ask(store, ExplainRegister(number="9999")).status == 401
    assert ask(store, ExplainRegister(number="1001", expires_s=10)).status == 423
    made = ask(store, ExplainRegister(number="1001", contact="sip:1001@192.0.2.9"))
    assert (made.status, made.outcome) == (0, "register.would_bind")
    assert ask(store, RecentRegisters(number="1001")).bound == ()
