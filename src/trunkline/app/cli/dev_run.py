"""Runs a stand-in until somebody stops it, and shows what it is sent."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from trunkline.app.terminal import Screen
from trunkline.base.errors import TransportError

if TYPE_CHECKING:
    from trunkline.push.doubles.stand_in import StandIn

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Listen: TypeAlias = Annotated[str, typer.Option("--listen", metavar="ADDRESS", help="Where to listen.")]
CaOut: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--ca-out", metavar="FILE", help="Write the authority's certificate here, for who is to trust it."
    ),
]


def run(stand_in: StandIn, ca: bytes, ca_out: Path | None, *, as_json: bool) -> None:
    """Until SIGINT or SIGTERM. ``ca`` goes into ``ca_out`` before anything is said."""
    screen = Screen()
    if ca_out is not None:
        ca_out.write_bytes(ca)
    asyncio.run(_run(stand_in, screen, as_json=as_json))


async def _run(stand_in: StandIn, screen: Screen, *, as_json: bool) -> None:
    loop = asyncio.get_running_loop()
    try:
        await stand_in.start()
    except OSError as error:
        if error.filename is not None:
            raise  # a file that cannot be written
        why = os.strerror(error.errno) if error.errno else str(error)
        raise TransportError(f"cannot listen: {why} (choose another --port, or --listen)") from error
    try:
        showing = asyncio.create_task(_show(stand_in, screen, as_json=as_json))
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, showing.cancel)
        with suppress(asyncio.CancelledError):
            await showing
    finally:
        await stand_in.stop()


async def _show(stand_in: StandIn, screen: Screen, *, as_json: bool) -> None:
    about = stand_in.about()
    if as_json:
        screen.json(dict(about))
    else:
        widest = max(map(len, about))
        for word, value in about.items():
            screen.line(f"{word.ljust(widest)}  {value}")
    while True:
        push = await stand_in.next_push()
        if as_json:
            screen.json(dict(push.row()))
        else:
            screen.line(push.line())
