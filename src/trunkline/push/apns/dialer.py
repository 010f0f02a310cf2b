"""Opens connections to one host of APNs: addresses, proxy, TLS with ALPN and verification, the peer's settings."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from trunkline.base.errors import ConfigError, TransportError
from trunkline.net.http_proxy import HttpProxy, connect_by
from trunkline.net.tls.certificates import Fingerprint, fingerprint
from trunkline.push.apns.channel import Channel, Owner
from trunkline.push.apns.connection import Connection
from trunkline.push.apns.plan import ApnsCertificate

SETTINGS: Final = "settings"
ALPN: Final = "h2"
HTTPS: Final = 443
_MOST_ADDRESSES: Final = 4


class ClientTls:
    """The context for connections to come, made anew when one of its files has changed."""

    def __init__(self, ca: Path | None, certificate: ApnsCertificate | None, where: str) -> None:
        self._ca = ca.expanduser() if ca is not None else None
        self._certificate = certificate
        self._where = where
        self._paths = [path for path in (self._ca, *_files_of(certificate)) if path is not None]
        self._stamp: Fingerprint = ()
        self._context: ssl.SSLContext | None = None

    @property
    def changed(self) -> bool:
        """Whether the files are others than those that were read."""
        return self._context is not None and fingerprint(self._paths) != self._stamp

    def current(self) -> ssl.SSLContext:
        """Raises ConfigError for files that cannot be used."""
        stamp = fingerprint(self._paths)
        if self._context is None or stamp != self._stamp:
            self._context = self._make()
            self._stamp = stamp
        return self._context

    def _make(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols([ALPN])
        if self._ca is not None:
            try:
                context.load_verify_locations(self._ca)
            except (OSError, ssl.SSLError) as error:
                raise _unusable("push.ca", self._ca, error, "a PEM file of authorities") from None
        if self._certificate is not None:
            path, *rest = _files_of(self._certificate)
            try:
                context.load_cert_chain(path, rest[0] if rest else None, password="")
            except (OSError, ssl.SSLError) as error:
                expected = "a PEM file with the certificate of Apple's and its key, without a password"
                raise _unusable(f"{self._where}.certificate", path, error, expected) from None
        return context


class Dialer:
    """``base_url`` is ``https://host[:port]``. Raises ConfigError for anything else."""

    def __init__(
        self,
        base_url: str,
        tls: ClientTls,
        *,
        proxy: HttpProxy | None = None,
        connect_s: float = 1.4,
        connection: Callable[[str], Connection] = Connection,
        where: str = "push.apns",
    ) -> None:
        self.host, self.port = _place_of(base_url, where)
        name = f"[{self.host}]" if ":" in self.host else self.host
        self._authority = name if self.port == HTTPS else f"{name}:{self.port}"
        self._tls = tls
        self._proxy = proxy
        self._connect_s = connect_s
        self._connection = connection
        self._good = ""

    async def dial(self, owner: Owner, avoided: str = "") -> Channel:
        """A connection whose handshakes are begun or done; ``owner.ready`` follows with the peer's settings.

        ``avoided`` is an address to try last. Raises TransportError, within ``connect_s`` seconds.
        """
        try:
            context = self._tls.current()
        except ConfigError as error:
            raise TransportError(str(error)) from error
        try:
            async with asyncio.timeout(self._connect_s):
                return await self._dial(owner, context, avoided)
        except TimeoutError:
            raise TransportError(f"{self.host} did not answer in {self._connect_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise TransportError(f"{self.host}: its certificate: {error.verify_message}") from None
        except OSError as error:
            raise TransportError(f"{self.host}: {_said(error)}") from None

    async def _dial(self, owner: Owner, context: ssl.SSLContext, avoided: str) -> Channel:
        if self._proxy is not None:
            raw = await connect_by(self._proxy, self.host, self.port, self._connect_s)
            return await self._shake_hands(owner, context, raw, self._proxy.host)
        addresses = await self._addresses(avoided)
        failed: OSError = ConnectionError("it has no address")
        for number, (family, address) in enumerate(addresses):
            left = len(addresses) - number
            raw = socket.socket(family, socket.SOCK_STREAM)
            raw.setblocking(False)
            try:
                # One address that swallows everything must leave time for the next.
                async with asyncio.timeout(self._connect_s * (0.5 if left > 1 else 1.0)):
                    await asyncio.get_running_loop().sock_connect(raw, address)
                    return await self._shake_hands(owner, context, raw, str(address[0]))
            except OSError as error:  # a TimeoutError is one
                raw.close()
                failed = error
            except BaseException:
                raw.close()
                raise
        raise failed

    async def _shake_hands(
        self, owner: Owner, context: ssl.SSLContext, raw: socket.socket, address: str
    ) -> Channel:
        if raw.family in {socket.AF_INET, socket.AF_INET6}:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            transport, channel = await asyncio.get_running_loop().create_connection(
                lambda: Channel(self._connection(self._authority), owner),
                sock=raw,
                ssl=context,
                server_hostname=self.host,
                ssl_handshake_timeout=self._connect_s,
            )
        except BaseException:
            raw.close()
            raise
        secured = transport.get_extra_info("ssl_object")
        if secured is None or secured.selected_alpn_protocol() != ALPN:
            transport.abort()
            raise ConnectionError("it does not speak HTTP/2")
        self._good = channel.address = address
        return channel

    async def _addresses(self, avoided: str) -> list[tuple[int, tuple[str, int] | tuple[str, int, int, int]]]:
        """The one that worked last comes first, ``avoided`` last."""
        found = await asyncio.get_running_loop().getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        unique = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
        unique.sort(key=lambda one: (one[1][0] == avoided, one[1][0] != self._good))
        return unique[:_MOST_ADDRESSES]  # type: ignore[return-value]  # of internet sockets alone


def _place_of(base_url: str, where: str) -> tuple[str, int]:
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname or "", parts.port or HTTPS
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    if parts.scheme != "https" or not host or not host.isascii() or parts.username or parts.path.strip("/"):
        expected = "a URL such as https://api.push.apple.com"
        raise ConfigError(SETTINGS, f"{where}.base_url", ascii(base_url), expected)
    return host, port


def _files_of(certificate: ApnsCertificate | None) -> list[Path]:
    if certificate is None:
        return []
    files = [certificate.path, certificate.key]
    return [path.expanduser() for path in files if path is not None]


def _unusable(key: str, path: Path, error: OSError, expected: str) -> ConfigError:
    why = error.strerror if not isinstance(error, ssl.SSLError) else "it holds nothing that TLS can use"
    return ConfigError(SETTINGS, key, f"{path}, which cannot be read: {why}", expected)


def _said(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or 'failed').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error) or type(error).__name__
    return os.strerror(error.errno).lower()  # without the address that asyncio puts into it
