"""Whom a call rings, and by which way each is reached: the very targets of calls."""

from __future__ import annotations

import ipaddress

from trunkline.app.explain.telling import Telling
from trunkline.app.explain.view import Place, View
from trunkline.base.errors import RemoteProtocolError
from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.net.listener import split_host_port
from trunkline.net.routes import ip_literal
from trunkline.pbx.directory import Entry, TenantEntry
from trunkline.pbx.handing_on import is_secure
from trunkline.proto.sip.uri import parse_uri
from trunkline.registrar.push_parameters import shown
from trunkline.registrar.targets import request_uri, targets_of
from trunkline.trunking.trunk import Trunk

# RFC 1918, RFC 6598: shared by many networks, so that only a neighbour reaches them.
_INSIDE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)


def is_inside(host: str) -> bool:
    """Whether an address is one of a private network; False for names."""
    literal = ip_literal(host)
    if literal is None:
        return False
    address = ipaddress.ip_address(literal.partition("%")[0])
    return any(address in network for network in _INSIDE)


def place_of_binding(binding: Binding) -> Place:
    """Where a phone registered from."""
    try:
        host = split_host_port(binding.received)[0]
    except ValueError:
        host = ""
    return Place(host, transport_of(binding).upper())


def transport_of(binding: Binding) -> str:
    """ "udp", "tcp", ...: the transport that it came by."""
    parts = binding.flow.split("|", 2)
    return parts[1] if len(parts) == 3 else ""


def ring(view: View, owner: TenantEntry, entry: Entry, out: Telling, *, secure: bool = False) -> list[Place]:
    """Tell of each target of an extension; where those are that will be rung."""
    bindings = view.bindings(owner.id, entry.number)
    live = view.live
    asleep = () if view.push is None else view.push.asleep(owner.id, entry.number, bindings)
    if view.push is not None and asleep:
        bindings = view.push.to_ring(bindings, asleep)
    by_contact = {(request_uri(one), f"{one.user} at {one.received}"): one for one in bindings}
    find = live.flow_from_token if live is not None else (lambda _token: None)
    targets = targets_of(bindings, find, view.policy)
    if entry.contact is not None:
        targets.append(Target(entry.contact, label=entry.number))
    places = []
    for target in targets:
        for turn, way in enumerate((target, *target.others)):
            binding = by_contact.get((way.uri, way.label))
            if secure and not is_secure(way):
                out.tell("fork.insecure", f"{way.label} is not reached by TLS, and a sips call passes it by")
            elif _way(view, way, binding, turn, out):
                places.append(place_of_binding(binding) if binding is not None else _place(way.uri))
    for record in asleep:
        out.tell(
            "fork.asleep",
            f"a phone of {entry.number} sleeps: a push ({record.provider}) wakes it, and then it rings",
        )
    for label in live.apps_of(owner.id, entry.number) if live is not None else ():
        out.tell("fork.app", f"{label} is an app: it is told by its live channel, or woken by a push")
        places.append(Place())
    return places


def _way(view: View, target: Target, binding: Binding | None, turn: int, out: Telling) -> bool:
    """Tell of one way to a phone; whether it will be tried with hope."""
    first = "" if turn == 0 else "if that fails: "
    if binding is None:
        out.tell(
            "fork.fixed",
            f"{first}{target.label} at its fixed contact {shown(target.uri)}, which is looked up",
        )
        return True
    by = transport_of(binding).upper()
    path = ", through the proxies of its Path" if target.route else ""
    if view.live is None:
        out.tell("fork.contact", f"{first}{target.label} by {by}{path}", contact=shown(target.uri))
    elif target.flow is not None:
        out.tell(
            "fork.flow",
            f"{first}{target.label}, down the way it registered by ({by}){path}",
            contact=shown(target.uri),
        )
    elif binding.by_websocket:
        out.tell(
            "fork.flow_gone",
            f"{first}{target.label}: its {by} connection is gone, and there is no other way to it",
            "the page must connect and register again",
        )
        return False
    else:
        return _by_contact(view, target, by, first, path, out)
    return True


def _by_contact(view: View, target: Target, by: str, first: str, path: str, out: Telling) -> bool:
    host = _host(target.uri)
    gone = view.policy.nat and by not in {"UDP", ""}
    why = f"its {by} connection is gone, so " if gone else ""
    text = f"{first}{target.label}: {why}it is looked for at its contact {shown(target.uri)}{path}"
    if is_inside(host) and not target.route:
        hint = "let the phone send keep-alives or register more often" if gone else "set sip.nat = true"
        out.tell("fork.private_contact", f"{text}, a private address that only its own network reaches", hint)
        return False
    out.tell("fork.contact", text, contact=shown(target.uri))
    return True


def ring_trunk(trunk: Trunk, number: str, out: Telling) -> list[Place]:
    """Tell how a call goes out; where its server is, when that is known."""
    target = trunk.target(number)
    who = f" as {target.caller}" if target.caller else ""
    out.tell("fork.trunk", f"{trunk.plan.name} is sent {target.uri}{who}", trunk=trunk.plan.name)
    trouble = trunk.registration.trouble if trunk.registration is not None else trunk.trouble
    trouble = trouble or trunk.trouble
    if trunk.state not in {"registered", "reachable", "unknown"}:
        hint = {
            "authentication failed": "look at username, auth_username, realm and password of the trunk",
            "unreachable": "look at host and transport of the trunk, and at the firewall",
        }.get(trunk.state, "trunkline trunks tells why")
        why = ", ".join(dict.fromkeys(filter(None, (trunk.state, trouble))))
        out.tell(
            "fork.trunk_down",
            f"{trunk.plan.name} is in trouble: {why}; the call is tried all the same",
            hint,
        )
    return [Place(target.sticky.address, target.sticky.transport)] if target.sticky is not None else []


def _place(uri: str) -> Place:
    return Place(ip_literal(_host(uri)) or "", "")


def _host(uri: str) -> str:
    try:
        return parse_uri(uri).target.host
    except RemoteProtocolError:
        return ""
