"""Who the phone is, and where its server is."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from trunkline.base.errors import ConfigError
from trunkline.net import host_port
from trunkline.net.listener import DEFAULT_PORTS, split_host_port
from trunkline.proto.sip.grammar import quote
from trunkline.proto.sip.uri import SipUri

TRANSPORTS: Final = ("udp", "tcp", "tls")
COMMAND_LINE: Final = "command line"


@dataclass(frozen=True, slots=True)
class PhoneAccount:
    """``host`` (a name or an IP literal) and ``port`` are the server's; ``transport`` "UDP", "TCP" or "TLS".

    ``domain`` stands behind the @ of our address. Never told: ``password``.
    """

    user: str
    password: str = field(repr=False)
    host: str
    port: int
    transport: str
    domain: str
    name: str = ""

    @property
    def registrar(self) -> str:
        """The Request-URI of REGISTER: no user, no parameters (RFC 3261 §10.2)."""
        return f"sip:{self.domain}"

    @property
    def address(self) -> str:
        """Our address of record as it stands in From."""
        display = f"{quote(self.name)} " if self.name else ""
        return f"{display}<{self.uri_of(self.user)}>"

    def uri_of(self, number: str) -> str:
        """The URI of a number at our server; ``sip:`` URIs and ``user@host`` lead where they say."""
        if number.startswith(("sip:", "sips:")):
            return number
        if "@" in number:
            return f"sip:{number}"
        return str(SipUri.sip(number, self.domain))


@dataclass(frozen=True, slots=True)
class PhoneOptions:
    """``local`` is the address to use (empty: the one that leads to the server), ``port`` 0 any free one.

    ``expires_s`` is what REGISTER asks for; ``ca`` a PEM file of whom TLS trusts; ``codecs`` in our order.
    """

    local: str = ""
    port: int = 0
    expires_s: int = 3600
    ca: Path | None = None
    verify: bool = True
    codecs: tuple[str, ...] = ("PCMU", "PCMA")


def make_account(
    user: str, password: str, server: str, transport: str, domain: str = "", name: str = ""
) -> PhoneAccount:
    """An account from what was typed; raises ConfigError."""
    if transport.lower() not in TRANSPORTS:
        raise ConfigError(COMMAND_LINE, "--transport", repr(transport), "one of " + ", ".join(TRANSPORTS))
    way = transport.upper()
    try:
        host, port = split_host_port(server)
    except ValueError:
        expected = "HOST or HOST:PORT, such as 192.0.2.1 or pbx.example.com:5070"
        raise ConfigError(COMMAND_LINE, "--server", repr(server), expected) from None
    return PhoneAccount(user, password, host, port or DEFAULT_PORTS[way], way, domain or _bare(host), name)


def _bare(host: str) -> str:
    """The host as it stands in a URI: an IPv6 literal in brackets, without its scope."""
    bare = host.strip("[]").partition("%")[0]
    try:
        six = ipaddress.ip_address(bare).version == 6
    except ValueError:
        return host
    return host_port(bare, 0).removesuffix(":0") if six else bare
