"""Conference rooms: made for whoever comes first, gone with whoever leaves last.

A room belongs to one tenant and has a name. Its members are the callers of calls that we answered; the engine mixes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import CallFailed, MediaError
from trunkline.base.ids import uuid7
from trunkline.media.commands import CloseRoom, Done, Join, OpenRoom, Play, Record, StopRecord
from trunkline.media.events import MediaEvent, Recorded, RecordFailed

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.media.engine import MediaEngine

MAX_MEMBERS: Final = 200
"""Of one room: the engine's own limit."""
MAX_ROOMS: Final = 1000


@dataclass(slots=True)
class Member:
    """A call in a room. ``gain_db`` is how much louder it is made for the others.

    ``joined`` tells that it is heard there by now: before, and while something is said to it alone, it is not.
    """

    call: Call
    number: str
    muted: bool = False
    gain_db: float = 0.0
    joined: bool = False
    came: bool = False
    """Whether the others were told of it."""


@dataclass(slots=True)
class Room:
    """``id`` is the engine's; ``members`` by the id of their call, in the order in which they came."""

    id: str
    tenant: str
    name: str
    began_at: float
    opened: asyncio.Future[Done]
    """Done when the engine has it."""
    members: dict[str, Member] = field(default_factory=dict)
    recording: str = ""
    file: str = ""


class Conferences:
    """All rooms in use."""

    def __init__(self, engine: MediaEngine) -> None:
        self._engine = engine
        self.rooms: dict[tuple[str, str], Room] = {}
        self._ends: dict[str, Callable[[], None]] = {}  # of what the engine tells of rooms

    async def enter(self, call: Call, name: str) -> tuple[Room, Member]:
        """Make a call a member of a room, which is made when nobody is there; it has to ``leave`` afterwards.

        Raises CallFailed 486 when the room is full or there are too many, MediaError when the engine cannot.
        """
        room = self.rooms.get((call.tenant, name)) or self._open(call, name)
        if len(room.members) >= MAX_MEMBERS:
            raise CallFailed(486, "Busy Here", 17, "conference.full")
        member = room.members[call.id] = Member(call, call.caller.number)
        _keep(call, room.file)
        try:
            await asyncio.shield(room.opened)
        except BaseException:
            await self.leave(room, call)
            raise
        return room, member

    def _open(self, call: Call, name: str) -> Room:
        if len(self.rooms) >= MAX_ROOMS:
            raise CallFailed(486, "Busy Here", 17, "conference.too_many")
        key = f"room-{uuid7()}"
        # All who come meanwhile wait for it; it goes on when the first of them leaves.
        opened = asyncio.ensure_future(self._engine.execute(OpenRoom(key, key)))
        room = Room(key, call.tenant, name, call.context.wall(), opened)
        self.rooms[call.tenant, name] = room
        self._ends[key] = self._engine.subscribe(lambda event: _on_event(room, event), key)
        return room

    async def leave(self, room: Room, call: Call) -> None:
        """The call is over, or does something else; never fails."""
        room.members.pop(call.id, None)
        _keep(call, "")
        if room.members or self.rooms.get((room.tenant, room.name)) is not room:
            return
        del self.rooms[room.tenant, room.name]
        self._ends.pop(room.id)()
        with suppress(MediaError):
            await self.stop_recording(room)
        with suppress(MediaError):
            await room.opened
            await self._engine.execute(CloseRoom(room.id))

    async def announce(self, room: Room, *files: str) -> None:
        """Let everybody hear these files; what cannot be played is not worth a conference."""
        with suppress(MediaError):
            await self._engine.execute(Play(room.id, uuid7(), list(files)))

    async def mute(self, room: Room, member: Member, *, muted: bool) -> None:
        """Whether the others hear a member; raises MediaError."""
        member.muted = muted
        service = member.call.service
        if member.joined and service is not None:
            await service.join(join_command(room, member, service.port))

    async def record(self, room: Room, file: Path) -> str:
        """Record the room into a new file; returns the recording's id. Raises MediaError."""
        if room.recording:
            return room.recording
        room.recording = uuid7()
        _keep_file(room, str(file))
        try:
            await self._engine.execute(Record(room.id, room.recording, str(file)))
        except MediaError:
            room.recording = ""
            _keep_file(room, "")
            raise
        return room.recording

    async def stop_recording(self, room: Room) -> None:
        """End the room's recording, if there is one."""
        recording, room.recording = room.recording, ""
        _keep_file(room, "")
        if recording:
            await self._engine.execute(StopRecord(recording))


def join_command(room: Room, member: Member, port: str) -> Join:
    """What puts a member's port into its room, as it is heard there now."""
    return Join(port, room.id, member.gain_db, member.muted)


def _on_event(room: Room, event: MediaEvent) -> None:
    """A recording may end by itself: a full disk, its longest time."""
    if isinstance(event, Recorded | RecordFailed) and event.recording == room.recording:
        room.recording = ""
        _keep_file(room, "")


def _keep_file(room: Room, file: str) -> None:
    room.file = file
    for member in room.members.values():
        _keep(member.call, file)


def _keep(call: Call, file: str) -> None:
    """Have the file known to the process after a crash, which tells of it in the call's story."""
    if call.room_file != file:
        call.room_file = file
        call.changes += 1
