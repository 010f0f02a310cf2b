"""The push services as a part of a running exchange that takes new settings over.

It makes anew whatever depends on a section, or on a file that the section names, before anything changes.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from trunkline.app.live_parts import Always, Apply
from trunkline.app.settings import Settings
from trunkline.app.settings.live import LIVE

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange


class PushProviders(Always):
    """Who sends notifications, and whom we wake: keys are read anew with every reload, and changed ones refuse it when
    they cannot be used.

    Comes after the registrar's values, which phones that are woken are told.
    """

    keys = frozenset(key for key in LIVE if key.startswith(("push.", "sip.push.")))

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def prepare(self, new: Settings, changed: frozenset[str], undo: AsyncExitStack) -> Apply:
        push = self._exchange.push
        change = await push.prepare(new, undo)

        async def apply() -> str:
            push.take(change)
            self._exchange.native.take_settings(new)
            return f"push services set anew: {', '.join(change.fresh)}" if change.fresh else ""

        return apply

    async def check(self, new: Settings, changed: frozenset[str]) -> None:
        await self._exchange.push.check(new)
