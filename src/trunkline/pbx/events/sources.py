"""From what happens to whoever watches it: calls, contacts, mailboxes, publications.

While nobody watches, calls and registrar have nobody to tell, and lose one comparison each.
"""

from __future__ import annotations

from collections.abc import Callable

from trunkline.call.call import Call
from trunkline.call.context import CallContext
from trunkline.call.registry import Calls
from trunkline.model.binding import Binding
from trunkline.pbx.events.dialog_info import extension_of, numbers_of
from trunkline.pbx.events.reg_info import RegPackage
from trunkline.registrar.location import Location
from trunkline.ua.subscriptions import Notifier


class Sources:
    """Which calls each extension is part of, while somebody watches; and the news, gathered once a turn of the loop."""

    def __init__(
        self,
        context: CallContext,
        calls: Calls,
        location: Location,
    ) -> None:
        self._context = context
        self._calls = calls
        self._location = location
        self.notifier: Notifier
        self.reg: RegPackage
        self.on_registered: Callable[[Binding], None] | None = None
        """Told of each new contact, whoever watches; for messages that wait."""
        self._by_number: dict[tuple[str, str], dict[str, Call]] = {}
        self._numbers: dict[str, set[str]] = {}
        self._news: set[tuple[str, str]] = set()

    # What packages ask

    def calls_of(self, tenant: str, number: str) -> list[Call]:
        """The calls that an extension is part of."""
        return list(self._by_number.get((tenant, number), {}).values())

    def talks(self, tenant: str, number: str) -> bool:
        """Whether it has a leg that is answered."""
        return any(
            leg.outcome.answered_at is not None and not leg.done and extension_of(leg) == number
            for call in self.calls_of(tenant, number)
            for leg in call.legs
        )

    # Beginning and end

    def watched(self, count: int) -> None:
        """There are subscriptions now, or none any more."""
        if count:
            self._context.on_change = self.call_changed
            self._listen(wanted=True)
            for call in self._calls.active.values():
                self.call_changed(call)
        else:
            self._context.on_change = None
            self._listen(wanted=self.on_registered is not None)
            self._by_number.clear()
            self._numbers.clear()

    def _listen(self, *, wanted: bool) -> None:
        """Hear of contacts, or no more; others listen there too."""
        watchers = self._location.watchers
        if wanted != (self.contact_changed in watchers):
            (watchers.append if wanted else watchers.remove)(self.contact_changed)

    # What is told

    def call_changed(self, call: Call) -> None:
        """A call has begun, gone on, or ended."""
        before = self._numbers.get(call.id, set())
        now = numbers_of(call) if call.id in self._calls.active else set()
        for number in before - now:
            known = self._by_number[call.tenant, number]
            del known[call.id]
            if not known:
                del self._by_number[call.tenant, number]
        for number in now - before:
            self._by_number.setdefault((call.tenant, number), {})[call.id] = call
        if now:
            self._numbers[call.id] = now
        else:
            self._numbers.pop(call.id, None)
        for number in before | now:
            self._tell(call.tenant, number)

    def contact_changed(self, binding: Binding, event: str) -> None:
        """A contact was added, or is gone; ``event`` is that of RFC 3680 §4.1.2."""
        if event == "registered":
            if self.on_registered is not None:
                self.on_registered(binding)
        else:
            for subscription in self.notifier.watchers("reg", binding.tenant, binding.user):
                self.reg.gone(subscription, binding, event)
        self._tell(binding.tenant, binding.user)

    def published(self, tenant: str, number: str) -> None:
        """An extension says something else of itself."""
        self._tell(tenant, number)

    def _tell(self, tenant: str, number: str) -> None:
        if not self._news:
            self._context.endpoint.loop.call_soon(self._tell_news)
        self._news.add((tenant, number))

    def _tell_news(self) -> None:
        news, self._news = self._news, set()
        for tenant, number in news:
            for event in self.notifier.packages:
                self.notifier.changed(event, tenant, number)
