"""The SIP domain in DNS: whether phones that know only the domain come to us (RFC 3263)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import TypeAlias

import dns.exception
import dns.resolver

from trunkline.app.addresses import is_ip, parse_host_port
from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.settings import Settings

_say = Findings("dns")
LOOKUP_S = 3.0
_SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
_USUAL_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}

Target: TypeAlias = tuple[str, int]
FindServers: TypeAlias = Callable[[str], list[Target]]
FindAddresses: TypeAlias = Callable[[str], set[str]]


class NoAnswer(Exception):  # noqa: N818  (the name server's silence, not ours)
    """The name servers did not say."""


def domain(case: Case) -> Iterator[Finding]:
    """The domain of the settings, asked of this host's name servers."""
    settings = case.loaded.settings
    if not settings.exchange.enabled:  # no phone looks for a gateway by its domain
        return
    name = settings.domain.strip("[]")
    host = case.loaded.host
    own = {host.ipv4, host.ipv6 or host.ipv4} if host is not None else set()
    ours = own | advertised(settings)
    if is_ip(name):
        yield _literal(name, ours)
        return
    yield from addresses(name, ours, find_addresses)
    yield from servers(name, settings, lambda service: find_servers(service, settings))


def advertised(settings: Settings) -> set[str]:
    """The IP addresses that we tell others."""
    hosts = {one.advertised.host for one in settings.sip.listen} | {settings.media.advertise or ""}
    return {host for host in hosts if is_ip(host)}


def _literal(name: str, ours: set[str]) -> Finding:
    if name in ours:
        return _say.ok(f"the domain is our address {name}: phones need no DNS")
    return _say.warn(
        f"the domain {name} is no address of ours ({_listed(ours)})",
        "phones reach us only when something forwards to us: else set domain",
    )


def addresses(name: str, ours: set[str], find: FindAddresses) -> Iterator[Finding]:
    """Whether the domain leads to an address of ours."""
    found = find(name)
    if not found:
        yield _say.warn(
            f"{name} has no address in DNS",
            "give phones our address as their server (outbound proxy), or add it",
        )
    elif found & ours:
        yield _say.ok(f"{name} leads to {_listed(found)}")
    else:
        yield _say.warn(
            f"{name} leads to {_listed(found)}, and we tell phones {_listed(ours)}",
            "right when something there forwards to us; else mend DNS, or set sip.advertise",
        )


def servers(name: str, settings: Settings, find: FindServers) -> Iterator[Finding]:
    """SRV records: needed only where a port is not the usual one, and then with that port."""
    for transport, service in _SERVICES.items():
        ours = {one.advertised.port for one in settings.sip.listen if one.transport == transport}
        record = f"{service}.{name}"
        try:
            found = find(record)
        except NoAnswer as silence:
            yield _say.warn(
                f"{record}: {silence}", "look at the name servers of this host (/etc/resolv.conf)"
            )
            return
        yield from _service(record, transport, ours, found)


def _service(record: str, transport: str, ours: set[int | None], found: list[Target]) -> Iterator[Finding]:
    shown = ", ".join(f"{host}:{port}" for host, port in found)
    if found and not ours:
        yield _say.warn(
            f"{record} leads to {shown}, and no listener has {transport}", "add a listener, or remove it"
        )
    elif found and not {port for _host, port in found} & ours:
        yield _say.warn(
            f"{record} leads to {shown}, and we listen on {_listed(ours)}", "mend the port in DNS"
        )
    elif found:
        yield _say.ok(f"{record} leads to {shown}")
    elif ours and _USUAL_PORTS[transport] not in ours:
        yield _say.warn(
            f"{record} is not there, and {transport} is on {_listed(ours)}",
            f"add it, or type the port into phones: they try {_USUAL_PORTS[transport]}",
        )


def _listed(values: set[str] | set[int | None]) -> str:
    return ", ".join(sorted(map(str, values))) or "nothing"


def find_addresses(name: str) -> set[str]:
    """As programs of this host find them: /etc/hosts too. The area's deadline bounds it."""
    try:
        found = socket.getaddrinfo(name, 5060, type=socket.SOCK_DGRAM)
    except OSError:
        return set()
    return {str(entry[4][0]) for entry in found}


def find_servers(service: str, settings: Settings) -> list[Target]:
    """Targets of an SRV record (RFC 2782), none when there is no record; raises NoAnswer."""
    try:
        resolver = _resolver(settings)
        answer = resolver.resolve(service, "SRV", lifetime=LOOKUP_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise NoAnswer(f"the name servers do not answer ({type(error).__name__})") from None
    return [(str(record.target).rstrip("."), int(record.port)) for record in answer]


def _resolver(settings: Settings) -> dns.resolver.Resolver:
    if not settings.dns.servers:
        return dns.resolver.Resolver()
    resolver = dns.resolver.Resolver(configure=False)
    first = parse_host_port(settings.dns.servers[0])
    resolver.nameservers = [first.host]
    resolver.port = first.port or 53
    return resolver
