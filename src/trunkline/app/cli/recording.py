"""``trunkline recording``: record a call that is up."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import call_ids
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import RECORDINGS, duration
from trunkline.app.terminal import Screen
from trunkline.base.messages import ListRecordings, RecordingRow, StartRecording, StopRecording

app = Commands("Record calls that are up: start, stop, list.")
CallId = Annotated[
    str, typer.Argument(metavar="CALL-ID", help="As `trunkline calls` shows it.", autocompletion=call_ids)
]


@app.command(
    examples=["trunkline recording start 0193c8a0", "trunkline recording start 0193c8a0 --file sale.wav"]
)
def start(
    call: CallId,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="A new file that ends in .wav or .opus: an absolute path, or one within the data folder's "
            "`recordings`. "
            "Default: made of date, time and numbers.",
        ),
    ] = None,
    mono: Annotated[
        bool | None,
        typer.Option("--mono/--stereo", help="Both parties mixed, or side by side. Default: the settings'."),
    ] = None,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Record a call from now on. Its parties are not told: say so where the law asks for it."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        row = asker.ask(StartRecording(call=call, file=file, mono=mono)).row
    if as_json:
        screen.json(row)
    else:
        screen.line(f"call {row.call} is recorded into {row.file}")


@app.command(examples=["trunkline recording stop 0193c8a0"])
def stop(call: CallId, tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """End the recording of a call; the call goes on. The end of a call ends its recording too."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        done = asker.ask(StopRecording(call=call))
    if as_json:
        screen.json({"call": done.call, "file": done.file, "duration_s": done.duration_s})
    else:
        screen.line(f"{duration(done.duration_s)} are in {done.file}")


@app.command("list", examples=["trunkline recording list", "trunkline recording list --json"])
def list_recordings(tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List the recordings in progress."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[RecordingRow] = fetch(asker, ListRecordings())
    if as_json:
        screen.json(rows)
    else:
        screen.table(RECORDINGS, rows, "No call is recorded.")
