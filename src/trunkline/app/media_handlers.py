"""Instances of rtpengine: drained, and taken into use again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from trunkline.app.media_plane import media_rows
from trunkline.base.message_codec import Message
from trunkline.base.messages import DrainMedia, MediaDrained, MediaInstanceRow, Refused, Request
from trunkline.media.engine import MediaEngine
from trunkline.media.mixed import MixedEngine


class MediaHandlers:
    """``table`` is for ``ExchangeHandlers``; with ``moves`` calls can be moved."""

    def __init__(self, engine: MediaEngine, *, moves: bool) -> None:
        self._engine = engine
        self._moves = moves
        self.table: dict[type[Request[Any]], Callable[[str, Any], Awaitable[Message]]] = {
            DrainMedia: self._drain
        }

    async def _drain(self, _tenant: str, ask: DrainMedia) -> MediaDrained:
        engine = self._engine
        if not isinstance(engine, MixedEngine):
            raise Refused(
                "media.unknown_instance",
                "there is no rtpengine: calls are relayed by this process",
                "trunkline drain takes the whole exchange out of use",
                404,
            )
        row = self._named(ask.name)
        move = ask.move and not ask.undo
        if move:
            self._check(row)
        engine.drain(row.name, move=move, undo=ask.undo)
        now = next(one for one in media_rows(engine) if one.name == row.name)
        others = sum(1 for one in self._others(row) if one.state == "up" and not one.draining)
        return MediaDrained(row=now, moving=row.sessions if move else 0, others=others)

    def _others(self, row: MediaInstanceRow) -> list[MediaInstanceRow]:
        return [one for one in media_rows(self._engine) if one.name != row.name]

    def _named(self, name: str) -> MediaInstanceRow:
        rows = media_rows(self._engine)
        # Half a number is no part: 192.0.2.1 must not drain 192.0.2.10.
        part = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        found = [one for one in rows if one.name == name] or [
            one for one in rows if name and part.search(one.name)
        ]
        if len(found) != 1:
            known = ", ".join(one.name for one in rows)
            seen = "more than one rtpengine is meant by" if found else "no rtpengine has the name"
            raise Refused("media.unknown_instance", f"{seen} {name[:80]!r}", f"they are {known}", 404)
        return found[0]

    def _check(self, row: MediaInstanceRow) -> None:
        if not self._moves:
            raise Refused(
                "media.moves_off",
                "calls stay where they are: media.rtpengine.moves_per_s is 0",
                "drain it without --move, and wait until its calls have ended",
                409,
            )
        if not any(one.state == "up" and not one.draining for one in self._others(row)):
            raise Refused(
                "media.no_engine",
                f"no other rtpengine takes calls, so that those of {row.name} cannot move",
                "trunkline media list shows how they are",
                409,
            )
