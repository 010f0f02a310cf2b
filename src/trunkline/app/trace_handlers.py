"""Answers about traces: live ones of the running exchange, and what was kept of calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from trunkline.app.trace.archive import kept_messages
from trunkline.app.trace.live import LEASE_S, Wanted
from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    PastTrace,
    ReadTrace,
    Refused,
    StartTrace,
    StopTrace,
    TracedMessage,
    TracePage,
    TraceStarted,
    TraceStopped,
)
from trunkline.call.call import Call
from trunkline.model.tenant import TenantScope
from trunkline.store.errors import AmbiguousError
from trunkline.store.store import Store

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

_PAGE_BYTES = 4 << 20


class PastTraces:
    """Looks up what was kept; serves without a running exchange too."""

    def __init__(self, store: Store, exchange: Exchange | None) -> None:
        self._store = store
        self._folder = store.database.path.parent
        self._exchange = exchange

    async def page(self, tenant: str, ask: PastTrace) -> TracePage:
        """A page of a call's messages."""
        call = self._exchange.calls.find(tenant, ask.call) if self._exchange is not None else None
        if call is not None:
            known = {leg.outcome.sip_call_id for leg in call.legs}
        else:
            call, known = None, await self._legs(tenant, ask.call)
        if self._exchange is not None:
            await self._exchange.tracing.flush()
        # Whoever was refused before a call was made has no record: its Call-ID is all there is.
        found = await asyncio.to_thread(kept_messages, self._folder, known or {ask.call})
        if not found:
            raise _nothing(ask.call, known=bool(known), up=call is not None)
        start = int(ask.after) if ask.after is not None and ask.after.isdigit() else 0
        rows = _first(found[start:], ask.limit)
        more = str(start + len(rows)) if start + len(rows) < len(found) else None
        return TracePage(rows=rows, next=more, over=call is None)

    async def _legs(self, tenant: str, key: str) -> set[str]:
        if self._exchange is not None:
            await self._exchange.writer.drain()
        try:
            legs = await asyncio.to_thread(self._store.records.find, TenantScope(tenant), key)
        except AmbiguousError as error:
            raise Refused("call.ambiguous", str(error), "give more of the id") from None
        return {leg.sip_call_id for leg in legs if leg.sip_call_id}


class TraceHandlers:
    """Live traces of the running exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def start(self, tenant: str, ask: StartTrace) -> Message:
        """Begin one."""
        wanted = Wanted(self._call(tenant, ask.call), ask.number, ask.sip_call_id)
        return TraceStarted(
            trace=self._exchange.tracing.live.start(wanted, bodies=ask.bodies), lease_s=LEASE_S
        )

    async def read(self, _tenant: str, ask: ReadTrace) -> Message:
        """What it gathered."""
        return await self._exchange.tracing.live.read(ask.trace, ask.wait_s)

    async def stop(self, _tenant: str, ask: StopTrace) -> Message:
        """End it."""
        self._exchange.tracing.live.stop(ask.trace)
        return TraceStopped(trace=ask.trace)

    def _call(self, tenant: str, text: str | None) -> Call | None:
        if text is None:
            return None
        call = self._exchange.calls.find(tenant, text)
        if call is None:
            raise Refused("call.unknown", f"no call {text[:80]} is up", "trunkline calls lists them", 404)
        return call


def _first(messages: list[TracedMessage], limit: int) -> tuple[TracedMessage, ...]:
    """As many as a page may hold, one at least."""
    rows: list[TracedMessage] = []
    size = 0
    for message in messages[: max(1, limit)]:
        size += len(message.data)
        if rows and size > _PAGE_BYTES:
            break
        rows.append(message)
    return tuple(rows)


def _nothing(text: str, *, known: bool, up: bool) -> Refused:
    if up:
        return Refused("trace.nothing_yet", f"nothing was kept of call {text[:80]}", "trace what comes", 404)
    if known:
        hint = "`trunkline up --trace` keeps the messages of calls"
        return Refused("trace.not_kept", f"nothing was kept of call {text[:80]}", hint, 404)
    return Refused("call.unknown", f"there is no call {text[:80]}", "trunkline records lists the calls", 404)
