"""The settings: what a restart may need. What an operator changes while running lives in the store.

Models are strict and frozen: a text is no number, an unknown key is an error. ``load_settings`` (in
``settings_file``) reads them from a TOML or JSON file; ``docs/reference/configuration.md`` is generated
from the descriptions below.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    model_validator,
)

from trunkline.app.addresses import HostPort, parse_host_port
from trunkline.app.setting_values import (
    PortRange,
    as_advertise,
    as_domain,
    as_listeners,
    as_media_address,
    as_metrics_address,
    as_port_range,
    as_url,
    wrong,
)

DEFAULT_SIP_PORT = 5060

Advertise = Annotated[str, BeforeValidator(as_advertise)]
Ports = Annotated[PortRange, PlainValidator(as_port_range), PlainSerializer(str)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Listener(Section):
    """Where SIP comes in. A plain text such as "udp:0.0.0.0:5060" is the short form of a table with a url."""

    url: Annotated[str, BeforeValidator(as_url)] = Field(
        description="`udp:HOST:PORT` or `tcp:HOST:PORT`; IPv6 in brackets; port 5060 by default, 0 for any."
    )
    role: Literal["phones", "trunk"] = Field(default="phones", description="Who is expected here.")
    advertise: Advertise | None = Field(
        default=None,
        description="Host, or host:port, that others reach this listener by. Default: `sip.advertise`.",
    )
    name: str = Field(default="", max_length=40, description="A name for logs and metrics. Default: the url.")

    @property
    def transport(self) -> Literal["udp", "tcp"]:
        return "tcp" if self.url.startswith("tcp:") else "udp"

    @property
    def address(self) -> HostPort:
        """Host and port to bind; the port is always given."""
        return parse_host_port(self.url[4:])

    @property
    def advertised(self) -> HostPort:
        """What to write into Via, Contact and Record-Route; a port of 0 means the bound port."""
        given = parse_host_port(self.advertise) if self.advertise else self.address
        return HostPort(given.host, self.address.port if given.port is None else given.port)


class Registration(Section):
    """How long a phone may stay registered without asking again."""

    min_expires_s: int = Field(
        default=60, ge=1, le=86_400, description="A shorter wish gets 423 (RFC 3261 §10.3)."
    )
    max_expires_s: int = Field(default=3600, ge=1, le=604_800, description="A longer wish is cut to this.")
    default_expires_s: int = Field(
        default=3600, ge=1, le=604_800, description="Granted when the phone names none."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.min_expires_s <= self.default_expires_s <= self.max_expires_s:
            seen = f"{self.min_expires_s}, {self.default_expires_s}, {self.max_expires_s}"
            raise wrong("min_expires_s <= default_expires_s <= max_expires_s", seen=seen)
        return self


class Sip(Section):
    """Signalling."""

    listen: Annotated[tuple[Listener, ...], BeforeValidator(as_listeners)] = Field(
        default=(),
        description="Listeners, as texts or tables. Default: UDP and TCP 5060 on all addresses of the host.",
        examples=['["udp:127.0.0.1:5060", "tcp:[::1]:5060"]'],
    )
    advertise: Advertise | None = Field(
        default=None,
        description="Host that phones reach this exchange by, behind NAT or in a container. "
        "Default: the listener's address, or the host's when it listens on all.",
        examples=['"203.0.113.5"'],
    )
    grace_s: Seconds = Field(
        default=10.0, description="How long calls may go on after SIGTERM before they get a BYE."
    )
    ring_timeout_s: float = Field(
        default=60.0, ge=1, le=600, description="How long a phone rings before its caller gets 480."
    )
    registration: Registration = Registration()
    max_contacts: int = Field(
        default=10, ge=1, le=100, description="Contacts that one extension may register."
    )
    sdp_profile: Literal["transparent", "conservative"] = Field(
        default="transparent",
        description="`transparent` passes every codec on; `conservative` offers G.711, G.722, DTMF.",
    )
    nat: bool = Field(
        default=True,
        description="Phones may sit behind NAT: answer and call them where their packets come from (RFC 3581), "
        "not where they say.",
    )

    @model_validator(mode="after")
    def _no_listener_twice(self) -> Self:
        urls = [listener.url for listener in self.listen if listener.address.port]
        for url in urls:
            if urls.count(url) > 1:
                raise wrong("each listener once", seen=url, at="listen")
        return self


class Media(Section):
    """Audio: RTP and RTCP."""

    address: Annotated[str, BeforeValidator(as_media_address)] | None = Field(
        default=None,
        description="Address to bind media ports to. Default: that of the listeners, else all addresses.",
    )
    advertise: Annotated[str, BeforeValidator(as_media_address)] | None = Field(
        default=None,
        description="Address written into SDP. Default: `sip.advertise`, else the address bound.",
    )
    ports: Ports = Field(
        default=PortRange(10_000, 20_000),
        description="UDP ports for media, FIRST-LAST.",
        examples=['"10000-20000"'],
    )
    inactivity_s: Seconds = Field(
        default=120.0,
        description="A call whose media is silent on both sides this long is ended; 0 never ends one.",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Threads that move packets; the ports are divided among them."
    )


class Metrics(Section):
    """Prometheus, on a port of its own."""

    listen: Annotated[str, BeforeValidator(as_metrics_address)] = Field(
        default="127.0.0.1:9090", description="`HOST:PORT` to serve `/metrics` and `/health` on, or `off`."
    )

    @property
    def address(self) -> HostPort | None:
        """Where to listen, or None when off."""
        return None if self.listen == "off" else parse_host_port(self.listen)


class Log(Section):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level shown."
    )
    format: Literal["auto", "text", "json"] = Field(
        default="auto", description="`auto` is text on a terminal and one JSON object per line otherwise."
    )


class Settings(Section):
    """Everything the file may say."""

    domain: Annotated[str, BeforeValidator(as_domain)] = Field(
        default="",
        description="SIP domain of the default tenant: the part after @ that phones use. "
        "Default: the host's address.",
        examples=['"example.com"'],
    )
    node: int = Field(
        default=0, ge=0, le=255, description="This node's number; unique among nodes that work together."
    )
    sip: Sip = Sip()
    media: Media = Media()
    metrics: Metrics = Metrics()
    log: Log = Log()
