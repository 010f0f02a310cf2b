"""From bindings to targets of a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.uri import is_sips
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.push_parameters import without_push

FlowFromToken: TypeAlias = Callable[[str], Flow | None]


def targets_of(
    bindings: Iterable[Binding], flow_from_token: FlowFromToken, policy: RegistrarPolicy
) -> list[Target]:
    """One target for each phone, in the order of the bindings.

    Bindings of one instance are ways to the same phone, so they are tried one after the other and never rung at
    the same time (RFC 5626 §7): those whose flow lives first, else as they come.
    """
    found: list[Target] = []
    phones: dict[str, list[Target]] = {}
    for binding in bindings:
        target = target_of(binding, flow_from_token, policy)
        if binding.instance is None:
            found.append(target)
        elif binding.instance in phones:
            phones[binding.instance].append(target)
        else:
            phones[binding.instance] = [target]
            found.append(target)
    for ways in phones.values():
        if len(ways) > 1:
            place = found.index(ways[0])
            found[place] = _in_turn(ways)
    return found


def target_of(binding: Binding, flow_from_token: FlowFromToken, policy: RegistrarPolicy) -> Target:
    """How to reach a binding: down its flow while that lives, else by its Contact (RFC 5626 §5.3).

    A WebSocket client is reached down its flow alone (RFC 7118 §5.2.3: the host of its Contact means nothing),
    and a sips Contact never down a flow without TLS (RFC 3261 §26.2.2).
    """
    # A contact behind a proxy is reached through its Path (RFC 3327 §5.3), by the flow that the proxy came by.
    route = header_lines("Route", binding.path) if binding.path else ""
    by_flow = policy.nat or binding.path or binding.by_websocket or binding.reg_id
    flow = flow_from_token(binding.flow) if by_flow else None
    if flow is not None and is_sips(binding.contact) and not flow.listener.is_secure:
        flow = None
    return Target(request_uri(binding), flow, label=f"{binding.user} at {binding.received}", route=route)


def request_uri(binding: Binding) -> str:
    """The Request-URI of what is sent to a binding.

    A proxy that wakes the phone needs to be told how (RFC 8599 §5.6.2); the phone itself knows.
    """
    return binding.contact if binding.path else without_push(binding.contact)


def _in_turn(ways: list[Target]) -> Target:
    """The first of them, with the others to be tried after it."""
    ways.sort(key=lambda way: way.flow is None)
    first, *others = ways
    first.others = tuple(others)
    return first
