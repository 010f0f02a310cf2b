"""What the log says of strangers: one line for each ban, and of attempts no more than a disk can bear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from trunkline.base.story import Story
from trunkline.net.fence import Ban

MOST: Final = 20
WINDOW_S: Final = 60.0
# What anybody can bring about without a password.
_OF_STRANGERS: Final = frozenset({"auth.wrong", "register.unknown_domain"})

log = structlog.get_logger("guard")
_exchange_log = structlog.get_logger("exchange")


class FenceLog:
    """``MOST`` attempts within ``WINDOW_S`` seconds are told; the next line says how many were not.

    ``clock`` gives seconds. ``registered(user, story)`` is told what is no stranger's doing.
    """

    def __init__(self, clock: Callable[[], float], registered: Callable[[str, Story], None]) -> None:
        self._clock = clock
        self._registered = registered
        self._window_ends = 0.0
        self._told = 0
        self._suppressed = 0

    def banned(self, ban: Ban) -> None:
        """A source is not listened to any more."""
        log.warning("source banned", source=ban.source, code=ban.why, for_s=round(ban.until - ban.since))

    def refused_call(self, source: str, story: Story) -> None:
        """An INVITE with wrong credentials."""
        self._attempt("call refused", source, "", story)

    def refused_text(self, source: str, story: Story) -> None:
        """A MESSAGE with wrong credentials."""
        self._attempt("text refused", source, "", story)

    def refused_watcher(self, source: str, story: Story) -> None:
        """A SUBSCRIBE or PUBLISH with wrong credentials."""
        self._attempt("subscription refused", source, "", story)

    def registration(self, user: str, story: Story) -> None:
        """A REGISTER that has something to tell."""
        if story.last_code == "register.refused" and len(story.steps) > 1:
            code = story.steps[-2].code
        else:
            code = story.last_code
        if code in _OF_STRANGERS:
            self._attempt("register refused", "", user, story)
        else:
            self._registered(user, story)

    def _attempt(self, what: str, source: str, user: str, story: Story) -> None:
        now = self._clock()
        if now >= self._window_ends:
            self._window_ends, self._told = now + WINDOW_S, 0
        if self._told >= MOST:
            self._suppressed += 1
            return
        self._told += 1
        last = story.steps[-1]
        facts: dict[str, object] = {"source": source or (last.data or {}).get("source", "")}
        if user:
            facts["user"] = user[:64]
        if self._suppressed:
            facts["suppressed"] = self._suppressed
            self._suppressed = 0
        log.warning(what, code=last.code, why=last.text, **facts)


def log_registration(user: str, story: Story) -> None:
    """One line for a REGISTER that has something to tell, or for a binding that ended without one."""
    _exchange_log.info(
        "register",
        user=user,
        code=story.last_code,
        story=[f"{step.code}: {step.text}" for step in story.steps],
    )
