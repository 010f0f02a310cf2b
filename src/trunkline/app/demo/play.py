"""A play while it runs: what has happened, the step that is being done and its deadline, and pauses between steps."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TextIO

from trunkline.app.demo.steps import Arrow, DemoFailed, Mark, Step, Way
from trunkline.app.demo.telling import Teller

STEP_S: Final = 45.0  # a small machine that does much else still shows it
Pause = Callable[[], Awaitable[None]]


class Play:
    """``pause`` is awaited before each step. What cannot be told any more ends the play at its next step."""

    def __init__(self, teller: Teller, pause: Pause | None = None, within_s: float = STEP_S) -> None:
        self.teller = teller
        self.arrows: list[Arrow] = []
        self.steps: list[Step] = []
        self._loop = asyncio.get_running_loop()
        self._began_at = time.perf_counter()
        self._pause = pause
        self._within_s = within_s
        self._fault: Exception | None = None
        self._awaited: list[tuple[Mark, asyncio.Future[Arrow]]] = []

    @property
    def ms(self) -> float:
        """Since the play began."""
        return (time.perf_counter() - self._began_at) * 1000

    def begin(self) -> None:
        """The clock starts here."""
        self._began_at = time.perf_counter()

    def arrow(
        self,
        way: Way,
        source: str,
        target: str,
        label: str,
        note: str = "",
        *,
        good: bool | None = None,
        method: str = "",
    ) -> None:
        """Something went by. Never raises: it is called on the way of messages."""
        arrow = Arrow(self.ms, way, source, target, label, note, good, method)
        self.arrows.append(arrow)
        for mark, future in self._awaited:
            if not future.done() and mark.fits(arrow):
                future.set_result(arrow)
        try:
            self.teller.arrow(arrow)
        except Exception as error:  # noqa: BLE001  (such as a pipe that nobody reads: told when the step ends)
            self._fault = self._fault or error

    async def until(self, mark: Mark) -> Arrow:
        """The first arrow that fits, of those that were and those that come."""
        for arrow in self.arrows:
            if mark.fits(arrow):
                return arrow
        future: asyncio.Future[Arrow] = self._loop.create_future()
        entry = mark, future
        self._awaited.append(entry)
        try:
            return await future
        finally:
            self._awaited.remove(entry)

    @asynccontextmanager
    async def step(self, code: str, text: str, *, silent: bool = False) -> AsyncIterator[None]:
        """A step has to happen in time; raises DemoFailed that names it. A silent one follows from the one before."""
        if not silent:
            if self._pause is not None:
                await self._pause()
            self.teller.begins(text)
        try:
            async with asyncio.timeout(self._within_s):
                yield
        except TimeoutError:
            raise DemoFailed(f"it did not happen within {self._within_s:g} s: {text}", code) from None
        except DemoFailed as failed:
            failed.step = failed.step or code
            raise
        if self._fault is not None:
            raise self._fault
        step = Step(self.ms, code, text)
        self.steps.append(step)
        self.teller.done(step)


class EnterKey:
    """A pause that ends with the next line of ``lines``; none any more when these have ended."""

    def __init__(self, lines: TextIO, prompt: Callable[[], None]) -> None:
        self._lines = lines
        self._prompt = prompt
        self._loop = asyncio.get_running_loop()
        self._came: asyncio.Queue[bool] = asyncio.Queue()
        self._open = True
        # Standard input may be a terminal, a pipe or a file: only a thread can wait for all of them.
        threading.Thread(target=self._read, name="demo input", daemon=True).start()

    async def __call__(self) -> None:
        """Wait for it."""
        if self._open:
            self._prompt()
            self._open = await self._came.get()

    def _read(self) -> None:
        for _ in self._lines:
            self._put(more=True)
        self._put(more=False)

    def _put(self, *, more: bool) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._came.put_nowait, more)
