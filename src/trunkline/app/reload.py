"""Settings read anew while the exchange runs: checked wholly, then applied, or refused without harm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import structlog

from trunkline.app.live_parts import Apply, Part
from trunkline.app.service_manager import ServiceManager
from trunkline.app.settings import Settings
from trunkline.app.settings.file import Loaded, load_again
from trunkline.app.settings.live import as_text, values_of, with_values
from trunkline.base.errors import ConfigError, TransportError
from trunkline.base.messages import Refused, Reloaded, SettingChange

log = structlog.get_logger("settings")


@dataclass(frozen=True, slots=True)
class Difference:
    """Keys whose values differ, in the order of the reference: ``live`` ones, and those for a restart."""

    live: tuple[str, ...]
    restart: tuple[str, ...]


def difference(old: Settings, new: Settings, live: frozenset[str]) -> Difference:
    """What has changed."""
    before, after = values_of(old), values_of(new)
    changed = [key for key, value in after.items() if before[key] != value]
    return Difference(
        tuple(key for key in changed if key in live), tuple(key for key in changed if key not in live)
    )


class Reloader:
    """Reads ``loaded``'s file again and lets each part take its keys over; one reload at a time.

    ``running`` are the settings in force; ``on_change`` is told them after each reload, ``manager`` when one
    begins and ends. Once ``is_over()`` nothing is applied any more: what takes new settings over is being stopped.
    """

    def __init__(
        self,
        loaded: Loaded,
        parts: Sequence[Part],
        on_change: Callable[[Settings], None] = lambda _new: None,
        manager: ServiceManager | None = None,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.running = loaded.settings
        self._loaded = loaded
        self._parts = parts
        self._on_change = on_change
        self._manager = manager or ServiceManager({})
        self._is_over = is_over
        self._one_at_a_time = asyncio.Lock()
        self._asked = False

    async def reload(self, *, dry_run: bool = False) -> Reloaded:
        """Apply the file; raises Refused (``settings.wrong``), and then nothing has changed.

        A dry run reads all files that a reload would, keys among them, and refuses what it would refuse; only sockets
        are not tried.
        """
        if dry_run:
            return await self._reload(dry_run=True)
        self._manager.reloading()
        try:
            done = await self._reload(dry_run=False)
        except Refused as refused:
            self._manager.status(f"settings refused: {refused.problem.detail}")
            raise
        else:
            self._manager.status("")
            return done
        finally:
            self._manager.ready()

    async def _reload(self, *, dry_run: bool) -> Reloaded:
        async with self._one_at_a_time:
            try:
                fresh = await asyncio.to_thread(load_again, self._loaded)
                able = [part.able(self.running, fresh.settings) for part in self._parts]
                changed = difference(self.running, fresh.settings, frozenset[str]().union(*able))
                report = self._report(fresh, changed, dry_run)
                # What waits for a restart stays as it is: parts see only what they may take over.
                running = with_values(self.running, fresh.settings, changed.live)
                keys = frozenset(changed.live)
                done = await (self._check(running, keys) if dry_run else self._apply(running, keys))
            except (ConfigError, TransportError) as error:
                raise Refused("settings.wrong", str(error), "nothing has changed", 409) from None
        return Reloaded(
            file=report.file,
            dry_run=dry_run,
            applied=report.applied,
            restart=report.restart,
            done=done,
            notices=report.notices,
        )

    async def on_signal(self) -> None:
        """SIGHUP: reload, and tell the log how it went. Signals that come meanwhile are one."""
        if self._asked:
            return
        self._asked = True
        async with self._one_at_a_time:
            self._asked = False
        try:
            done = await self.reload()
        except Refused as refused:
            log.error("settings refused, nothing has changed", why=refused.problem.detail)  # noqa: TRY400  (no fault of ours)
        else:
            tell(done)

    async def _check(self, running: Settings, keys: frozenset[str]) -> tuple[str, ...]:
        for part in self._parts:
            await part.check(running, keys)
        return ()

    async def _apply(self, running: Settings, keys: frozenset[str]) -> tuple[str, ...]:
        async with AsyncExitStack() as undo:
            applies = [await part.prepare(running, keys, undo) for part in self._parts]
            if self._is_over():
                raise Refused("exchange.is_stopping", "the exchange is stopping", "nothing has changed", 409)
            undo.pop_all()
        self.running = running
        self._on_change(running)
        return await _whole(_all_of(applies))

    def _report(self, fresh: Loaded, changed: Difference, dry_run: bool) -> Reloaded:
        old, new = values_of(self.running), values_of(fresh.settings)

        def rows(keys: Sequence[str]) -> tuple[SettingChange, ...]:
            return tuple(SettingChange(key, as_text(key, old[key]), as_text(key, new[key])) for key in keys)

        return Reloaded(
            file=str(fresh.config or ""),
            dry_run=dry_run,
            applied=rows(changed.live),
            restart=rows(changed.restart),
            notices=fresh.notices,
        )


async def _all_of(applies: Sequence[Apply]) -> tuple[str, ...]:
    """Each of them, whatever becomes of the others: one fault must not leave half of the settings as they were."""
    texts = []
    for apply in applies:
        try:
            texts.append(await apply())
        except Exception:
            log.exception("a part of a reload failed")
            texts.append("one part failed: the log says more, and a restart puts it right")
    return tuple(filter(None, texts))


async def _whole(applying: Coroutine[Any, Any, tuple[str, ...]]) -> tuple[str, ...]:
    """It goes on to its end when nobody waits for it any more, and until then no other reload begins."""
    task = asyncio.ensure_future(applying)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def tell(done: Reloaded) -> None:
    """One line of the log for a reload that was done."""
    log.info(
        "settings reloaded",
        file=done.file,
        applied=[f"{change.key}: {change.old} -> {change.new}" for change in done.applied],
        restart_needed=[f"{change.key}: {change.old} -> {change.new}" for change in done.restart],
        done=list(done.done),
    )
