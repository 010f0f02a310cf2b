"""A listener: where we can be reached, and by which address we tell others to reach us."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable

from trunkline.base.errors import ConfigError
from trunkline.net.routes import source_address
from trunkline.net.tls.settings import NO_TLS, ListenerTls

ROLES = ("phones", "trunk")
DEFAULT_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 5066, "WSS": 5067}

_EXPECTED_URL = (
    "TRANSPORT:ADDRESS:PORT with udp, tcp, tls, ws or wss, such as udp:0.0.0.0:5060 or tls:[::1]:5061"
)
_EXPECTED_ADVERTISE = "a host name or address, with :PORT if it differs, such as 203.0.113.5:5060"
_MAX_SENT_BY = 4096
_HOST = re.compile(r"[A-Za-z0-9._:-]+")


def host_port(host: str, port: int) -> str:
    """``host:port`` as in a URI or Via: an IPv6 address in brackets (RFC 3261 §25.1)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Listener:
    """One listening socket's record.

    ``url`` is "udp:127.0.0.1:5060" or "tls:[::1]:5061"; ``transport`` "UDP", "TCP", "TLS", "WS" or "WSS", as
    in a Via; ``role`` is "phones" or "trunk"; ``host`` and ``port`` are where it is bound (the real port once
    it is); ``advertised_host`` and ``advertised_port`` are what others are told; ``node`` is the node's and
    worker's prefix of all we mint; ``tls`` is for TLS and WSS; ``origins`` are the pages that may open a
    WebSocket (RFC 6454 §7; none named: all may).
    Raises ``ConfigError`` for a wrong url, role or advertise.
    """

    __slots__ = (
        "_advertise",
        "_node",
        "_sent_by_remote",
        "_source_address",
        "advertised_host",
        "advertised_port",
        "family",
        "host",
        "name",
        "origins",
        "port",
        "role",
        "sent_by",
        "tls",
        "token_head",
        "transport",
        "url",
        "wildcard",
    )

    def __init__(
        self,
        url: str,
        *,
        name: str = "",
        role: str = "phones",
        advertise: str = "",
        node: str = "0000",
        source: str = "settings",
        tls: ListenerTls = NO_TLS,
        origins: tuple[str, ...] = (),
        source_address: Callable[[str], str | None] = source_address,
    ) -> None:
        if role not in ROLES:
            raise ConfigError(source, "sip.listen.role", repr(role), " or ".join(map(repr, ROLES)))
        self.url = url
        self._node = node
        self.name = name or url
        self.role = role
        self.tls = tls
        self.origins = origins
        self.transport, self.host, self.port = _parse_url(url, source)
        self.family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self.wildcard = ipaddress.ip_address(self.host).is_unspecified
        self._advertise = _parse_advertise(advertise, source) if advertise else None
        self._source_address = source_address
        self._sent_by_remote: dict[str, str] = {}
        self.bound(self.port)

    def __repr__(self) -> str:
        return f"Listener({self.url!r}, port={self.port}, role={self.role!r})"

    def bound(self, port: int) -> None:
        """Take note of the port that the socket got."""
        self.port = port
        self._sent_by_remote.clear()
        # A scope means something on this machine alone (RFC 4007 §11.2).
        host, advertised_port = self._advertise or (self.host.partition("%")[0], None)
        if self.wildcard and self._advertise is None:
            host = self._source_address(_anywhere(self.family)) or _loopback(self.family)
        self.advertised_host = host
        self.advertised_port = advertised_port or port
        self.sent_by = host_port(host, self.advertised_port)
        # Flow tokens name node and worker, so that whoever reads one knows whose socket it means.
        self.token_head = f"{self._node}|{self.transport.lower()}|{self.address}|"

    @property
    def is_secure(self) -> bool:
        """Whether connections are within TLS."""
        return self.transport in {"TLS", "WSS"}

    @property
    def is_websocket(self) -> bool:
        """Whether messages come in WebSocket frames."""
        return self.transport in {"WS", "WSS"}

    @property
    def address(self) -> str:
        """``host:port`` where the socket is bound."""
        return host_port(self.host, self.port)

    @property
    def contact_host_port(self) -> str:
        """``host:port`` for a Contact: the same as ``sent_by``."""
        return self.sent_by

    def sent_by_for(self, remote_host: str) -> str:
        """``sent_by`` as this remote address should see it.

        Only a wildcard listener without an advertised address depends on it: it tells the address that the
        kernel would send from. Remembered per remote host, in a bounded table.
        """
        if not self.wildcard or self._advertise is not None:
            return self.sent_by
        known = self._sent_by_remote.get(remote_host)
        return known if known is not None else self._choose_sent_by(remote_host)

    def forget_routes(self) -> None:
        """Ask the kernel anew: addresses come and go."""
        self._sent_by_remote.clear()

    def _choose_sent_by(self, remote_host: str) -> str:
        source = self._source_address(remote_host)
        text = host_port(source, self.port) if source else self.sent_by
        if len(self._sent_by_remote) >= _MAX_SENT_BY:
            self._sent_by_remote.clear()
        self._sent_by_remote[remote_host] = text
        return text


def split_host_port(text: str) -> tuple[str, int | None]:
    """``"a:1"``, ``"[::1]:1"``, ``"a"``, ``"[::1]"`` or ``"::1"``; raises ValueError for anything else."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(text)
        ipaddress.IPv6Address(host)
        port = rest[1:]
    elif text.count(":") > 1:
        ipaddress.IPv6Address(text)
        return text, None
    else:
        host, _, port = text.partition(":")
    if not host or (text.endswith(":") and not port):
        raise ValueError(text)
    return host, _port_number(port) if port else None


def _port_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise ValueError(text)
    return int(text)


def _parse_url(url: str, source: str) -> tuple[str, str, int]:
    scheme, _, rest = url.partition(":")
    try:
        transport = scheme.upper()
        default = DEFAULT_PORTS[transport]
        host, port = split_host_port(rest)
        # Names are refused: a listener must not depend on a name server, nor bind one of several addresses.
        return transport, str(ipaddress.ip_address(host)), default if port is None else port
    except (KeyError, ValueError):
        raise ConfigError(source, "sip.listen", repr(url), _EXPECTED_URL) from None


def _parse_advertise(text: str, source: str) -> tuple[str, int | None]:
    try:
        host, port = split_host_port(text)
    except ValueError:
        host, port = "", None
    if port == 0 or not _HOST.fullmatch(host):
        raise ConfigError(source, "sip.listen.advertise", repr(text), _EXPECTED_ADVERTISE)
    return host, port


def _anywhere(family: socket.AddressFamily) -> str:
    # Documentation addresses (RFC 5737, RFC 3849): nothing is sent there, the default route is asked for.
    return "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"


def _loopback(family: socket.AddressFamily) -> str:
    return "::1" if family == socket.AF_INET6 else "127.0.0.1"
