"""``trunkline devices``: mobile devices and their calls; list, show, remove, try a push."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import devices
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import clock
from trunkline.app.render_devices import APP_CALLS, DEVICES
from trunkline.app.terminal import Screen
from trunkline.base.messages import (
    AppCallRow,
    DeviceRow,
    GetDevice,
    ListAppCalls,
    ListDevices,
    RemoveDevice,
    TestPush,
)

app = Commands("List, show and remove mobile devices, see their calls, and try a push.")

Id = Annotated[
    str,
    typer.Argument(metavar="DEVICE", help="As `trunkline devices list` shows it.", autocompletion=devices),
]
Owner = Annotated[
    str | None,
    typer.Option("--owner", metavar="USER", help="Of this user only: the subject of its tokens."),
]


@app.command("list", examples=["trunkline devices list", "trunkline devices list --owner alice --json"])
def list_devices(
    owner: Owner = None, tenant: Tenant = None, data: Data = None, as_json: Json = False
) -> None:
    """List mobile devices: whose they are, how their account is registered, and whether they can be pushed."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[DeviceRow] = fetch(asker, ListDevices(owner=owner))
    if as_json:
        screen.json(rows)
    else:
        screen.table(DEVICES, rows, "No devices.")


@app.command("show", examples=["trunkline devices show 0f8fad5b-d9cb-469f-a165-70867728950e"])
def show(device: Id, tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """Show one device with all that is known of it but its tokens."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        row = asker.ask(GetDevice(device_id=device)).device
    if as_json:
        screen.json(row)
        return
    for name, value in _facts(row):
        if value:
            screen.line(f"{name:<12} {value}")


def _facts(row: DeviceRow) -> list[tuple[str, str]]:
    push = " ".join(filter(None, (row.push_kind, row.environment, row.bundle_id)))
    return [
        ("device", row.id),
        ("owner", row.owner),
        ("platform", row.platform),
        ("account", row.address),
        ("status", row.sip_status),
        ("since", clock(row.since)),
        ("next try", clock(row.next_try)),
        ("push", push),
        ("push status", row.push_status),
        ("active", "yes" if row.active else "no"),
        ("live channel", "open" if row.live else ""),
        ("created", clock(row.created_at)),
        ("seen", clock(row.seen_at)),
    ]


@app.command("remove", examples=["trunkline devices remove 0f8fad5b-d9cb-469f-a165-70867728950e"])
def remove(device: Id, tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """Forget a device; its account's contact is taken off the registrar when it was the last one."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        gone = asker.ask(RemoveDevice(device_id=device))
    if as_json:
        screen.json({"device": device, "was_there": gone.was_there})
    else:
        screen.line(f"device {device} removed" if gone.was_there else f"there was no device {device}")
    if not gone.was_there:
        raise typer.Exit(ExitCode.FAILED)


@app.command("test-push", examples=["trunkline devices test-push 0f8fad5b-d9cb-469f-a165-70867728950e"])
def try_push(device: Id, tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """Send a device a visible notification, never a call, and tell what its push service said."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        told = asker.ask(TestPush(device_id=device))
    if as_json:
        screen.json({"outcome": told.outcome, "status": told.status, "reason": told.reason})
    else:
        answer = " ".join(filter(None, (str(told.status) if told.status else "", told.reason)))
        screen.line(f"{told.outcome}{f' ({answer})' if answer else ''}")
    if told.outcome != "sent":
        raise typer.Exit(ExitCode.FAILED)


@app.command("calls", examples=["trunkline devices calls", "trunkline devices calls --owner alice"])
def calls(owner: Owner = None, tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List calls that wait for a device or are up at one, and how far each hand-over is."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[AppCallRow] = fetch(asker, ListAppCalls(owner=owner))
    if as_json:
        screen.json(rows)
    else:
        screen.table(APP_CALLS, rows, "No calls of devices.")
