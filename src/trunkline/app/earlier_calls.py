"""The calls of a process that died: carried on where that is possible, their books closed where it is not."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import structlog

from trunkline.base.errors import LocalProtocolError, MediaError, TransportError
from trunkline.call.call import Call
from trunkline.call.checkpoints import Checkpoints
from trunkline.call.context import CallContext
from trunkline.call.registry import Calls
from trunkline.call.restored import LOST, Restored, Sides
from trunkline.model.kept_call import KeptCall
from trunkline.model.tenant import SystemScope
from trunkline.store.kept_calls import KeptCalls

log = structlog.get_logger("exchange")

# Nobody listens to silence for longer; and the ports may serve somebody else's program by then.
TOO_OLD_S: Final = 300.0


class EarlierCalls:
    """``load`` while nothing is bound yet, so that no new call takes a port; ``take_up`` when all sockets are."""

    def __init__(
        self, kept: KeptCalls, node: int, context: CallContext, calls: Calls, checkpoints: Checkpoints
    ) -> None:
        self._kept = kept
        self._node = node
        self._context = context
        self._calls = calls
        self._checkpoints = checkpoints
        self._loaded: list[tuple[Restored, str]] = []
        self._ended: list[Restored] = []

    async def load(self) -> None:
        """Read them, open the media ports of those that were up, close the books of the others."""
        scope = SystemScope("calls outlive a crash")
        for ended in self._kept.load_recorded(scope, self._node):
            with suppress(LocalProtocolError):
                self._ended.append(Restored(ended, self._context))
        self._kept.delete_recorded(scope, self._node)
        found = self._kept.load_all(scope, self._node)
        self._checkpoints.adopt(found)
        cut: set[str] = set()
        for one in found:
            try:
                restored = Restored(one, self._context)
                cut.update(restored.cut)
                await self._load(restored)
            except LocalProtocolError as error:
                _tell_loss(one, str(error))
        for file in sorted(cut):  # that of a conference once, however many are in it
            log.warning("a recording ended with a crash", file=file)

    async def _load(self, call: Restored) -> None:
        away_s = self._context.wall() - call.seen_at
        if not call.parties:
            await self._lose(call, "it was not up yet")
        elif away_s > TOO_OLD_S:
            await self._lose(
                call, f"it was last seen {away_s:.0f} s ago, at most {TOO_OLD_S:.0f} s are bridged"
            )
        else:
            fault = await _open_media(call) if call.up else _why_not(call)
            self._loaded.append((call, fault))

    async def _lose(self, call: Restored, why: str) -> None:
        _tell_loss(call.kept, why)
        await call.lose(why)

    def take_up(self, sides: Sides | None = None) -> None:
        """Answer the parties again; a call that cannot go on is ended for those who can still be told.

        ``sides`` says who is behind the legs of apps.
        """
        going_on: list[Call] = []
        for restored, fault in self._loaded:
            # The parties are taken up whatever became of the media: they can be told that it is over.
            why = _take_up(restored, sides) or fault
            call = restored.call
            self._calls.add(call, call.parties)
            call.carry_on(restored.script)
            if why:
                _tell_loss(restored.kept, why)
                call.recording = None  # there is nothing to go on with
                call.tell(LOST, why)
                call.hang_up(code=LOST)
            else:
                going_on.append(call)
                restored.ask_around()
        self._say_goodbye()
        # At once: a second crash must find the numbers that the parties hear from now on.
        self._checkpoints.write(going_on)
        if self._loaded:
            log.info("calls go on after a crash", calls=len(going_on))
        self._loaded = []

    def _say_goodbye(self) -> None:
        """A BYE that was lost is not sent again by a process that died."""
        known = {leg.id for call in self._calls.active.values() for leg in call.legs}
        ended, self._ended = self._ended, []
        for one in ended:
            if one.call.has_apps and self._context.wall() - one.seen_at <= TOO_OLD_S:
                one.say_goodbye(known)


def _why_not(call: Restored) -> str:
    if call.keyed:
        return "its media was encrypted, and keys end with the process"
    return "it ended at something that cannot go on"


async def _open_media(call: Restored) -> str:
    try:
        await call.open_media()
    except (MediaError, LocalProtocolError) as error:
        return str(error)
    return ""


def _take_up(call: Restored, sides: Sides | None) -> str:
    try:
        call.take_up(sides)
    except (LocalProtocolError, TransportError) as error:
        return str(error)
    return ""


def _tell_loss(call: KeptCall, why: str) -> None:
    log.warning("a call was lost in a crash", call=call.id, why=why)
