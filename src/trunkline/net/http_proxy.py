"""An HTTP proxy on the way out, by which TLS goes to the provider: CONNECT (RFC 9110 §9.3.6).

``parse_proxy`` reads what the operator wrote; ``connect_by`` gives a socket to the far end, for who speaks its own
protocol in it (HTTP/2 to APNs). The proxy sees names, ports and lengths, never what is said within TLS.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from trunkline.base.errors import ConfigError, TransportError

SETTINGS: Final = "settings"
_EXPECTED: Final = (
    "a URL such as http://proxy.example.com:3128 or http://USER:PASSWORD@proxy.example.com:3128"
)
_MAX_HEAD: Final = 8192
_status_line = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r\n)").match


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """``authorization`` is the value of Proxy-Authorization, "" for none; IPv6 hosts are without brackets."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Where it is, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse_proxy(text: str, key: str = "push.proxy", username: str = "", password: str = "") -> HttpProxy:
    """The proxy of a URL; user and password stand in it or beside it. Raises ConfigError, without the password."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ConfigError(SETTINGS, key, "a URL that cannot be read", _EXPECTED) from None
    if parts.scheme != "http":
        hint = "TLS to the providers goes through it by CONNECT"
        raise ConfigError(SETTINGS, key, f"a URL of the scheme {parts.scheme!a}", _EXPECTED, hint)
    if not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise ConfigError(SETTINGS, key, "more or less than a host and a port", _EXPECTED)
    if parts.username is not None:
        username, password = unquote(parts.username), unquote(parts.password or "")
    said = ""
    if username:
        said = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
    return HttpProxy(parts.hostname, port or 3128, said)


async def connect_by(proxy: HttpProxy, host: str, port: int, timeout_s: float = 5.0) -> socket.socket:
    """A connected, non-blocking socket to ``host`` through the proxy, on which nothing was said yet.

    Give it to ``loop.create_connection(sock=..., ssl=..., server_hostname=host)``; who gets it closes it. Raises
    TransportError when the proxy cannot be reached, refuses, or does not answer within ``timeout_s`` seconds.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _connect(proxy, host, port)
    except TimeoutError as error:
        raise TransportError(f"the proxy {proxy.url} did not answer in {timeout_s:g} s") from error
    except OSError as error:
        raise TransportError(f"the proxy {proxy.url}: {error.strerror or type(error).__name__}") from error


async def _connect(proxy: HttpProxy, host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(proxy.host, proxy.port, type=socket.SOCK_STREAM)
    failed: OSError = ConnectionError("it has no address")
    for family, kind, number, _, address in found[:4]:
        raw = socket.socket(family, kind, number)
        raw.setblocking(False)
        with contextlib.ExitStack() as unless_given:
            unless_given.callback(raw.close)
            try:
                await loop.sock_connect(raw, address)
            except OSError as error:
                failed = error
                continue
            await loop.sock_sendall(raw, _request(proxy, host, port))
            _judge(proxy, await _head(raw))
            unless_given.pop_all()
            return raw
    raise failed


def _request(proxy: HttpProxy, host: str, port: int) -> bytes:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _head(raw: socket.socket) -> bytes:
    """All up to the empty line: within TLS the client speaks first, so nothing follows it yet."""
    loop = asyncio.get_running_loop()
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD:
        piece = await loop.sock_recv(raw, _MAX_HEAD)
        if not piece:
            break
        head += piece
    return head


def _judge(proxy: HttpProxy, head: bytes) -> None:
    """RFC 9110 §9.3.6: any 2xx means that the tunnel is there. Raises TransportError."""
    match = _status_line(head)
    if match is None or not head.endswith(b"\r\n\r\n"):
        raise TransportError(f"the proxy {proxy.url} does not speak HTTP")
    if not match[1].startswith(b"2"):
        raise TransportError(f"the proxy {proxy.url} refused with {match[1].decode()}")
