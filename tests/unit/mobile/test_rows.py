"""Hand-overs as rows: what another version wrote, or half of one, is refused in one way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from tests.link.mobile import TENANT, Devices, device
from trunkline.base.errors import LocalProtocolError
from trunkline.base.wheel import TimerWheel
from trunkline.mobile.app_calls import AppCalls
from trunkline.mobile.call_journal import HandOverJournal
from trunkline.mobile.hand_over import HandOver
from trunkline.mobile.incoming import IncomingCalls
from trunkline.mobile.office import Office
from trunkline.mobile.pushing import CallFacts
from trunkline.mobile.rows import put_back, row_of
from trunkline.mobile.words import ACCEPTED, CONFIRMED, FINAL, OPEN, QUEUED, SENT, TAKEN_UP, TOLD
from trunkline.model.device import MobileCall
from trunkline.store.errors import WriterFullError


def hand_over() -> HandOver:
    devices = Devices()
    office = Office(
        TimerWheel(),
        lambda: 0.0,
        lambda: 1000.0,
        lambda work: work.close(),
        devices,
        devices,
        HandOverJournal(),
    )
    office.calls = AppCalls(office.wall)

    def nowhere(_one: HandOver, _leg: Any) -> Any:
        raise AssertionError("nothing is offered here")

    return HandOver(office, devices.add(device("phone")), nowhere)


def kept(state: str = ACCEPTED) -> MobileCall:
    one = hand_over()
    one.state, one.token = state, "token"
    one.facts = CallFacts("call", "call-id", "carol@pbx.example", "Carol \u2603")
    one.offer, one.answer, one.accepted = b"v=0\xff", b"v=1", b"\x01" * 32
    one.expires_at, one.reached, one.held, one.wake_up.shared = 12.5, True, True, True
    return row_of(one)


@pytest.mark.parametrize("state", [*OPEN, *TAKEN_UP])
def test_what_was_kept_is_put_back(state: str) -> None:
    one = hand_over()
    put_back(one, kept(state))
    assert (one.token, one.owner, one.peer) == ("token", "user of a", "carol@pbx.example")
    assert one.facts == CallFacts("call", "call-id", "carol@pbx.example", "Carol \u2603")
    assert (one.offer, one.answer, one.accepted) == (b"v=0\xff", b"v=1", b"\x01" * 32)
    assert (one.expires_at, one.reached, one.held, one.wake_up.shared) == (12.5, True, True, True)
    assert one.state == (SENT if state == QUEUED else state), "a push that was queued is not queued again"
    assert one.wake_up.sent is (None if state == TOLD else True)


@pytest.mark.parametrize("state", FINAL)
def test_what_is_over_keeps_why(state: str) -> None:
    one = hand_over()
    one.state, one.token, one.reason, one.sip_status = state, "token", "cancelled", 487
    one.ended_at, one.elsewhere = 990.0, True
    row, again = row_of(one), hand_over()
    put_back(again, row)
    assert again.row() == one.row()
    assert again.elsewhere


@pytest.mark.parametrize("state", ["", "unheard of"])
def test_a_row_of_no_use_is_refused(state: str) -> None:
    with pytest.raises(LocalProtocolError):
        put_back(hand_over(), replace(kept(), state=state))


@pytest.mark.parametrize("field", ["version", *json.loads(kept().body)])
@pytest.mark.parametrize("value", [None, {}, "x", -1])
def test_a_misshapen_row_is_refused_in_one_way(field: str, value: object) -> None:
    body = json.loads(kept().body)
    body[field] = value
    try:
        put_back(hand_over(), replace(kept(), body=json.dumps(body)))
    except LocalProtocolError:
        return
    assert field not in {"version", "offer", "answer"} or isinstance(value, str)


@pytest.mark.parametrize("body", ["", "[]", "null", "{", '{"version":1}'])
def test_half_a_row_is_refused(body: str) -> None:
    with pytest.raises(LocalProtocolError):
        put_back(hand_over(), replace(kept(), body=body))


def test_keys_of_media_are_for_no_disk() -> None:
    one = hand_over()
    one.offer = one.answer = b"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\n"
    assert "secret" not in row_of(one).body


def test_rows_of_nobodys_device_and_of_placed_calls_are_left_alone() -> None:
    one = hand_over()
    incoming = IncomingCalls(one.office)
    incoming.load([replace(kept(), device_id="gone"), replace(kept(), id="b", body="{")])
    incoming.load([replace(kept(), id="c", state="out_dialling")])
    assert len(one.office.calls) == 0
    incoming.load([replace(kept(CONFIRMED), leg="leg")])
    assert incoming.sides("leg", {}) is not None
    assert incoming.sides("another", {}) is None
    incoming.resume([])
    assert len(one.office.calls) == 0, "its call did not come back"


def test_a_full_journal_costs_a_row_and_not_the_call() -> None:
    class Full:
        def write_call(self, _call: object) -> Awaitable[None]:
            raise WriterFullError("full")

        def keep_calls(self, _calls: object) -> None:
            raise WriterFullError("full")

        async def on_disk(self) -> None:
            raise WriterFullError("full")

        def forget_calls(self, _calls: object) -> None:
            raise WriterFullError("full")

    journal = HandOverJournal(Full())
    asyncio.run(journal.write(kept()))
    asyncio.run(journal.on_disk())
    journal.keep(kept())
    journal.forget([(TENANT, "token")])
    assert journal.lost == 3
