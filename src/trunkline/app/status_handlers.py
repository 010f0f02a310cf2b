"""How the exchange is, at a glance: its state, what it carries, and what deserves a look."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from trunkline import __version__
from trunkline.app.media_plane import media_rows
from trunkline.app.mobile_status import mobile_facts, mobile_troubles, unset_troubles
from trunkline.base.messages import ExchangeStatus, ListenerRow, Status
from trunkline.trunking.trunk import Trunk
from trunkline.ua.overload import Load

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

_UP: Final = frozenset({"registered", "reachable"})
_NOT_KNOWN_YET: Final = frozenset({"unknown", "registering"})
_LOADS: Final = {Load.NORMAL: "normal", Load.CALLS: "calls_refused", Load.ALL_NEW: "all_refused"}


class StatusHandler:
    """Of the whole exchange, or of the one tenant that is asked for."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def show(self, tenant: str, ask: Status) -> ExchangeStatus:
        """``tenant`` is an id; only what a request names by itself makes the status a tenant's."""
        state = self._whole()
        owner = None if ask.tenant is None else tenant
        if owner is not None:
            state = self._of_tenant(state, owner)
        trunks = [one for one in self._exchange.trunking.trunks if owner in {None, one.plan.tenant}]
        apps = mobile_facts(self._exchange, owner)
        return replace(
            state,
            **apps,
            trunks=len(trunks),
            trunks_up=sum(one.is_up for one in trunks),
            texts=sum(lane.count for lane in self._exchange.text_queue.lanes(owner)),
            warnings=(
                *state.warnings,
                *troubles(trunks),
                *mobile_troubles(apps),
                *unset_troubles(self._exchange, owner),
            ),
        )

    def _whole(self) -> ExchangeStatus:
        exchange = self._exchange
        counters = exchange.engine.snapshot()
        return ExchangeStatus(
            version=__version__,
            pid=os.getpid(),
            state=exchange.state,
            started_at=exchange.started_at,
            uptime_s=exchange.context.wall() - exchange.started_at,
            domain=exchange.settings.domain,
            data=str(exchange.data),
            node=exchange.settings.node,
            listeners=tuple(
                ListenerRow(f"{one.transport.lower()}:{one.address}", one.role, one.sent_by)
                for one in exchange.net.listeners
            ),
            extensions=sum(len(tenant.extensions) for tenant in exchange.directory.tenants),
            registrations=exchange.location.count,
            calls=len(exchange.calls.active),
            ports_open=counters.ports_open,
            ports_free=counters.ports_free,
            warnings=tuple(exchange.warnings()),
            subscriptions=exchange.events.notifier.count,
            load=_LOADS[exchange.endpoint.overload.level],
            media=media_rows(exchange.engine),
            kernel=counters.kernel,
        )

    def _of_tenant(self, state: ExchangeStatus, tenant: str) -> ExchangeStatus:
        exchange, now = self._exchange, self._exchange.context.wall()
        entry = next(one for one in exchange.directory.tenants if one.id == tenant)
        watched = exchange.events.notifier.subscriptions.values()
        return replace(
            state,
            tenant=entry.name,
            domain=entry.domain,
            extensions=len(entry.extensions),
            registrations=sum(one.tenant == tenant and one.expires_at > now for one in exchange.location),
            calls=sum(call.tenant == tenant for call in exchange.calls.active.values()),
            subscriptions=sum(one.watch.tenant == tenant for one in watched),
        )


def troubles(trunks: list[Trunk]) -> Iterator[str]:
    """A line for each trunk that calls can hardly go out by."""
    for one in trunks:
        state = one.state
        if state in _UP and one.reachable is False:
            state = "registered, but not reachable"
        elif state in _UP or state in _NOT_KNOWN_YET:
            continue
        trouble = one.trouble or (one.registration.trouble if one.registration is not None else "")
        why = f" ({trouble})" if trouble and trouble != state else ""
        yield f"the trunk {one.plan.name} is {_PHRASES.get(state, state)}{why}: trunkline trunks tells more"


_PHRASES: Final = {
    "authentication failed": "refused: its password or user name is wrong",
    "failed": "not registered",
}
