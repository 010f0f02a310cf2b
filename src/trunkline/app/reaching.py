"""Where an extension is reached: its targets, from live bindings and a fixed contact."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.call.target import Target
from trunkline.net import Net
from trunkline.pbx.directory import Entry
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.targets import target_of


class Reaching:
    """Targets of extensions; a contact that nobody registered from is looked up when it is rung."""

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
