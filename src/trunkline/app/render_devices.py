"""How mobile devices and their calls look in tables."""

from __future__ import annotations

from trunkline.app.render import clock
from trunkline.app.terminal import Column
from trunkline.base.messages import AppCallRow, DeviceRow

DEVICES = (
    Column[DeviceRow]("DEVICE", lambda row: row.id, "dim"),
    Column[DeviceRow]("OWNER", lambda row: row.owner, "bold"),
    Column[DeviceRow]("ACCOUNT", lambda row: row.address, "cyan"),
    Column[DeviceRow]("STATUS", lambda row: row.sip_status),
    Column[DeviceRow]("PLATFORM", lambda row: row.platform),
    Column[DeviceRow]("PUSH", lambda row: row.push_status, "yellow"),
    Column[DeviceRow]("LIVE", lambda row: "yes" if row.live else ""),
    Column[DeviceRow]("SEEN", lambda row: clock(row.seen_at)),
)
APP_CALLS = (
    Column[AppCallRow]("CALL", lambda row: row.call_token, "dim"),
    Column[AppCallRow]("DEVICE", lambda row: row.device_id, "dim"),
    Column[AppCallRow]("WAY", lambda row: row.direction),
    Column[AppCallRow]("PEER", lambda row: row.peer, "bold"),
    Column[AppCallRow]("STATE", lambda row: row.state or row.status, "green"),
    Column[AppCallRow]("SINCE", lambda row: clock(row.started_at)),
    Column[AppCallRow]("HELD", lambda row: "yes" if row.held else ""),
)
