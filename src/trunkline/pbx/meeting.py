"""A caller in a conference room: greeted, joined, heard by its keys, until it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trunkline.call.conference import Member, Room, join_command

if TYPE_CHECKING:
    from trunkline.call.call import Call, Script
    from trunkline.call.service import ServiceMedia

_LISTENS_S: Final = 3600.0  # for one key; then again
_LOUDER_DB: Final = 3.0
_LOUDEST_DB: Final = 12.0
_MOST_SPOKEN: Final = 60  # there are prompts for numbers up to it
_MOST_ANNOUNCED: Final = 20  # a larger room does not hear who comes and goes


def meeting(name: str) -> Script:
    """Join the room of this name. ``1`` mutes and unmutes, ``4`` and ``6`` speak lower and louder, ``#`` leaves."""

    async def script(call: Call) -> None:
        conferences = call.context.conferences
        room, member = await conferences.enter(call, name)
        try:
            service = await call.answer()
            member.number = service.number
            await service.play(*_greeting(len(room.members) - 1))
            others = len(room.members) - 1
            call.tell("conference.joined", f"joined the conference {name}, {others} others are in it")
            await _join(service, room, member)
            member.came = True
            await _announce(call, room, "beep")
            await _stay(call, service, room, member)
            member.joined = False
            await service.play("goodbye")
        finally:
            await conferences.leave(room, call)
            if member.came:
                await _announce(call, room, "beep", "beep")
            call.tell("conference.left", f"left the conference {name}")

    return script


async def _announce(call: Call, room: Room, *prompts: str) -> None:
    """One beep for who comes, two for who goes; nobody is left to hear them in an empty room."""
    if 0 < len(room.members) <= _MOST_ANNOUNCED:
        sounds = call.context.sounds
        await call.context.conferences.announce(room, *(sounds.find(prompt) for prompt in prompts))


def _greeting(others: int) -> list[str]:
    if others == 0:
        return ["conference-first"]
    if others == 1:
        return ["conference-one-other"]
    if others > _MOST_SPOKEN:
        return ["conference-many-others"]
    return ["conference-there-are", f"number-{others}", "conference-others"]


async def _stay(call: Call, service: ServiceMedia, room: Room, member: Member) -> None:
    """Until ``#``; the caller's own end cancels the script."""
    key = ""
    while key != "#":
        key = await call.key(_LISTENS_S)
        if key == "1":
            member.muted = not member.muted
            member.joined = False
            await service.play("conference-muted" if member.muted else "conference-unmuted")
        elif key in {"4", "6"} and key:
            step = _LOUDER_DB if key == "6" else -_LOUDER_DB
            member.gain_db = max(-_LOUDEST_DB, min(_LOUDEST_DB, member.gain_db + step))
        else:
            continue
        await _join(service, room, member)


async def _join(service: ServiceMedia, room: Room, member: Member) -> None:
    member.joined = True
    await service.join(join_command(room, member, service.port))
