"""RFC 3263 §4.1 and §4.2 without I/O: which questions to ask, and which servers follow from the answers.

``select`` is a generator. It yields the questions whose answers it needs next, all of which may be asked at once,
is sent a mapping with their answers, and returns the hops in the order of trial:

    wanted = Wanted.of(parse_uri("sip:example.com"))
    procedure = select(wanted, ours, dice, source_of)
    questions = next(procedure)
    procedure.send({question: answer for ...})      # StopIteration.value: list[Hop]

What is likely to be needed is asked for in the first round, because a round trip costs a caller more than a
question costs a name server.
"""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from trunkline.net.dns.preference import SourceOf, by_preference
from trunkline.net.dns.records import NOTHING, Answer, Hop, Kind, Naptr, NotLocated, Question, plain_name
from trunkline.net.dns.weights import Dice, in_trial_order
from trunkline.net.routes import family_of, ip_literal
from trunkline.proto.sip.uri import SipUri, bare_host

Answers: TypeAlias = Mapping[Question, Answer]
Rounds: TypeAlias = Generator[list[Question], Answers, "list[Hop]"]
Ours: TypeAlias = Mapping[str, frozenset[socket.AddressFamily]]
"""The transports that we can send by, with the address families of each."""

MAX_HOPS: Final = 16
MAX_SERVICES: Final = 32  # SRV records followed for one URI
DEFAULT_PORTS: Final = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
_LABELS: Final = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}
# RFC 3263 §4.1. SIP+D2W and SIPS+D2W (RFC 7118 §6) lead to WebSocket servers, to whom only browsers go.
_SERVICES: Final = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a URI says: host without brackets; port and transport None when it leaves them open."""

    host: str
    port: int | None
    transport: str | None
    secure: bool

    @classmethod
    def of(cls, uri: SipUri) -> Wanted:
        """Raises NotLocated for what no server can be found for: another scheme, or a port that is none."""
        if not uri.is_sip:
            raise NotLocated(f"{uri.scheme}: is no scheme to find a server for, expected sip: or sips:")
        if uri.port == 0:
            raise NotLocated(f"port 0 of {uri.host} is no port, expected 1 to 65535")
        transport = uri.params.get("transport")
        secure = uri.scheme == "sips"
        named = transport.upper() if transport else None
        if secure and named == "TCP":
            named = "TLS"  # RFC 3261 §26.2.2: sips asks for TLS whatever carries it
        return cls(bare_host(uri.params.get("maddr") or uri.host), uri.port, named, secure)

    def transports(self, ours: Ours) -> list[str]:
        """Those that may be used, best first: UDP, TCP, TLS; for sips TLS alone."""
        return [
            name
            for name in ("UDP", "TCP", "TLS")
            if name in ours and self.transport in {None, name} and (name == "TLS" or not self.secure)
        ]


@dataclass(frozen=True, slots=True)
class _Service:
    """A name with a port and a transport: what is left is its addresses."""

    transport: str
    host: str
    port: int


def select(wanted: Wanted, ours: Ours, dice: Dice, source_of: SourceOf) -> Rounds:
    """The hops of a URI, best first, ``MAX_HOPS`` at most; raises NotLocated when there is none.

    ``dice`` draws among SRV records, ``source_of`` tells routes (``routes.source_address``).
    """
    usable = wanted.transports(ours)
    if not usable:
        raise NotLocated(_no_transport(wanted, ours))
    literal = ip_literal(wanted.host)
    if literal is not None:
        # §4.1: a numeric host is asked for by UDP, or TLS for sips, unless the URI names a transport.
        best = next((name for name in usable if family_of(literal) in ours[name]), usable[0])
        return [Hop(best, literal, wanted.port or DEFAULT_PORTS[best], literal)]
    host = plain_name(wanted.host)
    if wanted.port is not None:
        # §4.1 and §4.2: with a port there is neither NAPTR nor SRV.
        services = [_Service(usable[0], host, wanted.port)]
        known: Answers = {}
    else:
        known = yield _first_round(wanted, host, usable, ours)
        services = yield from _services(wanted, host, usable, known, dice)
    return (yield from _addressed(services, host, ours, source_of, known))


def _no_transport(wanted: Wanted, ours: Ours) -> str:
    asked = wanted.transport or ("TLS" if wanted.secure else "UDP, TCP or TLS")
    have = ", ".join(name for name in ours if name in DEFAULT_PORTS) or "none"
    if wanted.secure and wanted.transport not in {None, "TLS"}:
        return f"sips: over {wanted.transport} cannot be, expected TLS"
    return f"{wanted.host} is reached by {asked}, and the transports to send by are: {have}"


# Which services a domain has


def _first_round(wanted: Wanted, host: str, usable: Sequence[str], ours: Ours) -> list[Question]:
    asked = [Question(plain_name(f"{_LABELS[name]}.{host}"), Kind.SRV) for name in usable]
    if wanted.transport is None:
        asked.append(Question(host, Kind.NAPTR))
    return asked + _address_questions([_Service(name, host, 0) for name in usable], ours)


def _services(
    wanted: Wanted, host: str, usable: Sequence[str], known: Answers, dice: Dice
) -> Generator[list[Question], Answers, list[_Service]]:
    rules = _rules(known.get(Question(host, Kind.NAPTR), NOTHING).rules, usable)
    if rules:
        return (yield from _by_rules(rules, host, known, dice))
    # §4.1: without NAPTR, the SRV records of each transport; §4.2: those of the one that the URI names.
    found: list[_Service] = []
    denied: list[str] = []
    for transport in usable:
        name = f"{_LABELS[transport]}.{host}"
        servers = _served(known.get(Question(name, Kind.SRV), NOTHING), transport, dice)
        if servers is None:
            denied.append(transport)
        else:
            found += servers
    if found:
        return found
    left = [transport for transport in usable if transport not in denied]
    if not left or (denied and wanted.transport is None):
        raise NotLocated(f"{host} says in its SRV records that it has no SIP service")
    return [_Service(left[0], host, DEFAULT_PORTS[left[0]])]


def _rules(rules: Iterable[Naptr], usable: Sequence[str]) -> list[Naptr]:
    """The NAPTR records to follow, best first: of those that we can use, the ones of the lowest order.

    RFC 3403 §4.1: once a rule of some order fits, rules of another order must not be looked at.
    """
    ours = [
        rule
        for rule in rules
        if rule.flags.lower() in {"s", "a"}
        and not rule.regexp
        and rule.replacement
        and _SERVICES.get(rule.service.upper()) in usable
    ]
    ours.sort(key=lambda rule: (rule.order, rule.preference))
    return [rule for rule in ours if rule.order == ours[0].order]


def _by_rules(
    rules: list[Naptr], host: str, known: Answers, dice: Dice
) -> Generator[list[Question], Answers, list[_Service]]:
    wanted = [Question(rule.replacement, Kind.SRV) for rule in rules if rule.flags.lower() == "s"]
    more = [question for question in dict.fromkeys(wanted) if question not in known]
    answers = {**known, **((yield more) if more else {})}
    found: list[_Service] = []
    left: list[_Service] = []
    for rule in rules:
        transport = _SERVICES[rule.service.upper()]
        if rule.flags.lower() == "a":
            found.append(_Service(transport, rule.replacement, DEFAULT_PORTS[transport]))
            continue
        servers = _served(answers.get(Question(rule.replacement, Kind.SRV), NOTHING), transport, dice)
        if servers == []:
            # §4.2: no SRV records were found, so the domain's own addresses stand in for them.
            left.append(_Service(transport, host, DEFAULT_PORTS[transport]))
        found += servers or []
    if not found and not left:
        raise NotLocated(f"{host} says in its SRV records that it has no SIP service")
    return found or left[:1]


def _served(answer: Answer, transport: str, dice: Dice) -> list[_Service] | None:
    """The services of SRV records in the order of trial; None when they say that there is none."""
    servers = answer.servers
    if servers and not any(server.target for server in servers):
        return None  # RFC 2782, "Target": a single "." means that the service is decidedly not here
    usable = [server for server in servers if server.target and server.port]
    return [
        _Service(transport, server.target, server.port)
        for server in in_trial_order(usable[:MAX_SERVICES], dice)
    ]


# Their addresses


def _address_questions(services: Iterable[_Service], ours: Ours) -> list[Question]:
    kinds = {socket.AF_INET: Kind.A, socket.AF_INET6: Kind.AAAA}
    asked: dict[Question, None] = {}
    for service in services:
        if ip_literal(service.host) is None:
            for family, kind in kinds.items():
                if family in ours[service.transport]:
                    asked[Question(service.host, kind)] = None
    return list(asked)


def _addressed(
    services: list[_Service], host: str, ours: Ours, source_of: SourceOf, known: Answers
) -> Rounds:
    asked = _address_questions(services[:MAX_SERVICES], ours)
    more = [question for question in asked if question not in known]
    answers = {**known, **((yield more) if more else {})}
    hops: dict[Hop, None] = {}
    for service in services[:MAX_SERVICES]:
        if len(hops) >= MAX_HOPS:
            break  # whoever names thousands of addresses must not have us ask for the route to each
        for address in by_preference(_addresses_of(service, answers, ours), source_of):
            hops[Hop(service.transport, address, service.port, host)] = None
    if not hops:
        raise NotLocated(_why_none(host, services, [answers[question] for question in asked]))
    return list(hops)[:MAX_HOPS]


def _addresses_of(service: _Service, answers: Answers, ours: Ours) -> list[str]:
    literal = ip_literal(service.host)
    if literal is not None:
        # RFC 2782 wants a name for a target; who writes an address means it.
        return [literal] if family_of(literal) in ours[service.transport] else []
    families = ours[service.transport]
    six = answers.get(Question(service.host, Kind.AAAA), NOTHING).addresses
    four = answers.get(Question(service.host, Kind.A), NOTHING).addresses
    return [address for address in six + four if family_of(address) in families]


def _why_none(host: str, services: list[_Service], answers: list[Answer]) -> str:
    failure = next((answer.failure for answer in answers if answer.failure), "")
    if failure:
        return f"{host} cannot be looked up: {failure}"
    names = ", ".join(dict.fromkeys(service.host for service in services[:4]))
    return f"{names} has no address that a {services[0].transport} listener of ours can reach"
