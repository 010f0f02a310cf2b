"""``trunkline media``: the instances of rtpengine; list and drain."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli import completing
from trunkline.app.cli.asking import exchange
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json
from trunkline.app.render import MEDIA, count_of
from trunkline.app.terminal import Screen
from trunkline.base.messages import DrainMedia, Status

_NONE = (
    "There is no rtpengine: calls are relayed by this process. "
    'For others to relay them, set media.engine = "rtpengine" and media.rtpengine.instances, and start anew.'
)

app = Commands("List the instances of rtpengine, and take one out of use for maintenance.")


@app.command("list", examples=["trunkline media list", "trunkline media list --json"])
def list_media(data: Data = None, as_json: Json = False) -> None:
    """List the instances of rtpengine, how they are, and how many calls they relay."""
    screen = Screen()
    with exchange(data) as asker:
        rows = list(asker.ask(Status()).media)
    if as_json:
        screen.json(rows)
        return
    screen.table(MEDIA, rows, _NONE)
    if not rows and not screen.fancy:  # a pipe gets a header alone
        screen.note(_NONE)


@app.command(
    examples=["trunkline media drain 192.0.2.10", "trunkline media drain udp:192.0.2.10:2223 --move"]
)
def drain(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="As `trunkline media list` shows it, or its host or port, when that is unambiguous.",
            autocompletion=completing.instances,
        ),
    ],
    move: Annotated[bool, typer.Option("--move", help="Its calls go on at other instances.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Give it new calls again.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give an instance no new calls; those that it has go on there, or at others. It holds until the next start."""
    if undo and move:
        raise typer.BadParameter("--undo gives it calls again, there is nothing to --move")
    screen = Screen()
    with exchange(data) as asker:
        done = asker.ask(DrainMedia(name=name, move=move, undo=undo))
    calls = count_of(done.row.sessions, "call")
    if as_json:
        screen.json({"instance": done.row.name, "draining": done.row.draining, "calls": done.row.sessions,
                     "moving": done.moving, "others": done.others})  # fmt: skip
    elif undo:
        screen.line(f"{done.row.name} gets new calls again")
    elif move:
        screen.line(f"{done.row.name} gets no new calls; {count_of(done.moving, 'call')} begin to move")
    else:
        screen.line(f"{done.row.name} gets no new calls; it has {calls} (--move lets others have them)")
    if not (undo or done.others):
        screen.warn("no other rtpengine takes calls: new calls between parties are refused")
