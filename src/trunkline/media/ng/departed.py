"""Calls that we have left at an instance, or that a process before us left there: they are deleted when they can be."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Container, Coroutine
from typing import Any, Final, TypeAlias

from trunkline.base.errors import MediaError
from trunkline.media.ng.instance import Instance

Known: TypeAlias = Callable[[], Container[str]]
"""Gives the call-ids that live."""
KEPT_S: Final = 10.0
"""How long a call that was moved still passes packets where it was: until its parties know of the new place."""
_MAX_FORGOTTEN: Final = 65_536
"""More than an instance has ports for."""
_LISTED: Final = 800
"""Call-ids in one answer: it must fit into a datagram."""


class Departed:
    """``spawn`` starts a task; call-ids that begin with ``prefix`` are ours."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], object], prefix: str) -> None:
        self._spawn = spawn
        self._prefix = prefix
        self._calls: dict[str, set[str]] = {}
        self._strays_at: set[str] = set()

    def has(self, instance: Instance, call_id: str) -> bool:
        """Whether the instance may still know a call of this name that we have left."""
        return call_id in self._calls.get(instance.name, ())

    def waits_for(self, instance: Instance) -> bool:
        """Whether there is something to delete when the instance is up again."""
        return bool(self._calls.get(instance.name)) or instance.name in self._strays_at

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
        await self.delete(instance, call_id)

    async def delete(self, instance: Instance, call_id: str) -> None:
        """Delete a call now. Until it has answered, whatever it says, the call may still be there."""
        try:
            await instance.ask("delete", call_id=call_id, delete_delay=0)
        except MediaError as error:
            if error.code == "media.engine_silent":
                return
        self._calls.get(instance.name, set()).discard(call_id)

    async def clear(self, instance: Instance, known: Known) -> None:
        """The instance answers again: delete what was left there."""
        for call_id in list(self._calls.get(instance.name, ())):
            if instance.up:
                await self.delete(instance, call_id)
        if instance.name in self._strays_at:
            await self.find_strays(instance, known)

    async def find_strays(self, instance: Instance, known: Known) -> None:
        """Delete whatever a process before us has left there; later, when the instance is not there."""
        self._strays_at.add(instance.name)
        if not instance.up:
            return
        with contextlib.suppress(MediaError):
            seen: set[str] = set()
            while strays := [one for one in await self._strays(instance, known) if one not in seen]:
                seen.update(strays)
                for call_id in strays:
                    self.note(instance, call_id)
                    await self.delete(instance, call_id)
            self._strays_at.discard(instance.name)

    async def _strays(self, instance: Instance, known: Known) -> list[str]:
        """Some of them: when an instance has more calls than it lists at once, the rest comes after these."""
        answer = await instance.ask("list", limit=_LISTED)
        listed = answer.get("calls")
        alive = known()  # asked now: calls were opened meanwhile
        return [one for one in self._ours(listed if isinstance(listed, list) else []) if one not in alive]

    def _ours(self, listed: list[Any]) -> list[str]:
        names = [one.decode("utf-8", "replace") for one in listed if isinstance(one, bytes)]
        return [name for name in names if name.startswith(self._prefix)]

    async def say_goodbye(self, instances: list[Instance]) -> None:
        """The process ends: nobody waits any longer."""
        for instance in instances:
            if instance.up:
                await asyncio.gather(
                    *(self.delete(instance, call_id) for call_id in list(self._calls.get(instance.name, ())))
                )
