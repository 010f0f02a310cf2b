"""Answers requests: one table for the running exchange, a smaller one for the store alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from trunkline.app import call_queries
from trunkline.app.api_key_handlers import ApiKeyHandlers
from trunkline.app.ban_handlers import BanHandlers
from trunkline.app.call_rows import rows_of
from trunkline.app.conference_handlers import ConferenceHandlers
from trunkline.app.explain_handlers import ExchangeExplaining, StoreExplaining, explain_table
from trunkline.app.extension_handlers import ExtensionHandlers
from trunkline.app.media_handlers import MediaHandlers
from trunkline.app.recording_handlers import RecordingHandlers
from trunkline.app.registration_handlers import RegistrationHandlers
from trunkline.app.registration_rows import away, registered, registration_row
from trunkline.app.status_handlers import StatusHandler
from trunkline.app.subscription_handlers import SubscriptionHandlers
from trunkline.app.tenant_handlers import TenantHandlers, tenant_named
from trunkline.app.trace_handlers import PastTraces, TraceHandlers
from trunkline.app.trunk_handlers import TrunkHandlers
from trunkline.app.waiting_handlers import WaitingHandlers
from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    AddBan,
    AddDomain,
    AddExtension,
    AddTenant,
    CallList,
    ClearBans,
    Command,
    ExportExtensions,
    HangUp,
    HungUp,
    ImportExtensions,
    ListBans,
    ListCalls,
    ListExtensions,
    ListRecords,
    ListRegistrations,
    ListTenants,
    ListTrunks,
    MakeApiKey,
    PastTrace,
    ReadTrace,
    Refused,
    RegistrationList,
    RemoveApiKey,
    RemoveDomain,
    RemoveExtension,
    RemoveRegistrations,
    RemoveTenant,
    Request,
    SetExtension,
    SetTenant,
    ShowApiKey,
    StartTrace,
    Status,
    Stop,
    Stopping,
    StopTrace,
)
from trunkline.model.tenant import SystemScope
from trunkline.pbx.directory import Directory
from trunkline.store.store import Store

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

Handler = Callable[[str, Any], Awaitable[Message]]
HandlerTable = Mapping[type[Request[Any]], Handler]


class StoreHandlers:
    """What can be answered without a running exchange."""

    def __init__(self, store: Store, domain: str, exchange: Exchange | None = None) -> None:
        self._store = store
        self._domain = domain
        self._changes = asyncio.Lock()
        live = exchange.live if exchange is not None else None
        extensions = ExtensionHandlers(store, live)
        tenants = TenantHandlers(store, domain, live)
        keys = ApiKeyHandlers(store)
        self._table: dict[type[Request[Any]], Handler] = {
            AddExtension: extensions.add,
            ListExtensions: extensions.page,
            ExportExtensions: extensions.export,
            SetExtension: extensions.change,
            RemoveExtension: extensions.remove,
            ImportExtensions: extensions.import_rows,
            AddTenant: tenants.add,
            SetTenant: tenants.change,
            ListTenants: tenants.page,
            RemoveTenant: tenants.remove,
            AddDomain: tenants.add_domain,
            RemoveDomain: tenants.remove_domain,
            ShowApiKey: keys.show,
            MakeApiKey: keys.make,
            RemoveApiKey: keys.remove,
            ListRecords: lambda tenant, ask: call_queries.list_records(store, tenant, ask),
            **explain_table(StoreExplaining(store, lambda: load_directory(store, domain))),
            PastTrace: PastTraces(store, exchange).page,
        }

    async def handle(self, message: Request[Any]) -> Message:
        """The reply; raises Refused, and StoreError when the store cannot be used."""
        handler = self._table.get(type(message))
        if handler is None:
            raise Refused("request.unknown", f"{message.type} is not answered here", status=404)
        if not (message.offline and isinstance(message, Command)):
            return await handler(await self._tenant(message.tenant), message)
        # Changes of the store go one after another, so that the exchange hears of them in their order.
        async with self._changes:
            return await handler(await self._tenant(message.tenant), message)

    async def _tenant(self, named: str | None) -> str:
        tenants = await asyncio.to_thread(self._store.tenants.list, SystemScope("a request names its tenant"))
        return tenant_named(named, tenants).id


class ExchangeHandlers(StoreHandlers):
    """All requests, answered by the running exchange."""

    def __init__(self, store: Store, domain: str, exchange: Exchange, operation: HandlerTable) -> None:
        super().__init__(store, domain, exchange)
        self._exchange = exchange
        traces = TraceHandlers(exchange)
        bans = BanHandlers(exchange.fence, exchange.endpoint.now, exchange.wall)
        self._table |= {
            **explain_table(ExchangeExplaining(store, exchange)),
            ListCalls: self._calls,
            ListRecords: self._records,
            ListRegistrations: self._registrations,
            RemoveRegistrations: RegistrationHandlers(exchange.live).remove,
            HangUp: self._hang_up,
            Status: StatusHandler(exchange).show,
            Stop: self._stop,
            StartTrace: traces.start,
            ReadTrace: traces.read,
            StopTrace: traces.stop,
            ListBans: bans.page,
            ListTrunks: TrunkHandlers(exchange.trunking.trunks, exchange.wall).page,
            AddBan: bans.add,
            ClearBans: bans.clear,
            **RecordingHandlers(exchange).table,
            **ConferenceHandlers(exchange).table,
            **MediaHandlers(exchange.engine, moves=exchange.settings.media.rtpengine.moves_per_s > 0).table,
            **WaitingHandlers(exchange.text_queue).table,
            **SubscriptionHandlers(
                exchange.events, exchange.directory, exchange.endpoint.now, exchange.wall
            ).table,
            **exchange.mobile.table,
            **operation,
        }

    async def _calls(self, tenant: str, ask: ListCalls) -> Message:
        calls = [
            call
            for call in self._exchange.calls.active.values()
            if call.tenant == tenant and (ask.after is None or call.id > ask.after)
        ]
        calls.sort(key=lambda call: call.id)  # UUIDv7: by their start
        more = calls[ask.limit - 1].id if len(calls) > ask.limit else None
        return CallList(rows=await rows_of(self._exchange, calls[: ask.limit]), next=more)

    async def _records(self, tenant: str, ask: ListRecords) -> Message:
        # Who asks for a call that has just ended wants to see it.
        await self._exchange.writer.drain()
        return await call_queries.list_records(self._store, tenant, ask)

    async def _registrations(self, tenant: str, ask: ListRegistrations) -> Message:
        exchange = self._exchange
        alive = registered(exchange.location, tenant, ask.number, exchange.context.wall())
        alive += away(exchange.reaching.push, tenant, ask.number)
        alive.sort(key=lambda one: one.user)
        start = int(ask.after) if ask.after is not None and ask.after.isdigit() else 0
        rows = tuple(
            registration_row(one, exchange.reaching.push, exchange.context.wall())
            for one in alive[start : start + ask.limit]
        )
        more = str(start + ask.limit) if len(alive) > start + ask.limit else None
        return RegistrationList(rows=rows, next=more)

    async def _hang_up(self, tenant: str, ask: HangUp) -> Message:
        call = self._exchange.calls.find(tenant, ask.call)
        if call is None:
            raise Refused("call.unknown", f"no call {ask.call[:80]} is up", "trunkline calls lists them", 404)
        legs = sum(not leg.done for leg in call.legs)
        call.tell("call.hung_up_by_operator", "an operator ended the call")
        call.hang_up(code="call.hung_up_by_operator")
        return HungUp(call=call.id, legs=legs)

    async def _stop(self, _tenant: str, ask: Stop) -> Message:
        exchange = self._exchange
        grace = exchange.settings.sip.grace_s if ask.grace_s is None else ask.grace_s
        exchange.request_stop(grace)
        return Stopping(calls=len(exchange.calls.active), grace_s=grace)


def load_directory(store: Store, domain: str) -> Directory:
    """All tenants and extensions; opens every password, to make its HA1s."""
    scope = SystemScope("the directory holds all tenants")
    directory = Directory(store.tenants.list(scope), domain)
    for extension in store.extensions.list(scope, passwords=True):
        directory.put(extension)
    return directory
