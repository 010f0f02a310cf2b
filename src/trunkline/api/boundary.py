"""What every request passes before the routes: the prefix, sizes, times, headers, and the end of all errors."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from trunkline.api.asking import Doorway, Gone
from trunkline.api.limits import TooMany, source_key
from trunkline.api.plan import ApiPlan
from trunkline.api.problems import problem, refused

log = structlog.get_logger("api")

_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_LAST: Final = {"websocket.close", "websocket.http.response.start"}
_FAILED: Final = 1011  # RFC 6455 §7.4.1
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


class Refusal(Exception):  # noqa: N818  (it carries a status through the framework, which must not catch it as its own)
    """The request is too large (413) or too slow (408)."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Boundary:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, doorway: Doorway) -> None:
        self._app = app
        self._doorway = doorway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or WebSocket."""
        if scope["type"] in {"http", "websocket"}:
            self._place(scope)
            try:
                await self._counted(scope, receive, send)
            except TooMany as error:
                await self._refuse(error, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request or WebSocket of the client that a trusted proxy names, or of the peer. Raises TooMany."""
        key, crowd = (
            source_key(scope["client"][0] if scope.get("client") else ""),
            self._doorway.sources.requests,
        )
        crowd.enter(key)
        try:
            await self._pass(scope, receive, send)
        finally:
            crowd.leave(key)

    async def _refuse(self, error: TooMany, scope: Scope, receive: Receive, send: Send) -> None:
        reply = refused(error)
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(reply)
        else:
            await reply(scope, receive, _Passage(self._app, self._doorway.plan, scope, receive, send).send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _Passage(self._app, self._doorway.plan, scope, receive, send).pass_through()
        else:
            await self._converse(scope, receive, send)

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One WebSocket, closed whatever happens."""
        closed = False

        async def sent(message: Message) -> None:
            nonlocal closed
            closed = closed or message["type"] in _LAST
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception:
            log.exception("an event channel failed", route=_route(scope))
            if not closed:
                await send({"type": "websocket.close", "code": _FAILED})  # 403 before it was accepted

    def _place(self, scope: Scope) -> None:
        """Under our prefix, whether the proxy has cut it off or not."""
        prefix = self._doorway.plan.root_path.rstrip("/")
        if not prefix:
            return
        scope["root_path"] = prefix
        path = scope["path"]
        if path != prefix and not path.startswith(prefix + "/"):
            scope["path"] = prefix + path


class _Passage:
    """One HTTP request on its way."""

    def __init__(self, app: ASGIApp, plan: ApiPlan, scope: Scope, receive: Receive, send: Send) -> None:
        self._app = app
        self._plan = plan
        self._scope = scope
        self._receive = receive
        self._send = send
        self._read = 0
        self._until: float | None = None
        self._whole = False
        self._started = False
        self._refusal = 0

    async def pass_through(self) -> None:
        """Answer it, whatever happens."""
        try:
            if self._announced() > self._plan.max_body:
                await self._answer(413)
            else:
                await self._app(self._scope, self.receive, self.send)
        except Refusal as refusal:
            await self._answer(refusal.status)
        except Gone:
            pass  # there is nobody to tell
        except Exception:
            log.exception("an API request failed", method=self._scope["method"], route=_route(self._scope))
            await self._answer(500)

    async def _answer(self, status: int) -> None:
        if not self._started:
            closing = {"Connection": "close"} if status in {408, 413} else {}
            await problem(status, headers=closing)(self._scope, self._receive, self.send)

    def _announced(self) -> int:
        for name, value in self._scope["headers"]:
            if name == b"content-length":
                return int(value)  # the parser has seen that it is a number
        return 0

    async def receive(self) -> Message:
        """The body bounded in size and time; what comes after it is only that the client leaves."""
        if self._whole:
            return await self._receive()
        if self._until is None:  # for all of it: whoever sends a byte at a time must not be waited for
            self._until = asyncio.get_running_loop().time() + self._plan.body_s
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self._refusal = 408
            raise Refusal(408) from None
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._read > self._plan.max_body:
                self._refusal = 413
                raise Refusal(413)
        return message

    async def send(self, message: Message) -> None:
        """With the headers that all replies have."""
        if message["type"] == "http.response.start":
            if self._refusal and message["status"] != self._refusal:
                # The framework takes what our ``receive`` raised for a body that it cannot parse.
                raise Refusal(self._refusal)
            self._started = True
            secure = (_HSTS,) if self._scope["scheme"] == "https" else ()
            there = {name.lower() for name, _ in message["headers"]}
            more = [pair for pair in (*_HEADERS, *secure) if pair[0] not in there]
            message = {**message, "headers": [*message["headers"], *more]}
        await self._send(message)


def _route(scope: Scope) -> str:
    """The route's pattern: a path may hold a call's token."""
    return str(getattr(scope.get("route"), "path", ""))
