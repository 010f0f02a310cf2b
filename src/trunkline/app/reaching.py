"""Where an extension is reached: its targets, from live bindings and a fixed contact."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.errors import RemoteProtocolError
from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.net import Net
from trunkline.net.fence.source import source_of
from trunkline.net.routes import ip_literal
from trunkline.pbx.directory import Entry
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.registrar.gruu import Gruus
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.sleeping import SleepingTarget
from trunkline.registrar.targets import target_of, targets_of


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
        self.push: PushDesk | None = None
        """Set by whoever wakes phones that sleep (RFC 8599)."""
        self.apps: Callable[[str, str], list[Target]] = lambda _tenant, _number: []
        """Set by whoever knows the apps of an extension, which are reached for calls alone."""

    def ringing(self, tenant: str, entry: Entry) -> list[Target]:
        """Where a call rings: its phones and its apps."""
        return [*self.targets(tenant, entry), *self.apps(tenant, entry.number)]

    def targets(self, tenant: str, entry: Entry) -> list[Target]:
        found = self._registered(tenant, entry.number)
        if entry.contact is not None:
            found.append(Target(entry.contact, label=entry.number))
        for target in found:
            target.profile = self.profile
        return found

    def _registered(self, tenant: str, number: str, instance: str | None = None) -> list[Target]:
        """The phones of an extension, those that sleep at the end; with ``instance`` that one alone."""
        live = self._location.of(tenant, number, self._wall())
        if instance is not None:
            wanted = instance.casefold()
            live = [one for one in live if (one.instance or "").casefold() == wanted]
        if self.push is None or not self.push.records.of(tenant, number):
            return targets_of(live, self._net.flow_from_token, self.policy)
        return self._with_sleepers(self.push, tenant, number, live, instance)

    def _with_sleepers(
        self, push: PushDesk, tenant: str, number: str, live: list[Binding], instance: str | None
    ) -> list[Target]:
        """``live`` are the bindings that may be meant; phones that sleep get no request before they are woken."""
        asleep = push.asleep(tenant, number, live)
        if instance is not None:
            wanted = instance.casefold()
            asleep = [one for one in asleep if one.instance.casefold() == wanted]
        live = push.to_ring(live, asleep)
        drowsy = push.drowsy(tenant, number, live)
        unsure = [binding for _, binding in drowsy]
        find = self._net.flow_from_token
        found = targets_of([one for one in live if one not in unsure], find, self.policy)
        for record, binding in drowsy:
            found.append(SleepingTarget(record, push, first=target_of(binding, find, self.policy)))
        found += [SleepingTarget(record, push) for record in asleep]
        return found

    def asleep(self, tenant: str, number: str) -> int:
        """How many phones of an extension are not registered, and can be woken."""
        if self.push is None or not self.push.records.of(tenant, number):
            return 0
        return self.push.away(tenant, number, self._location.of(tenant, number, self._wall()))

    def instance(self, tenant: str, uri: SipUri) -> tuple[str, list[Target]] | None:
        """The user and the phone that a GRUU means (RFC 5627 §6.1), without target when it is not registered now.

        None for a URI that is no GRUU of ours, or no more.
        """
        found = self._gruus.find(uri, tenant, self._location, self._wall())
        if found is None:
            return None
        name = found.bindings[0].instance if found.bindings else f"<{uri.params.get('gr')}>"
        if self.push is not None and name is not None:
            targets = self._registered(tenant, found.user, name)
        else:
            targets = targets_of(found.bindings, self._net.flow_from_token, self.policy)
        for target in targets:
            target.profile = self.profile
        return found.user, targets
