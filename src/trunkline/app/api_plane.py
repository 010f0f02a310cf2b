"""The HTTP API put together: who answers, who may ask, how ready everything is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trunkline.app.api_key_handlers import ApiKeyHandlers
from trunkline.app.live_parts import Always, Apply
from trunkline.app.mobile_plans import SIGNING, api_plan, auth_plan, proxy_of
from trunkline.app.push_recipes import contents_of
from trunkline.app.readiness import readiness_of
from trunkline.app.settings.live import LIVE
from trunkline.base.errors import TransportError
from trunkline.base.message_codec import Message
from trunkline.base.messages import Refused, Request
from trunkline.model.tenant import default_of
from trunkline.net.http_client import HttpClient, HttpPlan

if TYPE_CHECKING:
    from trunkline.api.server import ApiChange, ApiServer
    from trunkline.app.exchange import Exchange
    from trunkline.app.handlers import Handler
    from trunkline.app.settings import Settings
    from trunkline.mobile.events import AppEvents, Subscription
    from trunkline.push.notification import Health
    from trunkline.store.store import Store


class Asking:
    """Answers what apps ask, without a look into the store for each: calls are asked about many times a second."""

    def __init__(self, exchange: Exchange, table: Mapping[type[Request[Any]], Handler]) -> None:
        self._exchange = exchange
        self._table = table

    async def __call__(self, request: Request[Any]) -> Message:
        handler = self._table.get(type(request))
        if handler is None:
            raise Refused("request.unknown", f"{request.type} is not answered here", status=404)
        return await handler(self.tenant(request.tenant), request)

    def tenant(self, named: str | None) -> str:
        """The id of a token's tenant, the default one for None. Refused for one that was removed."""
        directory = self._exchange.directory
        if named is not None and directory.holds(named):
            return named
        default = default_of(directory.tenants) if named is None else None
        if default is None:
            raise Refused("token.tenant", "the token's tenant is not here any more", "get a new token", 401)
        return default.id


class OwnersEvents:
    """``api.ports.Events``: the live channel, with the tenant of a token."""

    def __init__(self, events: AppEvents, asking: Asking) -> None:
        self._events = events
        self._asking = asking

    def subscribe(self, tenant: str | None, owner: str, device_id: str, after: int | None) -> Subscription:
        """See ``AppEvents.subscribe``."""
        return self._events.subscribe(self._asking.tenant(tenant), owner, device_id, after)


class GatewayReadiness:
    """``api.ports.Readiness``."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def reasons(self) -> Sequence[str]:
        """Why new calls should go elsewhere."""
        return readiness_of(self._exchange).reasons

    def push(self) -> Sequence[Health]:
        """How each push service does."""
        return self._exchange.push.health()

    def vapid(self) -> str:
        """What apps subscribe to Web Push with."""
        return self._exchange.push.vapid


def api_server(
    settings: Settings, exchange: Exchange, store: Store, fetch: Fetching | None = None
) -> ApiServer | None:
    """The server that the settings want. Raises ConfigError for secrets that are not where they should be.

    ``fetch`` gets documents of the issuer, where there is one.
    """
    plan = api_plan(settings)
    if plan is None:
        return None
    from trunkline.api.server import ApiServer  # noqa: PLC0415  (a second and 15 MB, for those who serve an API)

    asking = Asking(exchange, exchange.mobile.table)
    auth = auth_plan(settings, store.box.derive(SIGNING), asking.tenant(None))
    server = ApiServer(
        plan,
        auth,
        asking,
        OwnersEvents(exchange.mobile.events, asking),
        GatewayReadiness(exchange),
        tenant_of_key=ApiKeyHandlers(store).tenant_of,
        fetch=fetch,
    )
    exchange.mobile.crowds = server.doorway
    return server


class Fetching:
    """Documents of the issuer that the operator has named. ``of`` is all that the way there depends on."""

    def __init__(self, settings: Settings) -> None:
        auth, ca = settings.auth, settings.push.ca
        named = tuple(url for url in (auth.issuer, auth.jwks_url) if url)
        plan = HttpPlan(named=named, ca_file=Path(ca).expanduser() if ca else None, proxy=proxy_of(settings))
        self.of: object = (plan, contents_of(plan.ca_file))
        self._client = HttpClient(plan)

    async def __call__(self, url: str) -> object:
        """The JSON there; raises TransportError."""
        answer = await self._client.get(url, {"Accept": "application/json"})
        if answer.status != 200:
            raise TransportError(f"the issuer answered {answer.status}")
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise TransportError("the issuer answered no JSON") from error

    async def close(self) -> None:
        """End connections."""
        await self._client.close()


def fetching_of(settings: Settings) -> Fetching | None:
    """None without an issuer. Raises ConfigError."""
    return Fetching(settings) if settings.auth.issuer else None


class Api(Always):
    """The API while it runs: who may ask, how often, from where.

    Secrets are read anew with every reload, also from files whose names are the same.
    """

    keys = frozenset(key for key in LIVE if key.startswith(("api.", "auth.")))

    def __init__(self, exchange: Exchange, store: Store) -> None:
        self._exchange = exchange
        self._store = store
        self._fetch: Fetching | None = None
        self.server: ApiServer | None = None

    async def start(self, settings: Settings) -> None:
        """Serve, if the settings want it; raises ConfigError and TransportError."""
        if settings.api.address is None:
            return
        self._fetch = fetching_of(settings)
        server = api_server(settings, self._exchange, self._store, self._fetch)
        if server is not None:
            await server.start()
            self.server = server

    async def stop(self) -> None:
        """End it; harmless when it was not begun."""
        server, self.server = self.server, None
        if server is not None:
            await server.stop()
        if self._fetch is not None:
            await self._fetch.close()

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        server = self.server
        if server is None:
            return self._without_server(new, changed)
        fetch = await asyncio.to_thread(fetching_of, new)
        anew = _way(fetch) != _way(self._fetch)
        if not anew:
            fetch = self._fetch
        change = await asyncio.to_thread(self._change, server, new, fetch, anew=anew)

        async def apply() -> str:
            old, self._fetch = self._fetch, fetch
            self._tell_address(new, changed)
            cut = await server.take(change)
            if anew and old is not None:
                await old.close()
            return f"live channels and waiting requests ended with their tokens: {cut}" if cut else ""

        return apply

    async def check(self, new: Settings, changed: frozenset[str]) -> None:
        if self.server is not None:
            fetch = await asyncio.to_thread(fetching_of, new)
            await asyncio.to_thread(self._change, self.server, new, fetch, anew=False)

    def _without_server(self, new: Settings, changed: frozenset[str]) -> Apply:
        async def apply() -> str:
            self._tell_address(new, changed)
            return ""

        return apply

    def _tell_address(self, new: Settings, changed: frozenset[str]) -> None:
        if "api.public_url" in changed:  # pushes carry it
            self._exchange.mobile.adjust(new)

    def _change(self, server: ApiServer, new: Settings, fetch: Fetching | None, *, anew: bool) -> ApiChange:
        plan = api_plan(new)
        assert plan is not None  # noqa: S101  (where to listen waits for a restart)
        auth = auth_plan(new, self._store.box.derive(SIGNING), server.doorway.auth.default_tenant)
        return server.prepared(plan, auth, fetch, anew=anew)


def _way(fetch: Fetching | None) -> object:
    return fetch.of if fetch is not None else None
