"""What is happening now: calls, status; hang up and stop."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import call_ids
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant, TenantOnly, span
from trunkline.app.render import CALLS, count_of, show_status
from trunkline.app.terminal import Screen
from trunkline.base.messages import (
    CallRow,
    HangUp,
    ListCalls,
    Status,
    Stop,
)


def calls(tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List the calls that are up.

    MEDIA tells how each goes: relay, bypass or service, by what each party is encrypted, in what codec each is
    spoken to when they are converted, whether all of it passes in the kernel, its conference
    room, and whether it is recorded.
    """
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[CallRow] = fetch(asker, ListCalls())
    if as_json:
        screen.json(rows)
    else:
        screen.table(CALLS, rows, "No calls are up.")


def hangup(
    call: Annotated[
        str,
        typer.Argument(metavar="CALL-ID", help="As `trunkline calls` shows it.", autocompletion=call_ids),
    ],
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """End a call."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        ended = asker.ask(HangUp(call=call))
    if as_json:
        screen.json({"call": ended.call, "legs": ended.legs})
    else:
        screen.line(f"call {ended.call} is ending ({count_of(ended.legs, 'leg')})")


def status(tenant: TenantOnly = None, data: Data = None, as_json: Json = False) -> None:
    """Show how the exchange is: its state, listeners, calls, and what deserves a look."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        state = asker.ask(Status())
    if as_json:
        screen.json(state)
    else:
        show_status(screen, state)


def stop(
    grace: Annotated[
        float | None,
        typer.Option(
            parser=span,
            metavar="TIME",
            help="How long calls may go on, such as 0, 30s or 5m. Default: sip.grace_s of the settings.",
        ),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Stop the exchange, as SIGTERM does. New calls are refused; those that outlast the grace time get BYE."""
    screen = Screen()
    with exchange(data) as asker:
        stopping = asker.ask(Stop(grace_s=grace))
    if as_json:
        screen.json({"calls": stopping.calls, "grace_s": stopping.grace_s})
    else:
        screen.line(f"stopping: {count_of(stopping.calls, 'call')} may go on for {stopping.grace_s:g} s")


def register(app: Commands) -> None:
    """Put the commands into the program."""
    app.command(examples=["trunkline calls", "trunkline calls --json"])(calls)
    app.command(examples=["trunkline hangup 0193c8a0-5c3e-7aaa-8bbb-0123456789ab"])(hangup)
    app.command(examples=["trunkline status", "trunkline status --json"])(status)
    app.command(examples=["trunkline stop", "trunkline stop --grace 5m"])(stop)
