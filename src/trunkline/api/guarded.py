"""Routes that look at the token before they look at anything else, and at the content type before the body."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trunkline.api.asking import doorway_of, source_of
from trunkline.base.messages import Refused

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class JsonRoute(APIRoute):
    """A route whose body, where it has one, must be called JSON (415), and that is told nothing twice (422)."""

    def get_route_handler(self) -> Handler:
        """Called once, when the route is made."""
        original = super().get_route_handler()
        body = self.body_field
        named = [each.alias for each in self.dependant.query_params]

        async def handler(request: Request) -> Response:
            if body is not None and not _is_json(request, required=body.field_info.is_required()):
                raise HTTPException(415)
            _check_once(request, named)
            return await original(request)

        return handler


class OpenRoute(JsonRoute):
    """A route for those without a token, who may not ask too often."""

    def get_route_handler(self) -> Handler:
        """Called once, when the route is made."""
        original = super().get_route_handler()

        async def handler(request: Request) -> Response:
            doorway_of(request).auth.admit(source_of(request))
            return await original(request)

        return handler


class GuardedRoute(JsonRoute):
    """A route for those with a token, which is looked at before the body is."""

    def get_route_handler(self) -> Handler:
        """Called once, when the route is made."""
        original = super().get_route_handler()

        async def handler(request: Request) -> Response:
            if not hasattr(request.state, "principal"):  # else it was asked for on the short way
                value = request.headers.get("authorization", "")
                auth = doorway_of(request).auth
                request.state.principal = await auth.by_header(value, source_of(request))
            return await original(request)

        return handler


def _check_once(request: Request, names: list[str]) -> None:
    """Which of two values counts is read differently by different programs on the way."""
    for name in names:
        if len(request.query_params.getlist(name)) > 1:
            raise Refused("request.invalid", f"{name}: given more than once", "", 422)


def _is_json(request: Request, *, required: bool) -> bool:
    """Whether the body may be read as JSON: it says so, or there is none and none is needed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return True
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    return not required and not has_body
