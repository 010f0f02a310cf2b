"""Waiting messages told to phones that did not ask (which RFC 3842 does not know, and many phones expect).

A NOTIFY outside of any dialog goes to each registered contact when the counts change, and to a new contact when
something waits; extensions that have subscribed are left to that. It is a policy, off by default: RFC 6665 §4.1.3
knows no NOTIFY without a subscription.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.base.errors import RemoteProtocolError, TransportError
from trunkline.call.context import CallContext
from trunkline.call.party import Party
from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.pbx.directory import Directory, Entry
from trunkline.pbx.events.message_summary import CONTENT_TYPE, Mailboxes, render
from trunkline.proto.sip.draft import Draft
from trunkline.registrar.push_parameters import without_push
from trunkline.registrar.sleeping import split
from trunkline.ua.next_hops import Ways, request_by, tell_nobody
from trunkline.ua.subscriptions import Notifier

MOST_IN_FLIGHT: Final = 1_000
MOST_OWED: Final = 100_000


class Unsolicited:
    """``targets(tenant, extension)`` gives the contacts. Whatever a phone answers, nothing follows from it."""

    def __init__(
        self,
        context: CallContext,
        directory: Directory,
        mailboxes: Mailboxes,
        notifier: Notifier,
        targets: Callable[[str, Entry], list[Target]],
    ) -> None:
        self._context = context
        self._directory = directory
        self._mailboxes = mailboxes
        self._notifier = notifier
        self._targets = targets
        self.sent = 0
        self._owed: dict[tuple[str, str], None] = {}
        self._in_flight = 0

    def registered(self, binding: Binding) -> None:
        """A phone has come: it is told when something waits."""
        self._owed.pop((binding.tenant, binding.user), None)
        if any(self._mailboxes.waiting(binding.tenant, binding.user)):
            self.changed(binding.tenant, binding.user, binding.contact)

    def woken(self, binding: Binding) -> None:
        """A phone that was asleep is awake: it is told of what has changed meanwhile."""
        if (binding.tenant, binding.user) in self._owed:
            del self._owed[binding.tenant, binding.user]
            self.changed(binding.tenant, binding.user, binding.contact)

    def changed(self, tenant: str, number: str, contact: str = "") -> None:
        """The counts of a mailbox are others now: its phones are told, or that of one contact."""
        entry = self._directory.extension(tenant, number)
        if entry is None or self._notifier.watchers("message-summary", tenant, number):
            return
        awake, asleep = split(self._targets(tenant, entry))
        if asleep and not contact and len(self._owed) < MOST_OWED:
            self._owed[tenant, number] = None
        for target in awake:
            if not contact or target.uri in {contact, without_push(contact)}:
                self._start(tenant, number, target)

    def _start(self, tenant: str, number: str, target: Target) -> None:
        if self._in_flight < MOST_IN_FLIGHT:
            self._in_flight += 1
            self._context.spawn(self._send(tenant, number, target))

    async def _send(self, tenant: str, number: str, target: Target) -> None:
        context = self._context
        account = Party(number, self._directory.domain_of(tenant)).uri
        sender, call_id = f"<{account}>;tag={context.endpoint.ids.tag()}", context.endpoint.ids.call_id()

        def draft(flow: Flow) -> Draft:
            return Draft(
                "NOTIFY",
                target.uri,
                sender,
                f"<{account}>",
                call_id,
                1,
                route=target.route,
                contact=context.endpoint.contact(flow),
                extra="Event: message-summary\r\nSubscription-State: active\r\n",
                body=render(account, self._mailboxes.waiting(tenant, number)),
                content_type=CONTENT_TYPE,
            )

        try:
            flow = context.flow_at_once(target)
            ways = Ways.down(flow) if flow is not None else await context.ways_to(target, tell_nobody)
            self.sent += 1
            await request_by(context.endpoint, ways, draft)
        except (TransportError, RemoteProtocolError):
            pass  # a phone that cannot be reached has no lamp to light
        finally:
            self._in_flight -= 1
