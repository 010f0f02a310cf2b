"""Push services: whether they are reached from here, by TLS and through the proxy, and whether our clock is theirs."""

from __future__ import annotations

import asyncio
import email.utils
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.mobile_plans import proxy_of
from trunkline.app.settings import Settings
from trunkline.base.errors import ConfigError, TransportError
from trunkline.net.http_client import verifying_context
from trunkline.net.http_proxy import HttpProxy, connect_by

_say = Findings("push services")
REACHED_S: Final = 5.0
# Date has whole seconds, and the answer took its time.
SKEW_S: Final = 10.0
# Google refuses a grant whose time is further off; certificates and tokens follow.
WRONG_S: Final = 300.0
_MAX_HEAD: Final = 16_384


@dataclass(frozen=True, slots=True)
class Service:
    """``protocol`` is what is agreed on by ALPN: APNs speaks HTTP/2 alone."""

    name: str
    url: str
    protocol: str = "http/1.1"


def push_services(case: Case) -> Iterator[Finding]:
    """Every service that something is set for; nothing is sent to it but a question for ``/``."""
    settings = case.loaded.settings
    wanted = services(settings)
    if not wanted:
        return
    try:
        proxy = proxy_of(settings)
        ca = settings.push.ca
        verifying_context(Path(ca).expanduser() if ca else None, "push.ca")
    except ConfigError as error:
        yield _say.fail(f"{error.key}: {error.seen}", f"expected {error.expected}")
        return
    yield from asyncio.run(_all(wanted, proxy, Path(ca).expanduser() if ca else None))


def services(settings: Settings) -> list[Service]:
    """Where we push to by these settings."""
    push = settings.push
    found = []
    if push.apns.is_set:
        url = push.apns.sandbox_url if push.apns.sandbox else push.apns.base_url
        found.append(Service("APNs", url, "h2"))
    if push.fcm.is_set:
        found.append(Service("FCM", push.fcm.base_url))
    if push.webhook.url:
        found.append(Service("webhook", push.webhook.url))
    return found


async def _all(wanted: list[Service], proxy: HttpProxy | None, ca: Path | None) -> list[Finding]:
    looked = await asyncio.gather(*(reached(one, proxy, ca) for one in wanted))
    return [finding for some in looked for finding in some]


async def reached(one: Service, proxy: HttpProxy | None, ca: Path | None) -> list[Finding]:
    """TCP and TLS to its host; the time that it says where it speaks HTTP/1.1."""
    parts = urlsplit(one.url)
    by = f" through {proxy.url}" if proxy is not None and parts.scheme == "https" else ""
    name = f"{one.name}: {parts.netloc}{by}"
    try:
        async with asyncio.timeout(REACHED_S):
            said, spoken = await _ask(parts, one.protocol, proxy, ca)
    except TimeoutError:
        return [_unreached(name, f"no answer within {REACHED_S:g} s")]
    except ssl.SSLCertVerificationError as error:
        mend = "a proxy that reads TLS stands between, or push.ca lacks its authority; or look at the clock"
        return [_say.fail(f"{name}: its certificate is not believed: {error.verify_message}", mend)]
    except (OSError, TransportError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return [_unreached(name, why)]
    if parts.scheme == "https" and one.protocol == "h2" and spoken != "h2":
        return [
            _say.fail(f"{name} speaks no HTTP/2", "a proxy that reads TLS stands between: let this host pass")
        ]
    found = [_say.ok(f"{name} is reached")]
    if said is not None:
        found.append(skew(one.name, said - time.time()))
    return found


def _unreached(name: str, why: str) -> Finding:
    return _say.fail(
        f"{name} is not reached: {why}", "look at DNS and the firewall; push.proxy names a way out"
    )


def skew(name: str, ahead_s: float) -> Finding:
    """``ahead_s`` is how far the service's clock is before ours."""
    if abs(ahead_s) <= SKEW_S:
        return _say.ok(f"our clock and that of {name} agree")
    what = f"our clock is {abs(ahead_s):.0f} s {'behind' if ahead_s > 0 else 'ahead of'} that of {name}"
    mend = "let NTP keep the clock"
    if abs(ahead_s) > WRONG_S:
        return _say.fail(f"{what}: it refuses what we sign", mend)
    return _say.warn(what, mend)


async def _ask(
    parts: SplitResult, protocol: str, proxy: HttpProxy | None, ca: Path | None
) -> tuple[float | None, str | None]:
    """The service's time, None when it did not say, and the protocol of ALPN. Raises OSError, TransportError."""
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    context = None
    if parts.scheme == "https":
        context = verifying_context(ca, "push.ca")
        context.set_alpn_protocols([protocol])
    if proxy is not None and context is not None:
        raw = await connect_by(proxy, host, port, REACHED_S)
        reader, writer = await asyncio.open_connection(sock=raw, ssl=context, server_hostname=host)
    else:
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        secured = writer.get_extra_info("ssl_object")
        spoken = secured.selected_alpn_protocol() if secured is not None else None
        return (None if protocol == "h2" else await _date(reader, writer, parts.netloc)), spoken
    finally:
        writer.transport.abort()


async def _date(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> float | None:
    """RFC 9110 §6.6.1: a server with a clock says its time in every answer."""
    writer.write(f"HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD:
        piece = await reader.read(_MAX_HEAD)
        if not piece:
            break
        head += piece
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            try:
                return email.utils.parsedate_to_datetime(value.decode("ascii", "replace").strip()).timestamp()
            except ValueError:
                return None
    return None
