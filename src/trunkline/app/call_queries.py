"""Records and explanations, with or without a running exchange."""

from __future__ import annotations

import asyncio
from typing import Any

from trunkline.app.explain.hints import hint_of
from trunkline.app.explain.stages import stage_of
from trunkline.base.messages import (
    ExplainCall,
    Explanation,
    ListRecords,
    RecordList,
    RecordRow,
    Refused,
    StoryStep,
)
from trunkline.call.call import Call
from trunkline.model.record import CallRecord
from trunkline.model.tenant import TenantScope
from trunkline.store.errors import AmbiguousError
from trunkline.store.store import Store


async def list_records(store: Store, tenant: str, ask: ListRecords) -> RecordList:
    """Newest first; the cursor is the number of rows already given."""
    start = int(ask.after) if ask.after is not None and ask.after.isdigit() else 0
    rows = await asyncio.to_thread(
        store.records.list,
        TenantScope(tenant),
        limit=min(start + ask.limit + 1, 10_000),
        number=ask.number,
        since=ask.since,
    )
    page = rows[start : start + ask.limit]
    more = str(start + ask.limit) if len(rows) > start + ask.limit else None
    return RecordList(rows=tuple(record_row(one) for one in page), next=more)


async def explain_past(store: Store, tenant: str, ask: ExplainCall) -> Explanation:
    """A call that is over; refused with ``call.unknown`` or ``call.ambiguous``."""
    try:
        legs = await asyncio.to_thread(store.records.find, TenantScope(tenant), ask.call)
    except AmbiguousError as error:
        raise Refused("call.ambiguous", str(error), "give more of the id") from None
    if not legs:
        raise Refused(
            "call.unknown",
            f"there is no call {ask.call[:80]}",
            "trunkline records lists the calls; where a number leads: trunkline explain NUMBER --from NUMBER",
            404,
        )
    first = next((leg for leg in legs if leg.direction == "in"), legs[0])
    return Explanation(
        subject=f"{first.caller} called {first.callee}",
        outcome=first.code,
        text=f"{first.reason}, ended by {first.ended_by or 'nobody'}",
        status=first.status,
        steps=tuple(_steps(first.story, first.caller, first.callee)),
        legs=tuple(record_row(leg) for leg in legs),
    )


def explain_live(call: Call) -> Explanation:
    """A call that is up: its story so far."""
    return Explanation(
        subject=f"{call.caller.number} calls {call.callee}",
        outcome=call.story.last_code,
        text="the call is up",
        steps=tuple(_steps(call.story.as_list(), call.caller.number, call.callee)),
    )


def record_row(record: CallRecord) -> RecordRow:
    """A record as the command line shows it."""
    return RecordRow(
        record.id,
        record.call,
        record.direction,
        record.caller,
        record.callee,
        record.target,
        record.started_at,
        record.ended_at,
        record.answered_at,
        record.status,
        record.reason,
        record.code,
        record.q850,
        record.ended_by,
        record.sip_call_id,
        record.quality,
        tuple(_steps(record.story, record.caller, record.callee)),
    )


def _steps(story: list[dict[str, Any]], caller: str = "", callee: str = "") -> list[StoryStep]:
    return [
        StoryStep(
            step["ms"],
            step["code"],
            step["text"],
            {key: value for key, value in step.items() if key not in {"ms", "code", "text"}},
            stage_of(step["code"]),
            _named(
                hint_of(step["code"], step["text"], step),
                caller if step["code"] == "limit.caller" else callee,
            ),
        )
        for step in story
    ]


def _named(hint: str, number: str) -> str:
    """A hint about the number that it is about, where that is known."""
    return hint.replace("NUMBER", number) if number else hint
