"""The application: every route, and what stands before them."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

import trunkline
from trunkline.api import problems
from trunkline.api.asking import Doorway
from trunkline.api.auth import Auth
from trunkline.api.boundary import Boundary
from trunkline.api.by_plan import ByPlan, for_pages
from trunkline.api.crowds import Crowd, Sources
from trunkline.api.limits import Limits
from trunkline.api.openapi import openapi
from trunkline.api.plan import ApiPlan, AuthPlan
from trunkline.api.ports import Ask, Events, FetchJson, Readiness, TenantOfKey
from trunkline.api.short_way import ShortWay, ways_of
from trunkline.api.stays import Stays
from trunkline.api.v1 import ROUTERS
from trunkline.base.messages import Refused

_DOCUMENT: Final = "/openapi.json"


def open_doorway(
    plan: ApiPlan,
    auth_plan: AuthPlan,
    ask: Ask,
    events: Events,
    readiness: Readiness,
    tenant_of_key: TenantOfKey | None = None,
    fetch: FetchJson | None = None,
) -> Doorway:
    """What all requests share. ``fetch`` gets the keys of another issuer, where there is one."""
    limits = Limits(plan.limits)
    each, together = plan.limits.streams_each, plan.limits.streams
    return Doorway(
        plan=plan,
        ask=ask,
        events=events,
        auth=Auth(auth_plan, limits, tenant_of_key, fetch),
        limits=limits,
        readiness=readiness,
        waits=Crowd("requests that wait", plan.limits.waits_each, together),
        streams=Crowd("event channels", each, together),
        sources=Sources(plan.limits.connections_each, plan.max_connections, plan.proxies),
        closing=asyncio.Event(),
        stays=Stays(),
    )


class Api:
    """The whole API: an ASGI application. What needs little of ``framework`` never gets there."""

    def __init__(self, doorway: Doorway) -> None:
        self.framework = _framework(doorway)
        short = ShortWay(self.framework, doorway, ways_of(self.framework.routes))
        self._outermost = Boundary(ByPlan(short, doorway, for_pages), doorway)
        self.describe(document_of(doorway.plan))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket."""
        await self._outermost(scope, receive, send)

    def describe(self, document: Response | None) -> None:
        """Serve this description of it from now on."""
        routes = self.framework.router.routes
        routes[:] = [one for one in routes if getattr(one, "path", "") != _DOCUMENT]
        if document is None:
            return

        async def described(_request: Request) -> Response:
            return document

        self.framework.add_route(_DOCUMENT, described, include_in_schema=False)


def _framework(doorway: Doorway) -> FastAPI:
    app = FastAPI(
        title="Trunkline",
        version=trunkline.__version__,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.doorway = doorway
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    app.add_exception_handler(Refused, problems.on_refused)
    app.add_exception_handler(HTTPException, problems.on_http)
    app.add_exception_handler(RequestValidationError, problems.on_invalid)
    app.add_exception_handler(Exception, problems.on_fault)
    return app


def document_of(plan: ApiPlan) -> Response | None:
    """The description of the API, None when it is not to be served. It takes a while."""
    return JSONResponse(openapi(plan)) if plan.docs else None
