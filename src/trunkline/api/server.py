"""The server: uvicorn in our loop, with our signals, our logs and our patience."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.responses import Response

from trunkline.api.app import Api, document_of, open_doorway
from trunkline.api.auth import AuthChange
from trunkline.api.by_plan import ByPlan, behind_proxies
from trunkline.api.connection import Http, WebSocket
from trunkline.api.crowds import Sources
from trunkline.api.plan import ApiPlan, AuthPlan
from trunkline.api.ports import Ask, Events, FetchJson, Readiness, TenantOfKey
from trunkline.base.errors import TransportError

_TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class ApiChange:
    """What ``ApiServer.take`` puts into its place."""

    plan: ApiPlan
    auth: AuthChange
    document: Response | None


class ApiServer:
    """Serves the API on ``plan.host`` and ``plan.port`` (0: any; ``port`` tells which).

    ``tenant_of_key`` finds whose an api key is, ``fetch`` gets the keys of another issuer of tokens: both may be
    missing.
    """

    def __init__(
        self,
        plan: ApiPlan,
        auth_plan: AuthPlan,
        ask: Ask,
        events: Events,
        readiness: Readiness,
        *,
        tenant_of_key: TenantOfKey | None = None,
        fetch: FetchJson | None = None,
    ) -> None:
        self._plan = plan
        self.doorway = open_doorway(plan, auth_plan, ask, events, readiness, tenant_of_key, fetch)
        self.app = Api(self.doorway)
        self.port = plan.port
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind and serve; raises TransportError when the address cannot be bound."""
        bound = await self._bind()
        self.port = bound[0].getsockname()[1]
        self.doorway.auth.start()
        app = ByPlan(self.app, self.doorway, behind_proxies)
        self._server = _Server(_config(self._plan, app, self.doorway.sources))
        self._task = asyncio.create_task(self._server.serve(bound), name="api")
        await self._server.serving.wait()

    def prepared(
        self, plan: ApiPlan, auth: AuthPlan, fetch: FetchJson | None, *, anew: bool = False
    ) -> ApiChange:
        """What these change, whatever place to listen on they name. Raises ConfigError. It takes a while.

        ``anew``: ``fetch`` asks the issuer by another way than so far.
        """
        return ApiChange(plan, self.doorway.auth.prepared(auth, fetch, anew=anew), document_of(plan))

    async def take(self, change: ApiChange) -> int:
        """From the next request on; what stays in the name of tokens that are good no more ends. Returns how many."""
        doorway = self.doorway
        old = doorway.auth.take(change.auth)
        doorway.plan = change.plan
        doorway.limits.adjust(change.plan.limits)
        doorway.sources.adjust(change.plan.limits.connections_each, change.plan.proxies)
        self.app.describe(change.document)
        cut = doorway.stays.cut(lambda principal: doorway.auth.left_s(principal) <= 0)
        if old is not None:
            await old.stop()
        return cut

    async def stop(self) -> None:
        """End what waits, let what is under way finish within ``plan.stop_s``, then close all. Harmless twice."""
        self.doorway.closing.set()
        await self.doorway.auth.stop()
        server, task = self._server, self._task
        if server is None or task is None:
            return
        self._server = self._task = None
        server.leave()
        await task
        await server.end()

    async def _bind(self) -> list[socket.socket]:
        host, port = self._plan.host, self._plan.port
        loop = asyncio.get_running_loop()
        bound: list[socket.socket] = []
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, _, _, _, address in dict.fromkeys(found):
                where = (
                    address if port else (address[0], bound[0].getsockname()[1] if bound else 0, *address[2:])
                )
                bound.append(_listen(family, where))
        except OSError as error:
            for sock in bound:
                sock.close()
            why = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
            raise TransportError(
                f"cannot serve the API on {host}:{port}: {why} (free that port, or name another in [api] listen)"
            ) from None
        return bound


def _listen(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    return sock


def _config(plan: ApiPlan, app: Any, sources: Sources) -> uvicorn.Config:
    # What strangers send is no event: each WebSocket that is refused would be one. Faults of ours are told by Boundary.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        app,
        http=type("Http", (Http,), {"plan": plan, "sources": sources}),
        ws=type("WebSocket", (WebSocket,), {"plan": plan}),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        interface="asgi3",
        proxy_headers=False,  # ByPlan does it
        h11_max_incomplete_event_size=plan.max_head,
        ws_max_size=4096,
        ws_per_message_deflate=False,  # its windows would cost more memory than all the rest of a listener
        ws_ping_interval=plan.heartbeat_s,
        ws_ping_timeout=plan.heartbeat_s,
        timeout_keep_alive=plan.keep_alive_s,
        timeout_graceful_shutdown=max(1, round(plan.stop_s)),
    )


class _Server(uvicorn.Server):
    """Signals are not its affair, and it looks at the clock once a second instead of ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()
        self._leaving = asyncio.Event()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # narrower than theirs
        return nullcontext()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self.serving.set()
        while not self._leaving.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._leaving.wait()
            await self.on_tick(0)

    def leave(self) -> None:
        """Begin to stop."""
        self.should_exit = True
        self._leaving.set()

    async def end(self) -> None:
        """After the patience: whatever is left ends now."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        tasks = tuple(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
