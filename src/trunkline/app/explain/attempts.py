"""The last registrations of each number, as far as they had something to tell.

Refreshes never come here, and of what only made a binding nothing is kept: the binding says it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from trunkline.base.story import Story
from trunkline.model.binding import Binding
from trunkline.registrar.push_parameters import shown

MOST_NUMBERS: Final = 2048
MOST_STRANGERS: Final = 256
CHANGES: Final = (
    5  # of each number, made and ended; refusals beside them, so that neither pushes out the other
)
REFUSALS: Final = 5
LOOP_S: Final = 10.0
"""A phone that answers with an expired nonce twice within this time does not learn the new one."""
_MOST_STALE: Final = 4096
_MAX_USER: Final = 64
_REFUSED: Final = frozenset({"register.refused", "auth.wrong", "auth.stale_loop"})


class Attempt:
    """One registration, or like ones in a row: ``times`` of them, the last ``at`` (seconds since 1970)."""

    __slots__ = ("at", "source", "story", "times")

    def __init__(self, at: float, source: str, story: Story) -> None:
        self.at = at
        self.source = source
        self.story = story
        self.times = 1

    @property
    def refused(self) -> bool:
        return self.story.last_code in _REFUSED


class _Number:
    __slots__ = ("changes", "refusals")

    def __init__(self) -> None:
        self.changes: list[Attempt] = []
        self.refusals: list[Attempt] = []


class Attempts:
    """A bounded memory: numbers that exist apart from those that strangers make up.

    ``knows(tenant, user)`` tells which exist; ``wall`` and ``now`` give seconds since 1970 and a story's.
    """

    def __init__(
        self, knows: Callable[[str, str], bool], wall: Callable[[], float], now: Callable[[], float]
    ) -> None:
        self._knows = knows
        self._wall = wall
        self._now = now
        self._numbers: OrderedDict[tuple[str, str], _Number] = OrderedDict()
        self._strangers: OrderedDict[tuple[str, str], _Number] = OrderedDict()
        self._stale: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._numbers) + len(self._strangers)

    # What happens

    def note(self, tenant: str, user: str, source: str, story: Story) -> None:
        """A REGISTER that made, ended or was refused something; ``tenant`` "" when its domain is nobody's."""
        if all(step.code == "register.bound" for step in story.steps):
            return
        one = Attempt(self._wall(), source, story)
        number = self._number(tenant, user[:_MAX_USER])
        kept = number.refusals if one.refused else number.changes
        last = kept[-1] if kept else None
        if one.refused and last is not None and last.source == source and _told(last) == _told(one):
            last.at, last.times = one.at, last.times + 1
        else:
            kept.append(one)
            del kept[: -(REFUSALS if one.refused else CHANGES)]

    def stale(self, tenant: str, user: str, source: str) -> None:
        """A right password over an expired nonce, or one of another address: normal once, a loop twice running."""
        now, key = self._now(), (tenant, user)
        before = self._stale.get(key)
        if before is None:
            if len(user) > _MAX_USER:
                return
            if len(self._stale) >= _MOST_STALE:
                self._stale.clear()
        elif now - before < LOOP_S and self._knows(tenant, user):
            text = "the phone answers with an expired nonce again and again, and is challenged each time"
            self._alone(tenant, user, source, "auth.stale_loop", text)
        self._stale[key] = now

    def watch(self, binding: Binding, event: str) -> None:
        """A binding came or went; what REGISTERs do is told by themselves."""
        where = shown(binding.contact)
        if event == "deactivated":
            text = f"an operator ended the registration of {binding.user} at {where}"
            self._alone(binding.tenant, binding.user, binding.received, "register.removed", text)
        elif event == "expired" and binding.expires_at > self._wall():
            text = f"{binding.user} left {where}: its WebSocket is closed"
            self._alone(binding.tenant, binding.user, binding.received, "register.lost", text)
        elif event == "expired":
            text = f"{binding.user} did not refresh its registration at {where} in time"
            self._alone(binding.tenant, binding.user, binding.received, "register.expired", text)

    # What is asked

    def of(self, tenant: str, user: str) -> list[Attempt]:
        """Newest first; those with a domain that is nobody's too, because that may be the mistake."""
        found: list[Attempt] = []
        for key in ((tenant, user), ("", user)):
            for table in (self._numbers, self._strangers):
                number = table.get(key)
                if number is not None:
                    found += [*number.changes, *number.refusals]
        return sorted(found, key=lambda one: one.at, reverse=True)

    def ended(self, tenant: str, number: str) -> str:
        """How its last registration ended, or why the last attempt failed."""
        last = next(iter(self.of(tenant, number)), None)
        if last is None:
            return f"no phone has tried to register as {number} lately"
        if last.refused:
            return f"its last attempt to register failed: {last.story.steps[0].text}"
        return last.story.steps[-1].text

    def _alone(self, tenant: str, user: str, source: str, code: str, text: str) -> None:
        story = Story(self._now())
        story.add(story.started, code, text)
        self.note(tenant, user, source, story)

    def _number(self, tenant: str, user: str) -> _Number:
        real = bool(tenant) and self._knows(tenant, user)
        table, most = (self._numbers, MOST_NUMBERS) if real else (self._strangers, MOST_STRANGERS)
        key = (tenant, user)
        found = table.get(key)
        if found is None:
            if len(table) >= most:
                table.popitem(last=False)
            found = table[key] = _Number()
        else:
            table.move_to_end(key)
        return found


def _told(attempt: Attempt) -> list[tuple[str, str]]:
    return [(step.code, step.text) for step in attempt.story.steps]
