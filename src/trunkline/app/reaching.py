"""Where an extension is reached: its targets, from live bindings and a fixed contact."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.errors import RemoteProtocolError
from trunkline.call.target import Target
from trunkline.net import Net
from trunkline.net.fence.source import source_of
from trunkline.net.routes import ip_literal
from trunkline.pbx.directory import Entry
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.registrar.gruu import Gruus
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.targets import targets_of


def source_of_uri(uri: str) -> str:
    """The source (``net.fence.source``) of a URI whose host is an address; empty for a name, which is not looked up."""
    try:
        host = parse_uri(uri).target.host
    except RemoteProtocolError:
        return ""
    literal = ip_literal(host)
    return "" if literal is None else source_of(literal)


class Reaching:
    """Targets of extensions; a contact that nobody registered from is looked up when it is rung."""

    def __init__(
        self,
        net: Net,
        location: Location,
        gruus: Gruus,
        policy: RegistrarPolicy,
        profile: str,
        wall: Callable[[], float],
    ) -> None:
        self._net = net
        self._location = location
        self._gruus = gruus
        self.policy = policy
        self.profile = profile
        self._wall = wall

    def targets(self, tenant: str, entry: Entry) -> list[Target]:
        live = self._location.of(tenant, entry.number, self._wall())
        found = targets_of(live, self._net.flow_from_token, self.policy)
        if entry.contact is not None:
            found.append(Target(entry.contact, label=entry.number))
        for target in found:
            target.profile = self.profile
        return found

    def instance(self, tenant: str, uri: SipUri) -> tuple[str, list[Target]] | None:
        """The user and the phone that a GRUU means (RFC 5627 §6.1), without target when it is not registered now.

        None for a URI that is no GRUU of ours, or no more.
        """
        found = self._gruus.find(uri, tenant, self._location, self._wall())
        if found is None:
            return None
        targets = targets_of(found.bindings, self._net.flow_from_token, self.policy)
        for target in targets:
            target.profile = self.profile
        return found.user, targets
