"""Calls that a process before us has left at an instance, and nobody carries on: found by their names, and deleted.

NG lists calls in no order and has no pages, and over UDP an answer is a datagram. What does not fit comes into sight as
calls end, so that an instance with more calls is asked again for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine
from typing import Any, Final, TypeAlias

from trunkline.base.errors import MediaError
from trunkline.media.ng.departed import Departed
from trunkline.media.ng.instance import Instance

Known: TypeAlias = Callable[[], Container[str]]
"""Gives the call-ids that live."""
FEW: Final = 100
"""Calls that fit into any answer; how long their names are tells how many more do."""
AGAIN_S: Final = 30.0
_LOOKS: Final = 120
"""An hour: whoever still spoke by such a call has hung up, and rtpengine drops calls without media by itself."""
_ROUNDS: Final = 100
_SPARE: Final = 1000  # octets for the rest of an answer
_AROUND: Final = 6  # octets around a name


class Strays:
    """``spawn`` starts a task; call-ids that begin with ``prefix`` are ours. ``departed`` deletes them."""

    def __init__(
        self,
        departed: Departed,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        prefix: str,
        again_s: float = AGAIN_S,
    ) -> None:
        self._departed = departed
        self._spawn = spawn
        self._prefix = prefix
        self._again_s = again_s
        self._looks: dict[str, int] = {}  # how many are left, by the instance's name
        self._waiting: set[str] = set()
        self._most: dict[str, int] = {}

    def waits_for(self, instance: Instance) -> bool:
        """Whether the instance has not shown all of its calls yet."""
        return instance.name in self._looks

    async def find(self, instance: Instance, known: Known) -> None:
        """Delete them; later those that are out of sight, and all of an instance that is not there."""
        self._looks[instance.name] = _LOOKS
        await self.look(instance, known)

    async def look(self, instance: Instance, known: Known) -> None:
        """The next look at an instance that ``waits_for`` tells of."""
        left = self._looks.get(instance.name, 0)
        if not instance.up or not left or instance.name in self._waiting:
            return
        try:
            done = await self._delete_all(instance, known)
        except MediaError:
            done = False
        if done or left == 1:
            self._looks.pop(instance.name, None)
        elif instance.up:
            self._looks[instance.name] = left - 1
            self._waiting.add(instance.name)
            self._spawn(self._look_again(instance, known))

    async def _look_again(self, instance: Instance, known: Known) -> None:
        await asyncio.sleep(self._again_s)
        self._waiting.discard(instance.name)
        await self.look(instance, known)

    async def _delete_all(self, instance: Instance, known: Known) -> bool:
        """Those that it lists; whether it has listed all that it has. Raises MediaError."""
        seen: set[str] = set()
        for _ in range(_ROUNDS):
            names, is_all = await self._listed(instance)
            alive = known()  # asked now: calls were opened meanwhile
            strays = [
                one for one in names if one.startswith(self._prefix) and one not in alive and one not in seen
            ]
            if not strays:
                return is_all
            seen.update(strays)
            for call_id in strays:
                self._departed.note(instance, call_id)
            for call_id in strays:
                if not instance.up:
                    return False  # each would wait for its answer in vain; they are deleted when it is there again
                await self._departed.delete(instance, call_id)
        return False

    async def _listed(self, instance: Instance) -> tuple[list[str], bool]:
        """As many of its calls as an answer holds, and whether these are all."""
        names = await instance.list_calls(FEW)
        if len(names) < FEW:
            return names, True
        longest = max(len(one.encode()) for one in names) + _AROUND
        limit = (instance.answer_octets - _SPARE) // longest
        limit = min(limit, self._most.get(instance.name, limit))
        if limit <= FEW:
            return names, False
        try:
            names = await instance.list_calls(limit)
        except MediaError:
            self._most[instance.name] = limit // 2  # others have longer names
            raise
        return names, len(names) < limit
