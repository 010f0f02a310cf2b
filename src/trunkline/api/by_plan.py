"""Layers around the application that are made of the plan, and made anew when the plan is another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from trunkline.api.asking import Doorway
from trunkline.api.plan import ApiPlan


class ByPlan:
    """An ASGI application: what ``make`` makes of ``app`` for the plan that holds now."""

    def __init__(self, app: ASGIApp, doorway: Doorway, make: Callable[[ASGIApp, ApiPlan], ASGIApp]) -> None:
        self._app = app
        self._doorway = doorway
        self._make = make
        self._plan = doorway.plan
        self._layer = make(app, self._plan)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request or WebSocket. No coroutine of its own: every request passes here."""
        if self._plan is not self._doorway.plan:
            self._plan = self._doorway.plan
            self._layer = self._make(self._app, self._plan)
        return self._layer(scope, receive, send)


def for_pages(app: ASGIApp, plan: ApiPlan) -> ASGIApp:
    """Pages of ``plan.origins`` may ask."""
    if not plan.origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=plan.origins,
        allow_methods=("GET", "POST", "PATCH", "DELETE"),
        allow_headers=("Authorization", "Idempotency-Key", "Prefer", "Last-Event-ID"),
        expose_headers=("Retry-After", "Location", "Preference-Applied"),
    )


def behind_proxies(app: ASGIApp, plan: ApiPlan) -> ASGIApp:
    """What ``plan.proxies`` say of the client is believed."""
    if not plan.proxies:
        return app
    # Their types are made for the same protocol, and name it in another way.
    return ProxyHeadersMiddleware(app, list(plan.proxies))  # type: ignore[arg-type,return-value]
