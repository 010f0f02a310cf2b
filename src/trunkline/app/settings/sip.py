"""``[sip]``: where signalling comes in, and how long phones stay."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trunkline.app.addresses import HostPort, is_unspecified, parse_host_port
from trunkline.app.settings.calls_in_time import OverloadSettings, SessionTimerSettings
from trunkline.app.settings.native_push import NativePush
from trunkline.app.settings.section import Advertise, Seconds, Section
from trunkline.app.settings.tls import PemFile, Tls
from trunkline.app.settings.values import as_listeners, as_origins, as_route, as_url, wrong


class Listener(Section):
    """Where SIP comes in. A plain text such as "udp:0.0.0.0:5060" is the short form of a table with a url."""

    url: Annotated[str, BeforeValidator(as_url)] = Field(
        description="`TRANSPORT:HOST:PORT` with `udp`, `tcp`, `tls`, `ws` or `wss`; IPv6 in brackets; port 5060 by "
        "default, for `tls` 5061, `ws` 5066, `wss` 5067; 0 for any."
    )
    role: Literal["phones", "trunk"] = Field(default="phones", description="Who is expected here.")
    advertise: Advertise | None = Field(
        default=None,
        description="Host, or host:port, that others reach this listener by. Default: `sip.advertise`.",
    )
    name: str = Field(default="", max_length=40, description="A name for logs and metrics. Default: the url.")

    certificate: PemFile | None = Field(
        default=None,
        description="PEM file: the certificate, then its chain (`tls`, `wss`). Default: `sip.tls.certificate`.",
    )
    key: PemFile | None = Field(default=None, description="PEM file of its key. Default: the same file.")
    client_certificate: Literal["none", "request", "require"] = Field(
        default="none",
        description="Whether clients must show a certificate (`tls`, `wss`): one that is shown is checked in any case.",
    )
    client_ca: PemFile | None = Field(
        default=None, description="PEM file of the authorities that clients' certificates come from."
    )
    origins: Annotated[tuple[str, ...], BeforeValidator(as_origins)] = Field(
        default=(),
        description="Web pages that may connect (`ws`, `wss`): their origins. Default: any page; a client that is "
        "no browser names none and may always connect.",
        examples=['["https://phone.example.com"]'],
    )

    @property
    def transport(self) -> str:
        """``udp``, ``tcp``, ``tls``, ``ws`` or ``wss``."""
        return self.url.partition(":")[0]

    @property
    def is_secure(self) -> bool:
        """Whether its connections are within TLS."""
        return self.transport in {"tls", "wss"}

    @property
    def over_udp(self) -> bool:
        """Whether its socket is a UDP socket; every other transport takes a TCP port."""
        return self.transport == "udp"

    @property
    def address(self) -> HostPort:
        """Host and port to bind; the port is always given."""
        return parse_host_port(self.url.partition(":")[2])

    @property
    def advertised(self) -> HostPort:
        """What to write into Via, Contact and Record-Route; a port of 0 means the bound port."""
        given = parse_host_port(self.advertise) if self.advertise else self.address
        return HostPort(given.host, self.address.port if given.port is None else given.port)

    @model_validator(mode="after")
    def _fits_transport(self) -> Self:
        for name in ("certificate", "key", "client_ca"):
            if getattr(self, name) and not self.is_secure:
                raise wrong("only with tls or wss", seen=getattr(self, name), at=name)
        if self.key and not self.certificate:
            raise wrong("the certificate that belongs to the key", seen="nothing", at="certificate")
        if self.client_certificate != "none" and not self.is_secure:
            raise wrong("only with tls or wss", seen=self.client_certificate, at="client_certificate")
        if self.client_certificate != "none" and not self.client_ca:
            hint = f"client_certificate is {self.client_certificate}"
            raise wrong("a PEM file of the authorities of clients", hint, "nothing", at="client_ca")
        if self.origins and self.transport not in {"ws", "wss"}:
            raise wrong("only with ws or wss", seen=", ".join(self.origins), at="origins")
        return self


class Registration(Section):
    """How long a phone may stay registered without asking again."""

    min_expires_s: int = Field(
        default=60, ge=1, le=86_400, description="A shorter wish gets 423 (RFC 3261 §10.3)."
    )
    max_expires_s: int = Field(default=3600, ge=1, le=604_800, description="A longer wish is cut to this.")
    default_expires_s: int = Field(
        default=3600, ge=1, le=604_800, description="Granted when the phone names none."
    )
    path: Literal["strict", "tolerant"] = Field(
        default="strict",
        description="A phone that comes by a proxy's Path without `Supported: path` gets 420 (`strict`), or is "
        "registered all the same (`tolerant`): RFC 3327 §5.3.",
    )
    service_route: Annotated[str, BeforeValidator(as_route)] = Field(
        default="",
        description="Where phones are told to send their requests through (RFC 3608): SIP URIs in angle brackets, "
        "with commas between them.",
        examples=['"<sip:edge.example.com;lr>"'],
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.min_expires_s <= self.default_expires_s <= self.max_expires_s:
            seen = f"{self.min_expires_s}, {self.default_expires_s} and {self.max_expires_s}"
            raise wrong("min_expires_s <= default_expires_s <= max_expires_s", seen=seen)
        return self


class Sip(Section):
    """Signalling."""

    listen: Annotated[tuple[Listener, ...], BeforeValidator(as_listeners)] = Field(
        default=(),
        description="Listeners, as texts or tables. Default: UDP and TCP 5060, TLS 5061, WebSocket 5066 and secure "
        "WebSocket 5067 on all addresses of the host.",
        examples=['["udp:127.0.0.1:5060", "tcp:[::1]:5060"]'],
    )
    advertise: Advertise | None = Field(
        default=None,
        description="Host that phones reach this exchange by, behind NAT or in a container; a port in it is for "
        "`udp` and `tcp`. "
        "Default: the listener's address, or the host's when it listens on all.",
        examples=['"203.0.113.5"'],
    )
    grace_s: Seconds = Field(
        default=10.0, description="How long calls may go on after SIGTERM before they get a BYE."
    )
    ring_timeout_s: float = Field(
        default=60.0, ge=1, le=600, description="How long a phone rings before its caller gets 480."
    )
    next_hop_s: float = Field(
        default=8.0,
        ge=1,
        le=32,
        description="How long a server of a domain may stay silent before the domain's next one is asked; the last "
        "has the 32 seconds of RFC 3261.",
    )
    tcp_within_s: float = Field(
        default=2.0,
        ge=0.1,
        le=32,
        description="How long a connection may take to open for a request that is too large for a datagram "
        "(RFC 3261 §18.1.1) before it goes by UDP all the same.",
    )
    registration: Registration = Registration()
    session_timer: SessionTimerSettings = SessionTimerSettings()
    overload: OverloadSettings = OverloadSettings()
    push: NativePush = NativePush()
    tls: Tls = Tls()
    max_contacts: int = Field(
        default=10, ge=1, le=100, description="Contacts that one extension may register."
    )
    max_forwards: int = Field(
        default=70,
        ge=1,
        le=255,
        description="Hops that a call may still take when it leaves here (RFC 7332); less when it came with less.",
    )
    reliable_provisionals: Literal["never", "required", "follow", "supported"] = Field(
        default="follow",
        description="When ringing and early media are told so that they arrive for certain (RFC 3262): to callers that "
        "require it; to those that support it when the callee's came so (`follow`), or always (`supported`). `never` "
        "also keeps callees from it, and refuses callers that require it.",
    )
    early_media: Literal["none", "callee", "both"] = Field(
        default="callee",
        description="Who is heard before the answer: nobody, the callee alone, or the caller too: some carriers' menus "
        "want that, and so does fraud.",
    )
    dtmf: Literal["translate", "pass"] = Field(
        default="translate",
        description="Whether a key that a party sends by INFO is told the other as a telephone event, where it takes "
        "those, and the reverse; or passed on as it came.",
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
    def _no_port_twice(self) -> Self:
        for at, listener in enumerate(self.listen):
            for other in self.listen[:at]:
                if listener.url == other.url and listener.address.port:
                    raise wrong("each listener once", seen=listener.url, at="listen")
                if share_a_port(listener, other):
                    seen = f"{other.url} and {listener.url}"
                    same = other.address.host == listener.address.host
                    hint = "a port serves one transport" if same else "one of them listens on every address"
                    raise wrong("another port for one of them", hint, seen, at="listen")
        return self


def share_a_port(one: Listener, other: Listener) -> bool:
    """Whether the kernel would refuse the second socket: the same port, and addresses that overlap."""
    here, there = one.address, other.address
    if not here.port or here.port != there.port or one.over_udp != other.over_udp:
        return False
    if (":" in here.host) != (":" in there.host):
        return False
    return here.host == there.host or is_unspecified(here.host) or is_unspecified(there.host)
