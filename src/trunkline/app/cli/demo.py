"""``trunkline demo``: what the product does, shown on this machine alone."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Json, span
from trunkline.app.terminal import Screen

if TYPE_CHECKING:
    from trunkline.app.demo.play import Pause
    from trunkline.app.demo.scenes import Scene

TRANSPORTS = ("udp", "tcp", "tls")

app = Commands("Show what the product does, on this machine alone and without any account.")


@app.callback()
def demo() -> None:
    """A group, even with one command."""


@app.command(
    "mobile",
    examples=[
        "trunkline demo mobile",
        "trunkline demo mobile --two --step",
        "trunkline demo mobile --outgoing --transport tls",
        "trunkline demo mobile --cancel --json",
    ],
    notes="It starts a small PBX, a gateway in front of it, stand-ins for the push services and a simulated app, all "
    "on 127.0.0.1 with any free ports and in a folder that is gone afterwards. It ends with 0 only when everything "
    "that was to happen has happened, and names the step that has not.",
)
def mobile(
    outgoing: Annotated[bool, typer.Option("--outgoing", help="The app calls out.")] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="The caller gives up while the app rings.")
    ] = False,
    two: Annotated[
        bool, typer.Option("--two", help="An iPhone and an Android phone ring; the first has the call.")
    ] = False,
    transport: Annotated[
        str, typer.Option(metavar="TRANSPORT", help="Between gateway and PBX: udp, tcp or tls.")
    ] = "udp",
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter before each step.")] = False,
    pace: Annotated[
        float, typer.Option(parser=span, metavar="TIME", help="Wait so long before each step, such as 1.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Show the mobile gateway on one screen: how a call wakes an app that sleeps, as a ladder that grows."""
    wanted = [name for name, on in (("outgoing", outgoing), ("cancel", cancel), ("two", two)) if on]
    if len(wanted) > 1:
        raise typer.BadParameter("give only one of --outgoing, --cancel and --two")
    if step and pace:
        raise typer.BadParameter("give only one of --step and --pace")
    if transport.lower() not in TRANSPORTS:
        raise typer.BadParameter(f"--transport: saw {transport!r}, expected one of {', '.join(TRANSPORTS)}")
    if not 0 <= pace <= 60:
        raise typer.BadParameter("--pace takes up to a minute")
    from trunkline.app.demo.scenes import SCENES  # noqa: PLC0415  (few starts need it)

    _run(
        SCENES[wanted[0] if wanted else "incoming"], transport.lower(), step=step, pace=pace, as_json=as_json
    )


def _run(scene: Scene, transport: str, *, step: bool, pace: float, as_json: bool) -> None:
    """Ctrl-C ends everything in the ordinary way."""
    import uvloop  # noqa: PLC0415  (few starts need these)

    from trunkline.app.demo.run import run_in_folder  # noqa: PLC0415
    from trunkline.app.demo.steps import DemoFailed  # noqa: PLC0415
    from trunkline.app.demo.telling import JsonTeller, LadderTeller  # noqa: PLC0415
    from trunkline.app.logs import setup_logs  # noqa: PLC0415

    screen = Screen()
    setup_logs("error", "text")
    teller = JsonTeller(screen) if as_json else LadderTeller(screen, scene.parties)

    async def main() -> None:
        await run_in_folder(scene, teller, transport, _pause(screen, step=step, pace=pace))

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    except DemoFailed as failed:
        screen.error(f"{failed.step}: {failed}" if failed.step else str(failed))
        screen.note("what happened before it stands above; the same with --json tells each step")
        raise typer.Exit(ExitCode.FAILED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _pause(screen: Screen, *, step: bool, pace: float) -> Pause | None:
    if step:
        from trunkline.app.demo.play import EnterKey  # noqa: PLC0415

        return EnterKey(sys.stdin, lambda: screen.note("Enter goes on"))
    if pace:
        return lambda: asyncio.sleep(pace)
    return None
