"""Devices whose push is refused although they are not given up: their owners hear when that begins and when it ends.

See docs/topics/refused-push-tokens.md.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final

from trunkline.mobile.book import Book
from trunkline.model.device import MobileDevice

MOST: Final = 10_000
_SLICE: Final = 200  # devices looked at in one turn of the loop: about a millisecond


class Suspects:
    """``trouble(device)`` is the push service's word for a device, "" when it has nothing against it; ``tell`` tells
    the owner how it stands.
    """

    def __init__(
        self,
        book: Book,
        trouble: Callable[[MobileDevice], str],
        tell: Callable[[MobileDevice], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._book = book
        self._trouble = trouble
        self._tell = tell
        self._spawn = spawn
        self._told: OrderedDict[tuple[str, str], str] = OrderedDict()  # what was told, by tenant and device
        self._looks = False

    def __len__(self) -> int:
        return len(self._told)

    def note(self, device: MobileDevice) -> None:
        """A push to it was refused, and its token kept. Told once for each word of the service."""
        trouble = self._trouble(device)
        key = device.tenant, device.id
        if not trouble or self._told.get(key) == trouble or self._book.find(*key) is not device:
            return
        self._told[key] = trouble
        self._told.move_to_end(key)
        if len(self._told) > MOST:
            self._told.popitem(last=False)
        self._tell(device)

    def look(self) -> None:
        """A service may trust some of them again: its settings have proved good, or are others."""
        if self._told and not self._looks:
            self._looks = True
            self._spawn(self._look())

    async def _look(self) -> None:
        await asyncio.sleep(0)  # what is said in the same moment is looked at once
        self._looks = False
        for at, key in enumerate(list(self._told), 1):
            self._look_at(key)
            if at % _SLICE == 0:
                await asyncio.sleep(0)

    def _look_at(self, key: tuple[str, str]) -> None:
        told, device = self._told.get(key), self._book.find(*key)
        if device is None or device.disabled_why:  # gone, or given up, which was told as such
            self._told.pop(key, None)
        elif told is not None and (trouble := self._trouble(device)) != told:
            if trouble:
                self._told[key] = trouble
            else:
                del self._told[key]
            self._tell(device)
