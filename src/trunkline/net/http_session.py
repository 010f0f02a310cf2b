"""The connections of an ``HttpClient``, by aiohttp; imported by those who make a client."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import SplitResult

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from trunkline.base.errors import TransportError
from trunkline.net.http_client import Answer

if TYPE_CHECKING:
    from trunkline.net.http_client import HttpPlan

# The addresses of a host and port; raises for those that are not to be reached.
Resolved: TypeAlias = Callable[[str, int], Awaitable[list[str]]]

_KEPT_OPEN_S: Final = (
    55.0  # under the minute after which many servers and middleboxes forget a silent connection
)


class HttpSession:
    """Connections as the plan wants them, to the addresses that ``resolved`` gives. Make it on the running loop."""

    def __init__(self, plan: HttpPlan, context: ssl.SSLContext, resolved: Resolved) -> None:
        self._max_body = plan.max_body
        self._proxy = plan.proxy
        connector = aiohttp.TCPConnector(
            ssl=context,
            resolver=_Resolver(resolved),
            limit=plan.connections,
            limit_per_host=plan.per_host,
            keepalive_timeout=_KEPT_OPEN_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # the client's is around all of it
            auto_decompress=False,
        )

    async def ask(self, method: str, parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Whatever the server answers. Raises TransportError, and TimeoutError when the system gave up."""
        try:
            return await self._ask(method, parts, body, headers)
        except TimeoutError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TransportError(f"{parts.hostname}: {_said(error)}") from error

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    async def _ask(self, method: str, parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> Answer:
        settings: dict[str, Any] = {}
        if self._proxy is not None and parts.scheme == "https":
            settings["proxy"] = self._proxy.url
            if self._proxy.authorization:
                settings["proxy_headers"] = {"Proxy-Authorization": self._proxy.authorization}
        async with self._session.request(
            method,
            parts.geturl(),
            data=body or None,
            headers={"Accept-Encoding": "identity", **headers},
            allow_redirects=False,
            **settings,
        ) as response:
            return Answer(response.status, response.headers, await self._body(response))

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        data = b""
        async for piece in response.content.iter_any():
            data += piece
            if len(data) > self._max_body:
                response.close()
                raise TransportError(f"{response.url.host} answered more than {self._max_body} bytes")
        return data


class _Resolver(AbstractResolver):
    """Addresses in aiohttp's form."""

    def __init__(self, resolved: Resolved) -> None:
        self._resolved = resolved

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [_found(host, port, address) for address in await self._resolved(host, port)]

    async def close(self) -> None:
        """Nothing is kept open."""


def _found(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)


def _said(error: Exception) -> str:
    """What went wrong, without the URL that aiohttp likes to show."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refused with {error.status}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no address was found"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot be reached: {error.os_error.strerror or type(error.os_error).__name__}"
    return type(error).__name__
