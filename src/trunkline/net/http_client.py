"""The one way out by HTTP for what talks much: push providers, webhooks, the keys of an OIDC issuer.

    client = HttpClient(HttpPlan(named=("https://login.example.com",)))
    answer = await client.get("https://login.example.com/keys")      # Answer(status, headers, body)
    await client.close()

Whoever calls names no connection and no session: they are made when needed and kept open. Of two kinds are the URLs.
Those that the operator wrote into the settings stand in ``HttpPlan.named``: they may lead inside, and may be plain
http. All others come from strangers, and must be https with public addresses (``net.public_addresses``): the name is
resolved here, and the connection goes to the very addresses that were looked at. Redirections are never followed,
cookies never kept, certificates always verified; time, size and connections are bounded.

Through a proxy TLS goes by CONNECT with the host's name, which the proxy resolves; a name that resolves here to an
address that is not public is refused before. What is named with plain http never goes through the proxy.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from trunkline.base.errors import ConfigError, TransportError
from trunkline.net.http_proxy import SETTINGS, HttpProxy
from trunkline.net.public_addresses import Network, Resolve, addresses_of, all_may_be_reached

if TYPE_CHECKING:
    from trunkline.net.http_session import HttpSession

_PORTS: Final = {"https": 443, "http": 80}
# RFC 6761 §6.3, RFC 6762 §3, RFC 8375, and what ICANN keeps for networks of one's own: never names of the Internet.
_INSIDE: Final = (".localhost", ".local", ".home.arpa", ".internal")


class ForbiddenUrlError(TransportError):
    """A URL that is not followed: not https, or it leads to an address that is not public. A retry changes nothing."""


@dataclass(frozen=True, slots=True)
class HttpPlan:
    """What a client may do. ``where`` is the section of the settings that errors name.

    ``named`` are URLs of the operator's; their scheme, host and port count. ``inside`` are networks that strangers'
    URLs may lead to as well. ``ca_file`` is trusted beside the system's authorities. ``proxy`` is what TLS goes
    through. ``timeout_s`` is for one request with everything, ``connections`` for all hosts together, ``per_host`` for
    one; answers with more than ``max_body`` bytes are an error.
    """

    named: tuple[str, ...] = ()
    inside: tuple[Network, ...] = ()
    ca_file: Path | None = None
    proxy: HttpProxy | None = None
    timeout_s: float = 5.0
    connections: int = 100
    per_host: int = 32
    max_body: int = 65536
    where: str = "push"


class Answer(NamedTuple):
    """``headers`` are found whatever their letters' case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Raises ConfigError for a plan that cannot be. ``resolve`` is for tests."""

    def __init__(self, plan: HttpPlan | None = None, *, resolve: Resolve = addresses_of) -> None:
        # aiohttp is slow to import: not for those who ask nobody, and not at the first request.
        from trunkline.net.http_session import HttpSession  # noqa: PLC0415

        self._kind = HttpSession
        self._plan = plan = plan or HttpPlan()
        self._context = (
            verifying_context(plan.ca_file, f"{plan.where}.ca") if plan.ca_file else _system_context()
        )
        self._guard = _Guard(plan.proxy, plan.inside, resolve)
        self.name(*plan.named)
        self._session: HttpSession | None = None
        self._closed = False

    def name(self, *urls: str) -> None:
        """Take these for the operator's too. Raises ForbiddenUrlError for what is no URL."""
        for url in urls:
            self._guard.name(_origin(split_url(url)))

    async def get(
        self, url: str, headers: Mapping[str, str] | None = None, *, timeout_s: float = 0.0
    ) -> Answer:
        """See ``request``."""
        return await self.request("GET", url, headers=headers, timeout_s=timeout_s)

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str] | None = None, *, timeout_s: float = 0.0
    ) -> Answer:
        """See ``request``."""
        return await self.request("POST", url, body, headers, timeout_s=timeout_s)

    async def request(
        self,
        method: str,
        url: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = 0.0,
    ) -> Answer:
        """Whatever the server answers, a 404 and a 302 too, within ``timeout_s`` seconds (0: the plan's).

        Raises ForbiddenUrlError for a URL that is not followed, TransportError when no whole answer came. Both tell
        of the URL the host alone, for the rest may be a secret.
        """
        parts = split_url(url)
        await self._guard.look_at(parts)
        deadline = timeout_s or self._plan.timeout_s
        try:
            async with asyncio.timeout(deadline):
                return await self._open_session().ask(method, parts, body, headers or {})
        except TimeoutError as error:
            raise TransportError(f"{parts.hostname} did not answer in {deadline:g} s") from error

    async def close(self) -> None:
        """End all connections. Nothing is sent afterwards."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> HttpSession:
        if self._closed:
            raise TransportError("the client is closed")
        if self._session is None:
            self._session = self._kind(self._plan, self._context, self._guard.resolve)
        return self._session


class _Guard:
    """Resolves names for the connections, and lets nobody through to where only named ones may go."""

    def __init__(self, proxy: HttpProxy | None, inside: tuple[Network, ...], resolve: Resolve) -> None:
        self._named: set[tuple[str, str, int]] = set()
        self._proxied = proxy is not None
        # The connections' side knows no scheme; look_at has seen to it.
        self._free: set[tuple[str, int]] = set()
        if proxy is not None:
            self._free.add((proxy.host, proxy.port))
        self._inside = inside
        self._ask = resolve

    def name(self, origin: tuple[str, str, int]) -> None:
        self._named.add(origin)
        self._free.add(origin[1:])

    async def look_at(self, parts: SplitResult) -> None:
        """What can be judged before there is a connection. Raises ForbiddenUrlError."""
        scheme, host, port = origin = _origin(parts)
        if origin in self._named:
            return
        if scheme != "https":
            raise ForbiddenUrlError(f"{host}: only https is followed")
        if (host, port) in self._free:  # the proxy itself, or what was named with another scheme
            raise ForbiddenUrlError(f"{host} is not there for strangers")
        if _is_address(host):  # which no resolver is asked for
            self._check(host, [host])
        elif self._proxied:
            await self._look_up_for_proxy(host, port)

    async def _look_up_for_proxy(self, host: str, port: int) -> None:
        """A machine behind a proxy may know no public names: what has no address here is the proxy's to judge."""
        try:
            async with asyncio.timeout(1.0):
                found = await self._ask(host, port)
        except (OSError, ValueError, TimeoutError):
            bare = f".{host.rstrip('.')}"
            if bare.count(".") < 2 or bare.endswith(_INSIDE):
                raise ForbiddenUrlError(f"{host} is no public name") from None
            return
        self._check(host, found)

    async def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a connection's other end. Raises ForbiddenUrlError."""
        found = await self._ask(host, port)
        if (host, port) not in self._free:
            self._check(host, found)
        return found

    def _check(self, host: str, addresses: list[str]) -> None:
        if not all_may_be_reached(addresses, self._inside):
            raise ForbiddenUrlError(f"{host} has an address that is not public")


