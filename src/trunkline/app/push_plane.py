"""The push services of the settings, put together, and put together anew when the settings change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import structlog

from trunkline.app.push_recipes import Recipe, recipes
from trunkline.base.errors import ConfigError
from trunkline.push.notification import Health, Pusher, Service
from trunkline.push.pushers import Pushers

if TYPE_CHECKING:
    from trunkline.app.settings import Settings
    from trunkline.push.webpush.pusher import WebPushPusher

log = structlog.get_logger("push")

UNUSABLE: Final = "its settings cannot be used: trunkline check says why"
_OF_SETTINGS: Final = (
    "settings: push."  # how a ConfigError begins: a key or certificate that was replaced badly
)


@dataclass(frozen=True, slots=True)
class PushChange:
    """``fresh`` are the providers that take the place of others, started; None where nothing is set any more."""

    fresh: Mapping[Service, Pusher | None]
    recipes: Mapping[Service, Recipe]
    queue: int


class PushPlane:
    """``pushers`` are those that something is set for; ``wrong`` what could not be used of the settings."""

    def __init__(self, settings: Settings, data: Path, wall: Callable[[], float]) -> None:
        self._data = data
        self._wall = wall
        self._recipes: Mapping[Service, Recipe] = recipes(settings, data, wall)
        self.wrong: dict[Service, ConfigError] = {}
        self.vapid = ""
        self.pushers = Pushers(self._made(), queue=settings.push.queue, wall=wall)

    def _made(self) -> Iterator[Pusher]:
        for service, recipe in self._recipes.items():
            try:
                pusher = recipe.make()
            except ConfigError as error:
                # A push service that cannot be used must not keep calls from phones that are awake.
                self.wrong[service] = error
                log.warning("a push service cannot be used", why=str(error))
                continue
            self._know_key(pusher)
            yield pusher

    def _know_key(self, pusher: Pusher | None) -> None:
        if pusher is not None and pusher.service is Service.WEBPUSH:
            self.vapid = cast("WebPushPusher", pusher).public_key

    async def prepare(self, settings: Settings, undo: AsyncExitStack) -> PushChange:
        """Make and start what ``settings`` change, contents of files too; ``take`` puts it into its place.

        What is as it was stays, also when it could not be used before. Raises ConfigError for what cannot be used.
        """
        found = await asyncio.to_thread(recipes, settings, self._data, self._wall)
        fresh: dict[Service, Pusher | None] = {}
        for service, new in self._changed(found):
            fresh[service] = None if new is None else await _started(new, undo)
        return PushChange(fresh, found, settings.push.queue)

    async def check(self, settings: Settings) -> None:
        """Raises the ConfigError that ``prepare`` would; nothing is started, and nothing written."""
        found = await asyncio.to_thread(recipes, settings, self._data, self._wall, keep=False)
        for _service, new in self._changed(found):
            if new is not None:
                await _looked_at(new)

    def _changed(self, found: Mapping[Service, Recipe]) -> Iterator[tuple[Service, Recipe | None]]:
        """What differs from what is in use; None for a service that nothing is set for any more."""
        for service in Service:
            old, new = self._recipes.get(service), found.get(service)
            if new is None and old is not None:
                yield service, None
            elif new is not None and (old is None or new.of != old.of):
                yield service, new

    def take(self, change: PushChange) -> None:
        """From the next notification on; those before end what they have."""
        self._recipes = change.recipes
        for service, pusher in change.fresh.items():
            self.wrong.pop(service, None)
            if service is Service.WEBPUSH:
                self.vapid = ""
                self._know_key(pusher)
        self.pushers.replace(change.fresh, change.queue)

    def health(self) -> tuple[Health, ...]:
        """How each service does; one whose settings cannot be used fails."""
        # Everybody may ask for health: paths of our files are for the log and for ``trunkline check``.
        return tuple(
            replace(one, word="failing", why=UNUSABLE)
            if (one.service in self.wrong and one.word != "ready") or _OF_SETTINGS in one.why
            else one
            for one in self.pushers.health()
        )

    def offered(self) -> frozenset[Service]:
        """What a phone that registers itself may name (RFC 8599)."""
        return frozenset(one for one in Service if one is not Service.WEBHOOK and self.pushers.has(one))

    async def start(self) -> None:
        """Begin to connect; keys that cannot be used are told by health and in the log."""
        await self.pushers.start()

    async def stop(self) -> None:
        """End connections and tasks."""
        await self.pushers.stop()


async def _looked_at(recipe: Recipe) -> None:
    pusher = await asyncio.to_thread(recipe.make)
    try:
        await asyncio.to_thread(recipe.read)
    finally:
        await pusher.stop()


async def _started(recipe: Recipe, undo: AsyncExitStack) -> Pusher:
    pusher = await asyncio.to_thread(recipe.make)
    undo.push_async_callback(pusher.stop)
    await pusher.start()
    return pusher
