"""Our Contact at a registrar: where it says that we are (RFC 3261 §10.2.1, RFC 5626 §4.2)."""

from __future__ import annotations

from trunkline.net.flow import Flow
from trunkline.net.listener import split_host_port
from trunkline.net.routes import ip_literal
from trunkline.proto.sip.uri import is_sips
from trunkline.ua.registrations.plan import Plan


def own_address(flow: Flow) -> str:
    """``host:port`` of the listener, as its peer should see it."""
    return flow.listener.sent_by_for(flow.remote[0])


def contact_uri(plan: Plan, flow: Flow, learned: str = "") -> str:
    """The URI of our Contact; ``learned`` is the address that a NAT gave us."""
    address = learned or own_address(flow)
    if is_sips(plan.registrar):
        return f"sips:{plan.id}@{address}"
    suffix = "" if flow.transport == "UDP" else f";transport={flow.transport.lower()}"
    return f"sip:{plan.id}@{address}{suffix}"


def instance_params(plan: Plan) -> str:
    """RFC 5626 §4.2: the instance is the same after each restart, because the binding's id is."""
    key = plan.id
    name = f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:32]}"
    return f';+sip.instance="<urn:uuid:{name}>";reg-id=1'


def learned_address(seen: str, flow: Flow, known: str) -> str:
    """What our Contact should say after a registrar saw us come from ``seen``; "" for our own address.

    ``known`` is what was learned before. On a connection the port is another one each time, so that only
    another host tells of a NAT. A host that is a name was given by the operator, who knows better.
    """
    own = own_address(flow)
    host = split_host_port(own)[0]
    if not seen or ip_literal(host) is None:
        return known
    if flow.reliable:
        return "" if split_host_port(seen)[0] == host else seen
    return "" if seen == own else seen
