"""The HTTP API put together: who answers, who may ask, how ready everything is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trunkline.app.api_key_handlers import ApiKeyHandlers
from trunkline.app.mobile_plans import SIGNING, api_plan, auth_plan, proxy_of
from trunkline.app.readiness import readiness_of
from trunkline.base.errors import TransportError
from trunkline.base.message_codec import Message
from trunkline.base.messages import Refused, Request
from trunkline.model.tenant import default_of
from trunkline.net.http_client import HttpClient, HttpPlan

if TYPE_CHECKING:
    from trunkline.api.server import ApiServer
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


def api_server(settings: Settings, exchange: Exchange, store: Store) -> ApiServer | None:
    """The server that the settings want. Raises ConfigError for secrets that are not where they should be."""
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
        fetch=_fetching(settings) if auth.oidc is not None else None,
    )
    exchange.mobile.crowds = server.doorway
    return server


class _Fetching:
    """Documents of the issuer that the operator has named."""

    def __init__(self, plan: HttpPlan) -> None:
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


def _fetching(settings: Settings) -> _Fetching:
    auth = settings.auth
    named = tuple(url for url in (auth.issuer, auth.jwks_url) if url)
    ca = Path(settings.push.ca).expanduser() if settings.push.ca else None
    return _Fetching(HttpPlan(named=named, ca_file=ca, proxy=proxy_of(settings)))
