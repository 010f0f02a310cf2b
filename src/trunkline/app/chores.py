"""What the exchange does again and again while it runs: bindings swept, journals written."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from trunkline.app.fence_log import log_registration
from trunkline.base.errors import TrunklineError
from trunkline.base.story import Story
from trunkline.call.checkpoints import Checkpoints
from trunkline.model.binding import Binding
from trunkline.net import Net
from trunkline.registrar.location import Location
from trunkline.registrar.push_parameters import shown
from trunkline.store.journals import BindingJournal

SWEEP_S: Final = 10.0
_SHORTEST_S: Final = 0.005


class Chores:
    """``start`` does each of them once and arms its timer; ``stop`` ends them all. ``wall`` gives seconds."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        net: Net,
        location: Location,
        journal: BindingJournal,
        checkpoints: Checkpoints,
        wall: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._net = net
        self._location = location
        self._journal = journal
        self._checkpoints = checkpoints
        self._wall = wall
        self.others: list[Callable[[float], float]] = []
        """Further ones, each a step that is given the loop's time and says when it wants to be called again."""
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """From now on."""
        self._sweep()
        self._flush()
        self._keep_calls()
        for number, step in enumerate(self.others):
            self._do(f"other {number}", step)

    def stop(self) -> None:
        """No more; what is not written yet is for the owner to write."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def sweep_bindings(self) -> None:
        """Drop the bindings that have expired, or whose client has left."""
        for binding in self._location.sweep(self._wall(), self._is_lost):
            with contextlib.suppress(TrunklineError):
                self._journal.gone(binding).add_done_callback(_forget_outcome)

    def _is_lost(self, binding: Binding) -> bool:
        """Whether a WebSocket client has left without a word, such as a page that was closed."""
        if self._net.flow_from_token(binding.flow) is not None:
            return False
        story = Story(self._loop.time())
        text = f"{binding.user} left {shown(binding.contact)}: its WebSocket is closed"
        story.add(self._loop.time(), "register.lost", text, received=binding.received)
        log_registration(binding.user, story)
        return True

    def _sweep(self) -> None:
        self.sweep_bindings()
        self._timers["sweep"] = self._loop.call_later(SWEEP_S, self._sweep)

    def _flush(self) -> None:
        self._again("flush", self._journal.flush_due, self._flush)

    def _keep_calls(self) -> None:
        self._again("keep", self._checkpoints.step, self._keep_calls)

    def _do(self, name: str, step: Callable[[float], float]) -> None:
        self._again(name, step, lambda: self._do(name, step))

    def _again(self, name: str, step: Callable[[float], float], chore: Callable[[], None]) -> None:
        """One step, and the next one when it says."""
        now = self._loop.time()
        self._timers[name] = self._loop.call_later(max(_SHORTEST_S, step(now) - now), chore)


def _forget_outcome(future: asyncio.Future[None]) -> None:
    """An expired binding that could not be deleted is loaded and dropped again at the next start."""
    if not future.cancelled():
        future.exception()
