"""From bindings to targets of a call."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.proto.sip.draft import header_lines
from trunkline.registrar.policy import RegistrarPolicy


def target_of(
    binding: Binding, flow_from_token: Callable[[str], Flow | None], policy: RegistrarPolicy
) -> Target:
    """How to reach a binding: down its flow while that lives, else by its Contact (RFC 5626 §5.3)."""
    # A contact behind a proxy is reached through its Path (RFC 3327 §5.3), by the flow that the proxy came by.
    route = header_lines("Route", binding.path) if binding.path else ""
    flow = flow_from_token(binding.flow) if policy.nat or binding.path else None
    return Target(binding.contact, flow, label=f"{binding.user} at {binding.received}", route=route)
