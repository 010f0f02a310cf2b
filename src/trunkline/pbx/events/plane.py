"""Events put together: packages, notifier, door, and what they are told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from trunkline.call.context import CallContext
from trunkline.call.registry import Calls
from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.pbx.directory import Directory, Entry, Reach, TenantEntry
from trunkline.pbx.events.dialog_info import DialogPackage
from trunkline.pbx.events.door import EventsDoor, OnStory
from trunkline.pbx.events.message_summary import MessageSummaryPackage, TableOfMailboxes
from trunkline.pbx.events.presence import PresencePackage
from trunkline.pbx.events.publications import Publications
from trunkline.pbx.events.publish import Publisher
from trunkline.pbx.events.reg_info import RegPackage
from trunkline.pbx.events.sources import Sources
from trunkline.pbx.events.unsolicited import Unsolicited
from trunkline.pbx.events.xml import escaped
from trunkline.proto.sip.grammar import parse_parameters
from trunkline.registrar.gruu import Gruus
from trunkline.registrar.location import Location
from trunkline.ua.authentication import Authenticator
from trunkline.ua.subscriptions import Notifier, NotifierPolicy


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """``shows_callers``: extensions that watch another see whom it talks to. ``unsolicited``: phones that did not
    subscribe are told of waiting messages. ``lists`` are the members of lists, by a domain of
    their tenant (empty for the default tenant's) and name.
    """

    notifier: NotifierPolicy = field(default_factory=NotifierPolicy)
    shows_callers: bool = True
    unsolicited: bool = False
    lists: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


class Events:
    """``door`` is for the endpoint; ``mailboxes`` for whoever knows of messages."""

    def __init__(
        self,
        directory: Directory,
        authenticator: Authenticator,
        context: CallContext,
        calls: Calls,
        location: Location,
        targets: Callable[[str, Entry], list[Target]],
        policy: EventPolicy,
        *,
        gruus: Gruus | None = None,
        on_refused: OnStory = lambda _source, _story: None,
        on_story: OnStory = lambda _user, _story: None,
    ) -> None:
        endpoint = context.endpoint
        self._policy = policy
        self._directory = directory
        self._location = location
        self.sources = sources = Sources(context, calls, location)
        self.mailboxes = TableOfMailboxes()
        self.mailboxes.on_change = self._mailbox_changed
        self.publications = Publications(endpoint.wheel, sources.published)
        self.publisher = Publisher(self.publications, lambda: self.policy.notifier)
        self.door = EventsDoor(directory, authenticator, self.publisher, on_refused, on_story)
        reachable = self._reachable(directory, context.wall)
        sources.reg = RegPackage(location.of, context.wall, _elements_of(gruus))
        packages = (
            sources.reg,
            DialogPackage(directory, sources.calls_of, reachable, lambda: self.policy.shows_callers),
            MessageSummaryPackage(self.mailboxes),
            PresencePackage(self.publications, reachable, sources.talks),
        )
        self.notifier = Notifier(endpoint, packages, policy.notifier, self.door.admits)
        self.notifier.on_watched = sources.watched
        self.door.notifier = sources.notifier = self.notifier
        self.unsolicited = Unsolicited(context, directory, self.mailboxes, self.notifier, targets)
        self.asleep: Reach = lambda _tenant, _number: 0
        """How many phones that are away can be woken: their extension is reached all the same."""
        self.wake: Callable[[str, str], object] = lambda _tenant, _number: None
        """Told whose phones have news of waiting messages: some may sleep."""
        self.door.lists = self._members
        endpoint.allow_events = self.notifier.allow_events
        self.policy = policy

    @property
    def policy(self) -> EventPolicy:
        return self._policy

    @policy.setter
    def policy(self, policy: EventPolicy) -> None:
        """Take over another; subscriptions that stand keep the seconds they were granted."""
        self._policy = policy
        self.notifier.policy = policy.notifier
        self.sources.on_registered = self.unsolicited.registered if policy.unsolicited else None
        self.sources.watched(self.notifier.count)

    def _reachable(self, directory: Directory, wall: Callable[[], float]) -> Callable[[str, str], bool]:
        def reachable(tenant: str, number: str) -> bool:
            entry = directory.extension(tenant, number)
            fixed = entry is not None and entry.contact is not None
            return fixed or bool(self._location.of(tenant, number, wall()) or self.asleep(tenant, number))

        return reachable

    def _members(self, owner: TenantEntry, name: str) -> tuple[str, ...]:
        lists = self._policy.lists
        if not lists:
            return ()
        domains = [owner.domain.lower(), *(each.lower() for each in owner.domains)]
        if self._directory.owner_of(self._directory.fallback_domain) is owner:
            domains.append("")
        return next((lists[each, name] for each in domains if (each, name) in lists), ())

    def _mailbox_changed(self, tenant: str, number: str) -> None:
        self.notifier.changed("message-summary", tenant, number)
        if self._policy.unsolicited:
            self.unsolicited.changed(tenant, number)
        self.wake(tenant, number)

    def woken(self, binding: Binding) -> None:
        """A phone that sleeps now and then has registered."""
        if self._policy.unsolicited:
            self.unsolicited.woken(binding)

    def gone(self, tenant: str, number: str = "") -> None:
        """An extension was removed, or a whole tenant."""
        self.notifier.gone(tenant, number)
        self.mailboxes.gone(tenant, number)
        self.publications.gone(tenant, number)

    async def stop(self) -> None:
        """Tell all subscribers to come again, and end what runs."""
        self.publications.stop()
        await self.notifier.stop()


def _elements_of(gruus: Gruus | None) -> Callable[[Binding, str], Iterator[str]]:
    """The GRUUs of a contact as elements (RFC 5628 §5)."""

    def elements(binding: Binding, domain: str) -> Iterator[str]:
        if gruus is None or not binding.epoch:
            return
        told = parse_parameters(gruus.params(binding, domain))
        yield f'<gr:pub-gruu uri="{escaped(told["pub-gruu"] or "")}"/>'
        yield f'<gr:temp-gruu uri="{escaped(told["temp-gruu"] or "")}" first-cseq="{binding.cseq}"/>'

    return elements
