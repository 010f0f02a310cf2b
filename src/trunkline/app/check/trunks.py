"""Trunks and peers: whether they are found, what they are asked to take, and who else comes from their addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from trunkline.app.addresses import is_ip, parse_host_port
from trunkline.app.check import domain
from trunkline.app.check.domain import FindAddresses, FindServers, NoAnswer
from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.check.known import Known, known_of
from trunkline.app.secret_values import secret_of
from trunkline.app.settings import Settings
from trunkline.app.settings.stir import Peer
from trunkline.app.settings.trunk import Trunk
from trunkline.base.errors import ConfigError
from trunkline.net.fence.source import Network
from trunkline.pbx.route import SERVICE_NUMBERS

_say = Findings("trunks")
_RECORDS: Final = {
    "auto": ("_sip._udp", "_sip._tcp", "_sips._tcp"),
    "udp": ("_sip._udp",),
    "tcp": ("_sip._tcp",),
    "tls": ("_sips._tcp",),
}
_LARGE: Final = {4: 8, 6: 16}  # a network with a shorter prefix is no carrier's any more


def trunks(case: Case) -> Iterator[Finding]:
    """Every trunk, then every network that calls come from without a password."""
    settings = case.loaded.settings
    if not settings.trunks and not settings.peers:
        return
    known = known_of(case.data.path, settings.domain)
    for at, one in enumerate(settings.trunks):
        yield from server(one, domain.find_addresses, lambda name: domain.find_servers(name, settings))
        yield from password(one, f"trunks[{at}]")
        yield from numbers(one, known)
    if case.loaded.config is not None and any(one.password is not None for one in settings.trunks):
        yield from private(case.loaded.config, _say)
    yield from taken(settings.trunks)
    yield from tenants(settings, known)
    yield from networks(settings, known, case.loaded.host.ipv4 if case.loaded.host is not None else "")


def server(one: Trunk, addresses: FindAddresses, servers: FindServers) -> Iterator[Finding]:
    """Whether its host leads anywhere: by SRV where it has no port (RFC 3263 §4.2), else by its address."""
    place = parse_host_port(one.host)
    name = f"trunk {one.name}"
    if is_ip(place.host):
        yield _say.ok(f"{name}: {one.host} needs no DNS")
        return
    try:
        found = [] if place.port is not None else _targets(place.host, one.transport, servers)
    except NoAnswer as silence:
        yield _say.warn(
            f"{name}: {one.host}: {silence}", "look at the name servers of this host (/etc/resolv.conf)"
        )
        return
    for host in found or [place.host]:
        if led := addresses(host):
            yield _say.ok(f"{name}: {host} leads to {', '.join(sorted(led))}")
        else:
            yield _say.fail(f"{name}: {host} has no address in DNS", "mend host: calls through it fail")


def _targets(host: str, transport: str, servers: FindServers) -> list[str]:
    found = [target for record in _RECORDS[transport] for target, _port in servers(f"{record}.{host}")]
    return list(dict.fromkeys(found))


def password(one: Trunk, key: str) -> Iterator[Finding]:
    """Its file readable and private; a registration without any is hardly meant."""
    try:
        given = secret_of(one, key)
    except ConfigError as error:
        yield _say.fail(f"{error.key}: {error.seen}: {error.hint}", f"expected {error.expected}")
        return
    if one.registers and not given:
        yield _say.warn(
            f"trunk {one.name} registers without a password", "set password_file, unless it needs none"
        )
    if one.password_file:
        yield from private(Path(one.password_file).expanduser(), _say)


def private(path: Path, say: Findings) -> Iterator[Finding]:
    """Whether a file with a secret is for its owner alone."""
    if path.stat().st_mode & 0o077:
        yield say.warn(f"{path} is open to other users", f"chmod go-rwx {path}: it holds a secret")


def numbers(one: Trunk, known: Known) -> Iterator[Finding]:
    """Numbers of its prefixes that are ours, prefixes that no number has, and an ``inbound`` that is not there."""
    name = f"trunk {one.name}"
    ours = known.numbers.get(known.tenant_of(one.domain) or "", frozenset())
    for prefix in filter(None, one.prefixes):
        if not prefix.removeprefix("+").isdigit() and prefix != "+":
            yield _say.warn(
                f"{name}: no number begins with {prefix}", "prefixes are digits, with + in front or without"
            )
            continue
        if inside := sorted(number for number in ours if number.startswith(prefix)):
            yield _say.warn(
                f"{name}: {_some(inside)} begins with its prefix {prefix} and is an extension of ours",
                "an extension comes first: give it another number when these are to go out",
            )
        if services := [number for number in SERVICE_NUMBERS if number.startswith(prefix)]:
            yield _say.warn(
                f"{name}: {_some(services)} begins with its prefix {prefix} and is a service",
                "a service comes first: such numbers never go out",
            )
    if one.inbound and known.default and one.inbound not in ours:
        yield _say.warn(
            f"{name}: inbound is {one.inbound}, which is no extension",
            f"trunkline extension add {one.inbound}, or mend inbound: its calls get 404",
        )


def taken(all_of_them: Sequence[Trunk]) -> Iterator[Finding]:
    """A prefix of two trunks of a tenant: the first has it."""
    first: dict[tuple[str, str], Trunk] = {}
    for one in all_of_them:
        for prefix in one.prefixes:
            other = first.setdefault((one.domain, prefix), one)
            if other is not one:
                shown = f"the prefix {prefix}" if prefix else "every number"
                yield _say.warn(
                    f"trunk {one.name}: {shown} goes to trunk {other.name}, which stands before it",
                    "give each its prefixes; a second trunk does not step in for the first",
                )


def _some(found: Sequence[str]) -> str:
    return f"{found[0]} (and {len(found) - 1} more)" if len(found) > 1 else found[0]


# Who calls without a password


def tenants(settings: Settings, known: Known) -> Iterator[Finding]:
    """Domains that belong to nobody: a trunk with such a one stops the start."""
    if not known.default:
        return
    for name, one in _callers(settings):
        if known.tenant_of(one.domain) is None:
            yield _say.fail(
                f"{name}: {one.domain} is no domain of a tenant", "trunkline tenant list shows them"
            )


def networks(settings: Settings, known: Known, own: str) -> Iterator[Finding]:
    """Whose addresses are believed: too many, somebody else's, or those of phones, which need a password."""
    seen: list[tuple[str, Network]] = []
    for name, one in _callers(settings):
        for network in one.networks:
            yield from _network(name, network, known, own)
            for other, theirs in seen:
                if other != name and theirs.version == network.version and theirs.overlaps(network):
                    yield _say.warn(
                        f"{name}: {network} overlaps with {theirs} of {other}",
                        "a call is the first one's whose address fits",
                    )
            seen.append((name, network))


def _network(name: str, network: Network, known: Known, own: str) -> Iterator[Finding]:
    mend = "name the addresses of its servers alone: a call from there needs no password"
    if network.prefixlen < _LARGE[network.version]:
        yield _say.fail(f"{name}: {network} is nearly everybody", mend)
        return
    phones = sorted({user for user, host in known.phones if _within(host, network)})
    if phones:
        yield _say.warn(f"{name}: {_some(phones)} is registered from {network}", mend)
    elif network.num_addresses > 1 and own and _within(own, network):
        yield _say.warn(f"{name}: {network} is the network of this host, where phones are too", mend)
    else:
        yield _say.ok(f"{name}: calls from {network} need no password")


def _within(host: str, network: Network) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    return address.version == network.version and address in network


def _callers(settings: Settings) -> Iterator[tuple[str, Trunk | Peer]]:
    yield from ((f"peer {one.name}", one) for one in settings.peers)
    yield from ((f"trunk {one.name}", one) for one in settings.trunks)
