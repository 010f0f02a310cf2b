"""What operators ask of conference rooms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog

from trunkline.app.recording_handlers import FOLDER, prepare, wanted_file
from trunkline.base.errors import MediaError
from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    ConferenceChanged,
    ConferenceList,
    ConferenceMember,
    ConferenceRow,
    ListConferences,
    MuteMember,
    RecordConference,
    Refused,
    RemoveMember,
    Request,
)
from trunkline.call.conference import Member, Room

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

log = structlog.get_logger("conference")

_MEGABYTE = 1_000_000


class ConferenceHandlers:
    """``table`` is for ``ExchangeHandlers``."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._conferences = exchange.context.conferences
        self.table: dict[type[Request[Any]], Callable[[str, Any], Awaitable[Message]]] = {
            ListConferences: self._page,
            RecordConference: self._record,
            MuteMember: self._mute,
            RemoveMember: self._remove,
        }

    async def _page(self, tenant: str, ask: ListConferences) -> Message:
        rooms = [
            room
            for (owner, name), room in self._conferences.rooms.items()
            if owner == tenant and (ask.after is None or name > ask.after)
        ]
        rooms.sort(key=lambda room: room.name)
        more = rooms[ask.limit - 1].name if len(rooms) > ask.limit else None
        return ConferenceList(rows=tuple(map(_row, rooms[: ask.limit])), next=more)

    async def _record(self, tenant: str, ask: RecordConference) -> Message:
        room = self._room(tenant, ask.room)
        if ask.on:
            await self._begin_recording(room, ask.file)
        elif not room.recording:
            raise Refused("conference.not_recorded", f"room {room.name} is not recorded", status=404)
        else:
            file = room.file
            await self._conferences.stop_recording(room)
            log.info("conference recorded", room=room.name, file=file)
        return ConferenceChanged(row=_row(room))

    async def _begin_recording(self, room: Room, wanted: str | None) -> None:
        if room.recording:
            raise Refused(
                "conference.recorded",
                f"room {room.name} is recorded already, into {room.file}",
                "end it: trunkline conference record ROOM --stop",
                409,
            )
        folder = self._exchange.data / FOLDER
        clock = time.strftime("%Y-%m-%d/%H%M%S", time.localtime(self._exchange.wall()))
        settings = self._exchange.settings.recording
        name = f"{clock}-conference-{room.name}-{room.id[-7:]}.{settings.format}"
        file = folder / name if wanted is None else wanted_file(folder, wanted)
        keep_free = settings.keep_free_mb * _MEGABYTE
        await asyncio.to_thread(prepare, file, folder, keep_free)
        try:
            await self._conferences.record(room, file)
        except MediaError as error:
            raise Refused(error.code, str(error), status=409) from None
        log.info("recording a conference", room=room.name, file=str(file))

    async def _mute(self, tenant: str, ask: MuteMember) -> Message:
        room = self._room(tenant, ask.room)
        member = _member(room, ask.call)
        try:
            await self._conferences.mute(room, member, muted=ask.muted)
        except MediaError as error:
            raise Refused(error.code, str(error), status=409) from None
        return ConferenceChanged(row=_row(room))

    async def _remove(self, tenant: str, ask: RemoveMember) -> Message:
        room = self._room(tenant, ask.room)
        member = _member(room, ask.call)
        member.call.hang_up(code="conference.removed", by="operator")
        return ConferenceChanged(row=_row(room))

    def _room(self, tenant: str, name: str) -> Room:
        room = self._conferences.rooms.get((tenant, name))
        if room is None:
            raise Refused(
                "conference.unknown",
                f"nobody is in a room {name[:40]}",
                "trunkline conference list shows the rooms",
                404,
            )
        return room


def _member(room: Room, named: str) -> Member:
    found = [one for one in room.members.values() if named and one.call.id.startswith(named)]
    if len(found) != 1:
        raise Refused(
            "call.unknown",
            f"no call {named[:80]} is in room {room.name}",
            "trunkline conference list shows its members",
            404,
        )
    return found[0]


def _row(room: Room) -> ConferenceRow:
    members = tuple(
        ConferenceMember(one.call.id, one.number, one.muted, one.gain_db) for one in room.members.values()
    )
    return ConferenceRow(room.name, room.began_at, members, room.file)
