"""How a stranger's file is fetched: a small GET within TLS, which reaches no address of our own networks.

A URL that comes from a stranger (where the certificate of a signed call is) is an order to connect somewhere. So only
https is followed, no redirection, no credentials; the name is resolved here, and unless all its addresses are public
none is asked; the connection goes to the very address that was looked at. Size and time are bounded.
See docs/decisions/0011-certificates-are-fetched-by-a-small-client.md; what talks much goes by ``net.http_client``.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from trunkline.base.errors import TransportError
from trunkline.net.public_addresses import Network, Resolve, addresses_of, all_may_be_reached

MAX_BODY: Final = 65536
MAX_HEAD: Final = 16384
TIMEOUT_S: Final = 4.0

_max_age = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])").search
_never_kept = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])").search


class Resource(NamedTuple):
    """What was got: ``body``, and for how many seconds it may be kept, None when nothing was said of it."""

    body: bytes
    max_age_s: float | None = None


class HttpsClient:
    """Gets resources by https. ``inside`` are networks that may be reached although they are not public."""

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        inside: tuple[Network, ...] = (),
        resolve: Resolve | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._context = context
        self._inside = inside
        self._resolve = resolve or addresses_of
        self._timeout_s = timeout_s

    async def get(self, url: str) -> Resource:
        """The body of a 200. Raises TransportError for anything else, within ``timeout_s`` seconds."""
        parts, port = _split(url)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._get(parts, parts.hostname or "", port)
        except TimeoutError as error:
            raise TransportError(f"{parts.hostname} did not answer in {self._timeout_s:g} s") from error
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise TransportError(f"{parts.hostname}: {type(error).__name__}") from error

    async def _get(self, parts: SplitResult, host: str, port: int) -> Resource:
        addresses = await self._resolve(host, port)
        if not all_may_be_reached(addresses, self._inside):
            raise TransportError(f"{host} has an address that is not public")
        reader, writer = await asyncio.open_connection(
            addresses[0], port, ssl=self._context, server_hostname=host, limit=MAX_HEAD
        )
        try:
            writer.write(_request(parts, host))
            return await _read(reader)
        finally:
            writer.transport.abort()


def _split(url: str) -> tuple[SplitResult, int]:
    """Raises TransportError for a URL that is not followed."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise TransportError("a URL that cannot be read") from error
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise TransportError("only https URLs without credentials are followed")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise TransportError("a URL that cannot be read")
    return parts, port


def _request(parts: SplitResult, host: str) -> bytes:
    path = parts.path or "/"
    query = f"?{parts.query}" if parts.query else ""
    name = f"[{host}]" if ":" in host else host
    where = name if parts.port is None else f"{name}:{parts.port}"
    return (
        f"GET {path}{query} HTTP/1.1\r\nHost: {where}\r\nAccept: application/pem-certificate-chain, "
        "application/pkix-cert, */*;q=0.1\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


async def _read(reader: asyncio.StreamReader) -> Resource:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, _, rest = head.partition("\r\n")
    status = line.split(" ")[1:2]
    if not line.startswith("HTTP/1.") or status != ["200"]:
        raise TransportError(f"answered {ascii(' '.join(status))[1:-1][:20] or 'no HTTP'}")
    fields = dict(_field(row) for row in rest.split("\r\n") if ":" in row)
    body = await _body(reader, fields)
    control = fields.get("cache-control", "").lower()
    if _never_kept(control):
        return Resource(body, 0.0)
    age = _max_age(control)
    return Resource(body, float(age[1]) if age else None)


def _field(row: str) -> tuple[str, str]:
    name, _, value = row.partition(":")
    return name.strip().lower(), value.strip()


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader)
    length = fields.get("content-length")
    if length is None:
        return _bounded(await _until_closed(reader))
    if not length.isascii() or not length.isdecimal() or len(length) > 6 or int(length) > MAX_BODY:
        raise TransportError(f"more than {MAX_BODY} bytes")
    return await reader.readexactly(int(length))


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    data = b""
    while len(data) <= MAX_BODY and (piece := await reader.read(MAX_BODY)):
        data += piece
    return data


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """RFC 9112 §7.1; trailers are left unread, for the connection ends here."""
    data = b""
    while True:
        digits = (await reader.readuntil(b"\r\n"))[:-2].partition(b";")[0].strip()
        try:
            size = int(digits, 16) if len(digits) <= 6 else MAX_BODY + 1
        except ValueError as error:
            raise TransportError("chunks that cannot be read") from error
        if size <= 0:
            return data
        if len(data) + size > MAX_BODY:
            raise TransportError(f"more than {MAX_BODY} bytes")
        data += await reader.readexactly(size)
        await reader.readexactly(2)


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise TransportError(f"more than {MAX_BODY} bytes")
    return body
