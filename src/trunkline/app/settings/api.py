"""``[api]`` and ``[exchange]``: the HTTP API of mobile apps, and whether extensions are served beside it."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BeforeValidator, Field

from trunkline.app.addresses import HostPort, parse_host_port
from trunkline.app.settings.guard import Networks
from trunkline.app.settings.section import Section
from trunkline.app.settings.values import as_listen, as_origins
from trunkline.app.settings.web_address import WebUrl, as_prefix
from trunkline.net.fence.source import Network

# Where apps of the existing gateway expect it.
GATEWAY_LISTEN = "0.0.0.0:8080"


class ApiLimits(Section):
    """How often something may be asked in a minute: by one address (of IPv6 the /64), or by one user's tokens; and how
    many connections there may be.
    """

    per_source: int = Field(
        default=1200, ge=1, le=1_000_000, description="Requests without a token of one address."
    )
    per_subject: int = Field(default=600, ge=1, le=1_000_000, description="Requests of one user.")
    failures: int = Field(
        default=30, ge=1, le=100_000, description="Wrong tokens, keys and passwords of one address."
    )
    tokens: int = Field(default=60, ge=1, le=1_000_000, description="Tokens that one address asks for.")
    devices: int = Field(
        default=30, ge=1, le=100_000, description="Devices that one user registers or changes."
    )
    calls: int = Field(default=60, ge=1, le=100_000, description="Calls that one user places.")
    pushes: int = Field(default=10, ge=1, le=100_000, description="Test pushes that one user asks for.")
    connections: int = Field(
        default=2000,
        ge=10,
        le=20_000,
        description="Connections of one address at a time, and as many requests under way. Behind a trusted "
        "proxy, requests of the client that it names.",
    )


class Api(Section):
    """The HTTP API that mobile apps and their backends use. TLS is the affair of a reverse proxy in front of it."""

    listen: Annotated[str, BeforeValidator(as_listen)] | None = Field(
        default=None,
        description="`HOST:PORT` to serve the API on, or `off`. Default: `0.0.0.0:8080` when `exchange.enabled` is "
        "`false`, else `off`.",
        examples=['"127.0.0.1:8080"'],
    )
    public_url: WebUrl | None = Field(
        default=None,
        description="What apps reach the API by, `root_path` included; pushes carry it. Default: pushes carry none.",
        examples=['"https://voice.example.com"'],
    )
    root_path: Annotated[str, BeforeValidator(as_prefix)] = Field(
        default="",
        description="What a reverse proxy cuts off the front of paths before it passes them on.",
        examples=['"/voice"'],
    )
    trusted_proxies: Networks = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="Networks of reverse proxies, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.",
    )
    docs: bool = Field(
        default=True, description="Whether `/openapi.json`, which describes the API, is served."
    )
    origins: Annotated[tuple[str, ...], BeforeValidator(as_origins)] = Field(
        default=(),
        description="Web pages that may use the API: their origins. Default: none; apps and backends name no origin.",
        examples=['["https://phone.example.com"]'],
    )
    limits: ApiLimits = ApiLimits()

    @property
    def address(self) -> HostPort | None:
        """Where to listen, or None when off."""
        return None if self.listen in {None, "off"} else parse_host_port(str(self.listen))

    @property
    def networks(self) -> tuple[Network, ...]:
        """``trusted_proxies``, to compare with."""
        return tuple(ipaddress.ip_network(one) for one in self.trusted_proxies)


class ExchangeRole(Section):
    """Whether this program is an exchange with extensions of its own, or a mobile gateway alone."""

    enabled: bool = Field(
        default=True,
        description="`false`: a mobile gateway in front of other exchanges, with no extensions of its own. Requests of "
        "phones are refused, and the first start makes no extensions.",
    )
