"""``trunkline conference``: rooms that somebody is in."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import CONFERENCES
from trunkline.app.terminal import Screen
from trunkline.base.messages import (
    ConferenceRow,
    ListConferences,
    MuteMember,
    RecordConference,
    RemoveMember,
)

app = Commands("Conference rooms: who is in them, record, mute, remove.")
RoomName = Annotated[str, typer.Argument(metavar="ROOM", help="Its number, as dialled after *6.")]
CallId = Annotated[
    str, typer.Argument(metavar="CALL-ID", help="A member's, as `trunkline conference list` shows it.")
]


@app.command("list", examples=["trunkline conference list", "trunkline conference list --json"])
def list_conferences(tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List the rooms that somebody is in, and their members."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[ConferenceRow] = fetch(asker, ListConferences())
    if as_json:
        screen.json(rows)
        return
    members = [(row, member) for row in rows for member in row.members]
    screen.table(CONFERENCES, members, "Nobody is in a conference.")


@app.command(
    examples=[
        "trunkline conference record 100",
        "trunkline conference record 100 --file meeting.wav",
        "trunkline conference record 100 --stop",
    ]
)
def record(
    room: RoomName,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="A new file that ends in .wav or .opus: an absolute path, or one within the data folder's "
            "`recordings`. Default: made of date, time and room.",
        ),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="End the recording.")] = False,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Record a room from now on, or end that. Its members are not told: say so where the law asks for it."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        row = asker.ask(RecordConference(room=room, on=not stop, file=file)).row
    if as_json:
        screen.json(row)
    else:
        screen.line(f"room {row.room} is recorded into {row.file}" if row.file else f"room {row.room}: ended")


@app.command(
    examples=["trunkline conference mute 100 0193c8a0", "trunkline conference mute 100 0193c8a0 --undo"]
)
def mute(
    room: RoomName,
    call: CallId,
    undo: Annotated[bool, typer.Option("--undo", help="Let it be heard again.")] = False,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Let the others not hear a member."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        row = asker.ask(MuteMember(room=room, call=call, muted=not undo)).row
    if as_json:
        screen.json(row)
    else:
        screen.line(f"the member of room {row.room} is {'heard again' if undo else 'muted'}")


@app.command(examples=["trunkline conference remove 100 0193c8a0"])
def remove(
    room: RoomName, call: CallId, tenant: Tenant = None, data: Data = None, as_json: Json = False
) -> None:
    """End the call of a member."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        row = asker.ask(RemoveMember(room=room, call=call)).row
    if as_json:
        screen.json(row)
    else:
        screen.line(f"the member leaves room {row.room}")
