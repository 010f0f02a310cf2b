"""The web server of a stand-in: one handler for all requests, within TLS or without."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

from trunkline.push.doubles.answers import Scripted

Handle: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class WebServer:
    """``port`` 0 is any free one; after ``start`` it is the one that was given. ``context`` None: plain http."""

    def __init__(self, handle: Handle, host: str, port: int, context: ssl.SSLContext | None) -> None:
        self._handle = handle
        self._context = context
        self._runner: web.ServerRunner | None = None
        self._ended = asyncio.Event()
        self.host = host
        self.port = port

    async def start(self) -> None:
        """Raises OSError when the port is taken."""
        self._ended = asyncio.Event()
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port, ssl_context=self._context).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.port = runner.addresses[0][1]

    async def stop(self) -> None:
        self._ended.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """Where it is found from this machine."""
        scheme = "https" if self._context is not None else "http"
        host = "localhost" if self.host in {"", "0.0.0.0", "::"} else self.host  # noqa: S104  (compared alone)
        return f"{scheme}://[{host}]:{self.port}" if ":" in host else f"{scheme}://{host}:{self.port}"

    async def play(
        self, request: web.BaseRequest, answer: Scripted, body: bytes = b"", content_type: str = ""
    ) -> web.StreamResponse:
        """What the script wants of this request."""
        if answer.way == "hang":
            await self._ended.wait()
        if answer.way != "answer":
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        headers: Mapping[str, str] = (
            {"Retry-After": str(answer.retry_after_s)} if answer.retry_after_s else {}
        )
        return web.Response(
            status=answer.status, body=body, headers=headers, content_type=content_type or None
        )


async def read_body(request: web.BaseRequest, most: int) -> bytes | None:
    """None when it has more than ``most`` bytes."""
    body = b""
    with contextlib.suppress(web.RequestPayloadError):
        async for piece in request.content.iter_any():
            body += piece
            if len(body) > most:
                return None
    return body
