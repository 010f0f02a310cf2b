"""Who hears the events of a media engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.media.engine import Listener
from trunkline.media.events import MediaEvent


class Listeners:
    """Listeners to all events, and to those of one owner."""

    def __init__(self) -> None:
        self._listeners: dict[str | None, list[Listener]] = {}

    def subscribe(self, listener: Listener, owner: str | None) -> Callable[[], None]:
        """As ``MediaEngine.subscribe``."""
        self._listeners.setdefault(owner, []).append(listener)

        def unsubscribe() -> None:
            listeners = self._listeners.get(owner, [])
            if listener in listeners:
                listeners.remove(listener)
            if not listeners:
                self._listeners.pop(owner, None)

        return unsubscribe

    def tell(self, event: MediaEvent) -> None:
        """To all who want it; one listener's fault must not keep it from the others."""
        for listener in (*self._listeners.get(None, ()), *self._listeners.get(event.owner, ())):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001  (told to the loop's handler)
                context = {"message": f"a listener to media events failed at {event!r}", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def forget(self, owner: str) -> None:
        """An owner is gone, and its subscriptions with it."""
        self._listeners.pop(owner, None)

    def clear(self) -> None:
        """Nobody hears any more."""
        self._listeners.clear()
