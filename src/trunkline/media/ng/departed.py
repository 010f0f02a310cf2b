"""Calls that we have left at an instance: they are deleted when they can be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any, Final

from trunkline.base.errors import MediaError
from trunkline.media.ng.instance import Instance

KEPT_S: Final = 10.0
"""How long a call that was moved still passes packets where it was: until its parties know of the new place."""
_MAX_FORGOTTEN: Final = 65_536
"""More than an instance has ports for."""
_AT_ONCE: Final = 256


class Departed:
    """``spawn`` starts a task."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._spawn = spawn
        self._calls: dict[str, set[str]] = {}

    def has(self, instance: Instance, call_id: str) -> bool:
        """Whether the instance may still know a call of this name that we have left."""
        return call_id in self._calls.get(instance.name, ())

    def waits_for(self, instance: Instance) -> bool:
        """Whether there is something to delete when the instance is up again."""
        return bool(self._calls.get(instance.name))

    def note(self, instance: Instance, call_id: str) -> None:
        """To be deleted when the instance answers again."""
        noted = self._calls.setdefault(instance.name, set())
        if len(noted) < _MAX_FORGOTTEN:
            noted.add(call_id)

    def leave(self, instance: Instance, call_id: str) -> None:
        """A call was moved: delete it in a while, or when the instance is there again."""
        self.note(instance, call_id)
        if instance.up:
            self._spawn(self._delete_later(instance, call_id))

    async def _delete_later(self, instance: Instance, call_id: str) -> None:
        await asyncio.sleep(KEPT_S)
        if self.has(instance, call_id):  # else it was deleted meanwhile, and may have come back
            await self.delete(instance, call_id)

    async def delete(self, instance: Instance, call_id: str) -> None:
        """Delete a call now. Until it has answered, whatever it says, the call may still be there."""
        try:
            await instance.ask("delete", call_id=call_id, delete_delay=0)
        except MediaError as error:
            if error.code == "media.engine_silent":
                return
        self._calls.get(instance.name, set()).discard(call_id)

    async def clear(self, instance: Instance) -> None:
        """The instance answers again: delete what was left there."""
        for call_id in list(self._calls.get(instance.name, ())):
            if instance.up:
                await self.delete(instance, call_id)

    async def say_goodbye(self, instances: list[Instance]) -> None:
        """The process ends: nobody waits any longer."""
        for instance in instances:
            left = iter(list(self._calls.get(instance.name, ())))
            while instance.up and (some := list(islice(left, _AT_ONCE))):
                await asyncio.gather(*(self.delete(instance, call_id) for call_id in some))
