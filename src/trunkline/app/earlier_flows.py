"""Another way to a phone whose connection is gone, with the process before us or alone: the one it registered by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError, TransportError
from trunkline.model.binding import Binding
from trunkline.net import Flow, Net
from trunkline.proto.sip.uri import parse_uri
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.targets import target_of

MAX_WAYS: Final = 65_536


class EarlierFlows:
    """Bindings by the flows that they came by earlier; each is kept up to date since.

    The oldest is forgotten for a new one when there are too many. A proxy's connection is none: many phones come by
    it, and the route set of a dialog says how to reach it again.
    """

    def __init__(self, net: Net, policy: RegistrarPolicy) -> None:
        self._net = net
        self._policy = policy
        self._bindings: dict[str, Binding | None] = {}  # None: its users went different ways

    def remember(self, bindings: Iterable[Binding]) -> None:
        """What was loaded at the start; datagrams need no other way."""
        for binding in bindings:
            if "|udp|" not in binding.flow and not binding.path and len(self._bindings) < MAX_WAYS:
                self._enter(binding.flow, binding)

    def moved(self, token: str, binding: Binding) -> None:
        """A phone that was reached by the flow ``token`` has registered by another one."""
        if "|udp|" not in token:
            if len(self._bindings) >= MAX_WAYS:
                del self._bindings[next(iter(self._bindings))]
            self._enter(token, binding)

    def _enter(self, token: str, binding: Binding) -> None:
        """A second user of a connection must have gone where the first one did: nobody gets another's requests."""
        known = self._bindings.get(token, binding)
        same = known is not None and (
            (known.tenant, known.user) == (binding.tenant, binding.user)
            or known.flow in {binding.flow, token}
        )
        self._bindings[token] = binding if same else None

    def another_way(self, token: str) -> Flow | None:
        """The way to the phone that had this flow: its new connection, or one that we make; None without any."""
        binding = self._bindings.get(token)
        if binding is None:
            return None
        target = target_of(binding, self._net.flow_from_token, self._policy)
        flow = target.flow or (None if binding.path else self._to_contact(target.uri))
        if flow is not None and len(self._bindings) < MAX_WAYS:
            self._bindings[flow.token] = binding  # should this one die as well
        return flow

    def _to_contact(self, uri: str) -> Flow | None:
        try:
            address = parse_uri(uri).target
            return self._net.flow_to(address.transport.upper(), address.host, address.port or 5060)
        except (RemoteProtocolError, LocalProtocolError, TransportError):
            return None
