"""The door for events: SUBSCRIBE and PUBLISH of our extensions (RFC 6665, RFC 3903)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.story import Story
from trunkline.net.flow import Flow
from trunkline.pbx.directory import Directory, TenantEntry
from trunkline.pbx.door import printable
from trunkline.pbx.events.lists import LISTED, ListPackage
from trunkline.pbx.events.publish import Publisher
from trunkline.pbx.route import normalise
from trunkline.proto.sip.digest_server import Verdict
from trunkline.proto.sip.events import Event, event_of
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri
from trunkline.ua.authentication import Authenticator
from trunkline.ua.option_tags import supports, unsupported
from trunkline.ua.subscriptions import Notifier, Subscription, Watch

_SUPPORTED: Final = frozenset({"eventlist"})
# Nobody watches where another is registered, or how many messages wait for it.
_OF_ITS_OWN: Final = frozenset({"reg", "message-summary"})

OnStory = Callable[[str, Story], None]
Lists = Callable[[TenantEntry, str], tuple[str, ...]]


class EventsDoor:
    """Claims SUBSCRIBE and PUBLISH outside of dialogs: challenges, checks, and hands on.

    ``on_refused(source, story)`` hears of wrong credentials, ``on_story(user, story)`` of subscriptions begun and
    refused, and of publications.
    """

    methods = frozenset({"SUBSCRIBE", "PUBLISH"})

    def __init__(
        self,
        directory: Directory,
        authenticator: Authenticator,
        publisher: Publisher,
        on_refused: OnStory = lambda _source, _story: None,
        on_story: OnStory = lambda _user, _story: None,
    ) -> None:
        self._directory = directory
        self._authenticator = authenticator
        self._publisher = publisher
        self._on_refused = on_refused
        self._on_story = on_story
        self.notifier: Notifier
        self.lists: Lists = lambda _owner, _name: ()
        """The members of a tenant's list; none when there is no such list."""

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        request = incoming.request
        address = parse_uri(request.uri)
        tags = unsupported(request, _SUPPORTED) if "Require" in request.headers else ""
        owner = self._directory.owner_of(address.host) if address.is_sip else None
        if owner is None or tags:
            if not self._authenticator.ignores(incoming):
                status = 420 if tags else 404 if address.is_sip else 416
                incoming.respond(status, extra=f"Unsupported: {tags}\r\n" if tags else "")
            return True
        story = Story(incoming.now)
        user = self._authenticator.admit(incoming, owner.realm, owner.ha1, story)
        if user is None:
            if story.last_code == "auth.wrong":
                self._on_refused(flow.remote[0], story)
            return True
        number = normalise(printable(address.user)) or user
        try:
            if request.method == "PUBLISH":
                self._publish(incoming, owner, user, number, story)
            else:
                self._subscribe(incoming, flow, owner, user, number, story)
        except RemoteProtocolError as error:
            self._refuse(incoming, user, error, story)
        return True

    def _refuse(self, incoming: Incoming, user: str, error: RemoteProtocolError, story: Story) -> None:
        method = incoming.request.method.lower()
        code = "publish.refused" if method == "publish" else "subscribe.refused"
        story.add(incoming.now, code, f"{error.status} {error.reason}", status=error.status)
        self._on_story(user, story)
        extra = self.notifier.allow_events if error.status == 489 else ""
        if error.status == 503:
            extra = "Retry-After: 60\r\n"
        elif error.status == 421:
            extra = "Require: eventlist\r\n"
        elif error.status == 415:
            extra = "Accept: application/pidf+xml\r\n"
        incoming.respond(error.status, reason=error.reason if error.status == 400 else "", extra=extra)

    def _subscribe(
        self, incoming: Incoming, flow: Flow, owner: TenantEntry, user: str, number: str, story: Story
    ) -> None:
        event = self._event_of(incoming.request)
        members = self.lists(owner, number)
        if members and number not in owner.extensions and event.package in LISTED:
            self._subscribe_to_list(
                incoming, flow, owner, Watch(owner.id, user, number, owner.domain), members
            )
            story.add(
                incoming.now, "subscribe.begun", f"{user} watches the list {number}", event=event.package
            )
            self._on_story(user, story)
            return
        if event.package in _OF_ITS_OWN:
            if number != user:
                raise RemoteProtocolError(f"{event.package} is told to {number} alone", 403)
        elif number not in owner.extensions:
            raise RemoteProtocolError("Not Found", 404)
        watch = Watch(owner.id, user, number, owner.domain)
        subscription = self.notifier.subscribe(incoming, flow, event, watch)
        if subscription is None:
            story.add(
                incoming.now, "subscribe.refused", f"{user} may not watch {number} by {event.package} now"
            )
        else:
            story.add(
                incoming.now,
                "subscribe.begun",
                f"{user} watches {number} by {event.package}",
                event=event.package,
            )
        self._on_story(user, story)

    def _subscribe_to_list(
        self, incoming: Incoming, flow: Flow, owner: TenantEntry, watch: Watch, members: tuple[str, ...]
    ) -> None:
        """Raises RemoteProtocolError(421) for who does not know lists (RFC 4662 §4.1)."""
        if not supports(incoming.request, "eventlist"):
            raise RemoteProtocolError("Extension Required", 421)
        event = self._event_of(incoming.request)
        package = ListPackage(
            self.notifier.packages[event.package], members, lambda number: number in owner.extensions
        )
        self.notifier.subscribe(incoming, flow, event, watch, package, members)

    def _publish(self, incoming: Incoming, owner: TenantEntry, user: str, number: str, story: Story) -> None:
        event = self._event_of(incoming.request)
        if event.package != "presence":
            raise RemoteProtocolError(f"{event.package} cannot be published", 489)
        if number != user:
            raise RemoteProtocolError("nobody publishes for another", 403)
        self._publisher.take(incoming, owner.id, number, story)
        self._on_story(user, story)

    def _event_of(self, request: Request) -> Event:
        """Raises RemoteProtocolError(489) for a package that nobody here knows (RFC 6665 §4.2.1.1)."""
        event = event_of(request)
        if event is None or event.package not in self.notifier.packages:
            raise RemoteProtocolError("Bad Event", 489)
        return event

    def admits(self, subscription: Subscription, incoming: Incoming) -> bool:
        """Whether a request within a subscription's dialog comes from who has it; else it is answered."""
        watch = subscription.watch
        owner = next((one for one in self._directory.tenants if one.id == watch.tenant), None)
        if owner is None:
            incoming.respond(481)
            return False
        verdict, user = self._authenticator.judge(incoming, owner.realm, owner.ha1)
        if verdict is not Verdict.OK:
            self._authenticator.challenge(incoming, owner.realm, verdict)
        elif user != watch.watcher:
            incoming.respond(403)
        else:
            return True
        return False
