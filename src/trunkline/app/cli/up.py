"""``trunkline up`` and ``trunkline version``."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from trunkline import __version__
from trunkline.app.cli.asking import load_wiring
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json
from trunkline.app.garbage import collecting_nothing
from trunkline.app.terminal import Screen


def up(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, in TOML or JSON.")
    ] = None,
    data: Data = None,
    domain: Annotated[
        str | None,
        typer.Option(metavar="DOMAIN", help="SIP domain of the phones. Default: the host's address."),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Such as udp:0.0.0.0:5060; may be given several times."),
    ] = None,
    advertise: Annotated[
        str | None, typer.Option(metavar="HOST", help="Address that phones reach this exchange by.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="HOST:PORT|off", help="Where to serve metrics.")
    ] = None,
    api: Annotated[
        str | None, typer.Option(metavar="HOST:PORT|off", help="Where to serve the HTTP API of mobile apps.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error.")
    ] = None,
    log_format: Annotated[str | None, typer.Option(metavar="FORMAT", help="auto, text or json.")] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Keep the SIP messages of calls for `trunkline trace CALL-ID`.")
    ] = False,
) -> None:
    """Start the exchange. It runs until SIGTERM or Ctrl-C.

    The first start creates the data folder, a key, and two extensions, and prints what to type into a phone.
    """
    options = {
        "domain": domain,
        "sip.listen": listen or None,
        "sip.advertise": advertise,
        "metrics.listen": metrics,
        "api.listen": api,
        "log.level": log_level,
        "log.format": log_format,
        "trace.keep": trace or None,
    }
    overrides: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    with collecting_nothing():
        from trunkline.app.settings.file import load_settings  # noqa: PLC0415  (pydantic models are slow to make)

        loaded = load_settings(config, data, overrides)
        wiring = load_wiring()
    raise typer.Exit(wiring.run(loaded))


def version(as_json: Json = False) -> None:
    """Print the version."""
    screen = Screen()
    if as_json:
        screen.json({"trunkline": __version__, "python": platform.python_version()})
    else:
        screen.line(f"trunkline {__version__} (Python {platform.python_version()})")


def register(app: Commands) -> None:
    """Put the commands into the program."""
    app.command(
        examples=[
            "trunkline up",
            "trunkline up --config trunkline.toml --data /var/lib/trunkline",
            "trunkline up --domain example.com --listen udp:127.0.0.1:5060",
        ]
    )(up)
    app.command(examples=["trunkline version"])(version)
