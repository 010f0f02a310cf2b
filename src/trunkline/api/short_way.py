"""The short way to routes that need little of the framework: a token, a name in the path, at most a JSON body.

Most of what a small request costs is the framework: dependencies, stacks of contexts, one layer in another. These
routes are called straight from here, with what the framework would call them with. What is not plain goes on to it: it
alone has the words for what is wrong: another method, a query, an unusual header, a body that is not as it should be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, get_args, get_type_hints

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkline.api.asking import Asking, Doorway, Gone, is_asking
from trunkline.api.guarded import GuardedRoute
from trunkline.api.problems import refused
from trunkline.base.messages import Refused

Key: TypeAlias = tuple[str, str]
_NAMED: Final = 3  # of "/v1/calls/{call_token}/accept", cut at each slash
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Way:
    """A route, and the names that its function has for the asking, the path's part and the body ("": it has none)."""

    route: GuardedRoute
    call: Callable[..., Coroutine[Any, Any, Response]]
    who: str
    named: str
    body: str
    model: type[BaseModel] | None
    needs_body: bool


class ShortWay:
    """An ASGI application in front of another, the framework's, with ``ways`` past it."""

    def __init__(self, app: ASGIApp, doorway: Doorway, ways: dict[Key, Way]) -> None:
        self._app = app
        self._doorway = doorway
        self._ways = ways

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket."""
        way, name = self._way(scope) if scope["type"] == "http" and not scope["query_string"] else (None, "")
        if way is None:
            await self._app(scope, receive, send)
            return
        heads = _Heads(scope)
        if way.model is not None and not heads.are_of_json(way):
            await self._app(scope, receive, send)
            return
        await self._take(way, name, heads, scope, receive, send)

    def _way(self, scope: Scope) -> tuple[Way | None, str]:
        method, path, prefix = scope["method"], scope["path"], scope.get("root_path", "")
        if prefix:
            path = path.removeprefix(prefix)
        way = self._ways.get((method, path))
        if way is not None:
            return (way, "") if not way.named else (None, "")
        parts = path.split("/", _NAMED + 2)
        if len(parts) <= _NAMED or not parts[_NAMED]:
            return None, ""
        name, parts[_NAMED] = parts[_NAMED], "{}"
        return self._ways.get((method, "/".join(parts))), name

    async def _take(
        self, way: Way, name: str, heads: _Heads, scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope["route"] = way.route  # what a fault of ours is told with
        try:
            principal = await self._doorway.auth.by_header(heads.authorization, _source(scope))
            scope.setdefault("state", {})["principal"] = principal
            fields: dict[str, Any] = {way.who: Asking(self._doorway, principal, Request(scope, receive))}
            if way.named:
                fields[way.named] = name
            if way.model is not None and heads.has_body:
                raw = await _whole(receive)
                try:
                    fields[way.body] = _read(way.model, raw)
                except (ValueError, RecursionError):
                    # Whose token it is was asked, and is not asked twice; what is wrong is told by the framework.
                    await self._app(scope, _Again(raw, receive), send)
                    return
            reply = await way.call(**fields)
        except Refused as error:
            reply = refused(error)
        await reply(scope, receive, send)


class _Heads:
    """The headers that matter here. Of several of one name the first counts, as in the framework."""

    __slots__ = ("_chunked", "_kind", "_length", "authorization")

    def __init__(self, scope: Scope) -> None:
        found: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            found.setdefault(name, value)
        self.authorization = found.get(b"authorization", b"").decode("latin-1")
        self._kind = found.get(b"content-type", b"").decode("latin-1")
        self._length = found.get(b"content-length", b"0")
        self._chunked = b"transfer-encoding" in found

    @property
    def has_body(self) -> bool:
        return self._length != b"0"

    def are_of_json(self, way: Way) -> bool:
        """Whether the body, or that there is none, is as usual."""
        if self._chunked:
            return False
        if self.has_body:
            return self._kind == _JSON or self._kind.startswith(f"{_JSON};")
        return not way.needs_body


class _Again:
    """The body once more, for the framework."""

    __slots__ = ("_raw", "_receive")

    def __init__(self, raw: bytes, receive: Receive) -> None:
        self._raw: bytes | None = raw
        self._receive = receive

    async def __call__(self) -> Message:
        raw, self._raw = self._raw, None
        if raw is None:
            return await self._receive()
        return {"type": "http.request", "body": raw, "more_body": False}


async def _whole(receive: Receive) -> bytes:
    """The body; how large it may be, and how long it may take, is seen to before us. Raises Gone."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _read(model: type[BaseModel], raw: bytes) -> BaseModel:
    """Raises ValueError (pydantic's is one) and RecursionError for what is not as it should be."""
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004  (as for everything else that is wrong)
    return model.model_validate(value)


def _source(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def ways_of(routes: Iterable[BaseRoute]) -> dict[Key, Way]:
    """Ways to those of ``routes`` that need no more than is known here; they must be all that there are, in order."""
    found: dict[Key, Way] = {}
    taken: set[Key] = set()
    for route in routes:
        for method in getattr(route, "methods", None) or ():
            key = (method, _shape(route))
            way = _way_to(route) if isinstance(route, GuardedRoute) else None
            if way is not None and key not in taken:
                found[key] = way
            taken.add(key)
    return found


def _shape(route: BaseRoute) -> str:
    """The path, with "{}" for the name in it."""
    parts = str(getattr(route, "path", "")).split("/")
    if len(parts) > _NAMED and parts[_NAMED].startswith("{"):
        parts[_NAMED] = "{}"
    return "/".join(parts)


def _way_to(route: GuardedRoute) -> Way | None:
    needs = route.dependant
    named, bodies, given = needs.path_params, needs.body_params, needs.dependencies
    if (
        "{" in _shape(route).replace("/{}", "")
        or needs.header_params
        or needs.cookie_params
        or any(one.field_info.is_required() for one in needs.query_params)
        or len(given) != 1
        or not is_asking(given[0].call)
        or any(one.field_info.annotation is not str or one.field_info.metadata for one in named)
    ):
        return None
    body = bodies[0].name if bodies else ""
    return Way(
        route=route,
        call=route.endpoint,
        who=given[0].name or "",
        named=named[0].name if named else "",
        body=body,
        model=_model(get_type_hints(route.endpoint)[body]) if body else None,
        needs_body=bool(bodies) and bodies[0].field_info.is_required(),
    )


def _model(kind: Any) -> type[BaseModel]:
    """``Model`` of ``Model`` or ``Model | None``."""
    return next(
        one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)
    )
