"""Answers about calls and registrations that were, are, or are only described."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trunkline.app import call_queries
from trunkline.app.explain.calls import explain_described
from trunkline.app.explain.history import history_of
from trunkline.app.explain.registers import explain_register
from trunkline.app.explain.view import View
from trunkline.app.explain.viewing import view_of, view_of_store
from trunkline.base.messages import (
    ExplainCall,
    ExplainNumber,
    ExplainRegister,
    Explanation,
    RecentRegisters,
    RegisterHistory,
    Request,
)
from trunkline.pbx.directory import Directory
from trunkline.store.store import Store

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange
    from trunkline.app.handlers import Handler


class StoreExplaining:
    """Without an exchange: what the store tells. ``load`` makes the directory, which takes a while."""

    def __init__(self, store: Store, load: Callable[[], Directory]) -> None:
        self._store = store
        self._load = load

    async def call(self, tenant: str, ask: ExplainCall) -> Explanation:
        return await call_queries.explain_past(self._store, tenant, ask)

    async def number(self, tenant: str, ask: ExplainNumber) -> Explanation:
        return explain_described(await self._view(), tenant, ask)

    async def register(self, tenant: str, ask: ExplainRegister) -> Explanation:
        return explain_register(await self._view(), tenant, ask)

    async def recent(self, tenant: str, ask: RecentRegisters) -> RegisterHistory:
        return history_of(await self._view(), tenant, ask, None)

    async def _view(self) -> View:
        return await asyncio.to_thread(lambda: view_of_store(self._store, self._load()))


class ExchangeExplaining(StoreExplaining):
    """With a running one: the very objects that calls and REGISTERs meet."""

    def __init__(self, store: Store, exchange: Exchange) -> None:
        super().__init__(store, lambda: exchange.directory)
        self._exchange = exchange

    async def call(self, tenant: str, ask: ExplainCall) -> Explanation:
        call = self._exchange.calls.find(tenant, ask.call)
        if call is not None:
            return call_queries.explain_live(call)
        await self._exchange.writer.drain()
        return await super().call(tenant, ask)

    async def recent(self, tenant: str, ask: RecentRegisters) -> RegisterHistory:
        return history_of(await self._view(), tenant, ask, self._exchange.attempts)

    async def _view(self) -> View:
        return view_of(self._exchange)


def explain_table(explaining: StoreExplaining) -> dict[type[Request[Any]], Handler]:
    """What it answers."""
    return {
        ExplainCall: explaining.call,
        ExplainNumber: explaining.number,
        ExplainRegister: explaining.register,
        RecentRegisters: explaining.recent,
    }