def split_url(url: str) -> SplitResult:
    """A URL that can be asked for: http or https, a host, no credentials. Raises ForbiddenUrlError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ForbiddenUrlError("a URL that cannot be read") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or port == 0:
        raise ForbiddenUrlError("only https URLs without credentials are followed")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ForbiddenUrlError("a URL that cannot be read")
    return parts._replace(fragment="")


def origin_of(url: str) -> str:
    """Scheme, host and port as they stand in an Origin header (RFC 6454 §6.1). Raises ForbiddenUrlError."""
    scheme, host, port = _origin(split_url(url))
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port == _PORTS[scheme] else f"{scheme}://{name}:{port}"


def verifying_context(ca_file: Path | None, key: str) -> ssl.SSLContext:
    """A new one that trusts the system's authorities and those of ``ca_file``. Raises ConfigError."""
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file.expanduser())
        except (OSError, ssl.SSLError) as error:
            seen = f"{ca_file}, which cannot be read: {error.strerror or 'no PEM certificate'}"
            raise ConfigError(SETTINGS, key, seen, "a PEM file of one or more certificates") from None
    return context


@functools.cache
def _system_context() -> ssl.SSLContext:
    """One for all clients, who change nothing in it: reading the system's authorities takes long."""
    return ssl.create_default_context()


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS[parts.scheme]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # Numbers that only old libraries read as an address (127.1, 0x7f.1): no public name ends like that.
        return host.rstrip(".").rpartition(".")[2].removeprefix("0x").isdigit()
    return True
