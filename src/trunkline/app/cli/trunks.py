"""``trunkline trunks``: whom calls go out through, and how they are."""

from __future__ import annotations

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import TRUNKS
from trunkline.app.terminal import Screen
from trunkline.base.messages import ListTrunks, TrunkRow


def trunks(tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List trunks: whether they are registered or reachable, since when, when they are asked next, and why not."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[TrunkRow] = fetch(asker, ListTrunks())
    if as_json:
        screen.json(rows)
    else:
        screen.table(TRUNKS, rows, "There is no trunk: [[trunks]] in the settings makes one.")


def register(app: Commands) -> None:
    """Put the command into the program's."""
    app.command(examples=["trunkline trunks", "trunkline trunks --json"])(trunks)
