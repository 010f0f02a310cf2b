"""What the shell offers for an argument: numbers, tenants and calls of the exchange that runs.

Only a running exchange is asked, over its control socket and not for long: the store alone would take longer
to open than anybody waits for a key. Whatever goes wrong, nothing is offered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from trunkline.app.control_client import ControlClient
from trunkline.app.data_folder import find_data_folder
from trunkline.base import messages
from trunkline.base.errors import TrunklineError
from trunkline.base.messages import Request

DEADLINE_S = 0.5
MOST = 200
_LAST = "~~"  # sorts after whatever may follow within a number


def numbers(context: typer.Context, incomplete: str) -> list[str]:
    """Extensions whose number begins so."""
    request = messages.ListExtensions(tenant=_tenant(context), limit=MOST, after=_before(incomplete))
    return [row.number for row in _rows(context, request) if row.number.startswith(incomplete)]


def tenants(context: typer.Context, incomplete: str) -> list[str]:
    """Tenants whose name begins so."""
    rows = _rows(context, messages.ListTenants(limit=MOST))
    return [row.name for row in rows if row.name.startswith(incomplete)]


def call_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Calls that are up."""
    rows = _rows(context, messages.ListCalls(tenant=_tenant(context), limit=MOST))
    return [row.call for row in rows if row.call.startswith(incomplete)]


def devices(context: typer.Context, incomplete: str) -> list[str]:
    """Mobile devices."""
    rows = _rows(context, messages.ListDevices(tenant=_tenant(context), limit=MOST))
    return [row.id for row in rows if row.id.startswith(incomplete)]


def instances(context: typer.Context, incomplete: str) -> list[str]:
    """Instances of rtpengine."""
    rows = _rows(context, messages.Status(), "media")
    return [row.name for row in rows if row.name.startswith(incomplete)]


def transports(_context: typer.Context, incomplete: str) -> list[str]:
    """What SIP comes by."""
    return [name for name in ("udp", "tcp", "tls", "ws", "wss") if name.startswith(incomplete)]


def _rows(context: typer.Context, request: Request[Any], field: str = "rows") -> list[Any]:
    data = context.params.get("data")
    try:
        with ControlClient(find_data_folder(Path(data) if data else None).socket, DEADLINE_S) as client:
            return list(getattr(client.ask(request), field))
    except (TrunklineError, OSError):
        return []


def _tenant(context: typer.Context) -> str | None:
    named = context.params.get("tenant")
    return named if isinstance(named, str) else None


def _before(incomplete: str) -> str | None:
    """A cursor just before the first number that begins so."""
    if not incomplete:
        return None
    return f"{incomplete[:-1]}{chr(max(ord(incomplete[-1]) - 1, 0))}{_LAST}"
