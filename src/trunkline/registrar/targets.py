"""From bindings to targets of a call."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.uri import is_sips
from trunkline.registrar.policy import RegistrarPolicy


def target_of(
    binding: Binding, flow_from_token: Callable[[str], Flow | None], policy: RegistrarPolicy
) -> Target:
    """How to reach a binding: down its flow while that lives, else by its Contact (RFC 5626 §5.3).

    A WebSocket client is reached down its flow alone (RFC 7118 §5.2.3: the host of its Contact means nothing),
    and a sips Contact never down a flow without TLS (RFC 3261 §26.2.2).
    """
    # A contact behind a proxy is reached through its Path (RFC 3327 §5.3), by the flow that the proxy came by.
    route = header_lines("Route", binding.path) if binding.path else ""
    by_flow = policy.nat or binding.path or binding.by_websocket
    flow = flow_from_token(binding.flow) if by_flow else None
    if flow is not None and is_sips(binding.contact) and not flow.listener.is_secure:
        flow = None
    return Target(binding.contact, flow, label=f"{binding.user} at {binding.received}", route=route)
