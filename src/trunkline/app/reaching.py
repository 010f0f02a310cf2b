"""Where an extension, or an address, is reached: targets to ring and flows to send by."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError, TransportError
from trunkline.call.target import Target
from trunkline.net import Flow, Net
from trunkline.pbx.directory import Entry
from trunkline.proto.sip.uri import parse_uri
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.targets import target_of

MAX_FIXED = 1024  # flows to fixed contacts that are remembered


class Reaching:
    """Targets of extensions from live bindings and fixed contacts; flows to URIs."""

    def __init__(
        self,
        net: Net,
        location: Location,
        policy: RegistrarPolicy,
        profile: str,
        wall: Callable[[], float],
    ) -> None:
        self._net = net
        self._location = location
        self.policy = policy
        self.profile = profile
        self._wall = wall
        self._fixed: dict[str, Flow] = {}

    def targets(self, tenant: str, entry: Entry) -> list[Target]:
        found = [
            target_of(binding, self._net.flow_from_token, self.policy)
            for binding in self._location.of(tenant, entry.number, self._wall())
        ]
        if entry.contact is not None:
            found.append(Target(entry.contact, label=entry.number))
        for target in found:
            target.profile = self.profile
        return found

    async def resolve(self, uri: str) -> Flow:
        known = self._fixed.get(uri)
        if known is not None and not known.closed:
            return known
        try:
            target = parse_uri(uri).target
        except RemoteProtocolError as error:
            raise TransportError(f"{uri} cannot be called: {error.reason}") from None
        transport = target.transport.upper()
        if transport not in {"UDP", "TCP"}:
            raise TransportError(f"{uri} asks for {transport}, and there are UDP and TCP")
        port = target.port or 5060
        try:
            flow = self._net.flow_to(transport, target.host, port)
        except LocalProtocolError:
            address, port = (await self._net.resolve(target.host, port, transport))[0]
            return self._net.flow_to(transport, address, port)
        if not flow.reliable and len(self._fixed) < MAX_FIXED:
            self._fixed[uri] = flow  # a UDP flow to an address stays what it is
        return flow
