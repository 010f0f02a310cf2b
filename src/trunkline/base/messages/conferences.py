"""Conference rooms in use: listed, recorded, their members muted and sent away."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class ConferenceMember:
    """A call in a room; ``gain_db`` is how much louder it is made for the others."""

    call: str
    number: str
    muted: bool = False
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class ConferenceRow:
    """A room; ``file`` is what it is recorded into, a path on the exchange's machine, else empty."""

    room: str
    started_at: float
    members: tuple[ConferenceMember, ...] = ()
    file: str = ""


@message("conference.page")
class ConferenceList(Message):
    """Rooms by name."""

    rows: tuple[ConferenceRow, ...] = ()
    next: str | None = None


@message("conference.list")
class ListConferences(Query[ConferenceList]):
    """Conference rooms that somebody is in."""

    limit: int = PAGE
    after: str | None = None


@message("conference.changed")
class ConferenceChanged(Message):
    """The room as it is now."""

    row: ConferenceRow


@message("conference.record")
class RecordConference(Command[ConferenceChanged]):
    """Begin or end the recording of a room.

    ``file`` as that of a call's recording. Refused with ``conference.unknown``, ``conference.recorded``,
    ``conference.not_recorded``, ``recording.file``, ``recording.disk_full``, or the engine's own codes.
    """

    room: str
    on: bool = True
    file: str | None = None


@message("conference.mute")
class MuteMember(Command[ConferenceChanged]):
    """Let the others not hear a member, or hear it again; refused with ``conference.unknown``, ``call.unknown``."""

    room: str
    call: str
    muted: bool = True


@message("conference.remove")
class RemoveMember(Command[ConferenceChanged]):
    """End the call of a member; refused with ``conference.unknown``, ``call.unknown``."""

    room: str
    call: str
