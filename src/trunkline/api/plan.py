"""How the API is to behave: plain values, which the settings are mapped to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OidcPlan:
    """An issuer of tokens besides ourselves: OpenID Connect, or anybody with a JWKS.

    ``jwks_url`` "" is found by the issuer's discovery document. ``tenant_claim`` names the claim that holds a tenant's
    id; "": all are of the default tenant.
    """

    issuer: str
    audience: str
    jwks_url: str = ""
    tenant_claim: str = ""


@dataclass(frozen=True, slots=True)
class AuthPlan:
    """``secret`` signs our tokens (HS256), which live ``expires_s`` seconds. ``api_key`` is the default tenant's, with
    which its backend asks for tokens; "" mints for nobody. ``default_tenant`` is its id: tokens that name no tenant are
    its tokens.
    """

    secret: str = field(repr=False)
    expires_s: int = 2_592_000
    api_key: str = field(default="", repr=False)
    oidc: OidcPlan | None = None
    default_tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_minute`` on average, ``burst`` at once."""

    per_minute: float
    burst: int


@dataclass(frozen=True, slots=True)
class LimitPlan:
    """Rates by source address (an IPv6 /64 is one): requests that need no token, wrong credentials, tokens asked for.
    By subject: its requests, devices registered, calls placed, test notifications. ``max_keys`` of each are known at
    a time.

    ``streams`` event channels and long-polls may be open together, ``streams_each`` and ``waits_each`` of one subject.
    ``connections_each`` connections may be open of one source, and as many of its requests be under way.
    """

    per_source: Rate = Rate(1200, 1200)
    per_subject: Rate = Rate(600, 600)
    failures: Rate = Rate(30, 30)
    tokens: Rate = Rate(60, 60)
    devices: Rate = Rate(30, 30)
    calls: Rate = Rate(60, 30)
    pushes: Rate = Rate(10, 5)
    max_keys: int = 20_000
    streams: int = 10_000
    streams_each: int = 10
    waits_each: int = 20
    connections_each: int = 2000


@dataclass(frozen=True, slots=True)
class ApiPlan:
    """``host`` and ``port`` to listen on (0: any port). ``root_path`` is the prefix that a proxy serves us under.

    ``proxies`` are addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed. ``origins`` may ask
    from a browser. ``docs`` serves ``/openapi.json``. Seconds: ``head_s`` for a request's head to arrive,
    ``body_s`` for its body, ``keep_alive_s`` between two requests of a connection, ``request_s``
    for an answer, ``call_s`` for the callee's, ``wait_s`` the longest long-poll, ``heartbeat_s`` between signs of life,
    ``send_s`` until a slow reader is cut, ``stop_s`` for what is under way when we stop.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    root_path: str = ""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    origins: tuple[str, ...] = ()
    docs: bool = False
    limits: LimitPlan = LimitPlan()
    max_body: int = 65_536
    max_head: int = 16_384
    max_connections: int = 20_000
    head_s: float = 10.0
    keep_alive_s: int = 30
    body_s: float = 10.0
    request_s: float = 30.0
    call_s: float = 120.0
    wait_s: int = 30
    heartbeat_s: float = 20.0
    send_s: float = 10.0
    stop_s: float = 2.0
