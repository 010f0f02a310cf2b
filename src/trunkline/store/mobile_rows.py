"""Rows and statements of mobile accounts, devices and calls."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Row

from trunkline.model.device import MobileAccount, MobileCall, MobileDevice
from trunkline.store import tables
from trunkline.store.rows import Cells, deleting, storable, upserting
from trunkline.store.sealed_cells import DEVICE_COLUMNS, open_body, open_cell, seal_body, seal_cell
from trunkline.store.secret_box import SecretBox

UPSERT_MOBILE_ACCOUNT: Final = upserting(tables.mobile_account)
DELETE_MOBILE_ACCOUNT: Final = deleting(tables.mobile_account)
UPSERT_MOBILE_DEVICE: Final = upserting(tables.mobile_device)
DELETE_MOBILE_DEVICE: Final = deleting(tables.mobile_device)
UPSERT_MOBILE_CALL: Final = upserting(tables.mobile_call)
DELETE_MOBILE_CALL: Final = deleting(tables.mobile_call)


def _cells_of(kind: type) -> Any:
    return attrgetter(*(one.name for one in fields(kind)))


_account_cells = _cells_of(MobileAccount)
_device_cells = _cells_of(MobileDevice)
_call_cells = _cells_of(MobileCall)
_DEVICE_FIELDS: Final = [one.name for one in fields(MobileDevice)]
_SEALED: Final = [_DEVICE_FIELDS.index(name) for name in DEVICE_COLUMNS]
_BODY: Final = [one.name for one in fields(MobileCall)].index("body")


def mobile_account_row(account: MobileAccount) -> Cells:
    """The cells for UPSERT_MOBILE_ACCOUNT, as the account is now."""
    return storable(_account_cells(account))


def mobile_device_row(device: MobileDevice, box: SecretBox) -> Cells:
    """The cells for UPSERT_MOBILE_DEVICE, as the device is now, its tokens sealed."""
    cells = list(storable(_device_cells(device)))
    for index in _SEALED:
        cells[index] = seal_cell(box, cells[index], device.tenant, device.id, _DEVICE_FIELDS[index])
    return tuple(cells)


def mobile_device_from(row: Row[Any], box: SecretBox) -> MobileDevice:
    """A device from a row of ``SELECT`` over all columns of the table in order. Raises KeyFileError."""
    cells = list(row)
    for index in _SEALED:
        cells[index] = open_cell(box, cells[index], row.tenant_id, row.id, _DEVICE_FIELDS[index])
    return MobileDevice(*cells)


def mobile_call_row(call: MobileCall, box: SecretBox) -> Cells:
    """The cells for UPSERT_MOBILE_CALL; a body that tells the passwords of paths is sealed."""
    cells: Cells = _call_cells(call)
    if not f"{call.owner}{call.body}{call.call}{call.leg}{call.device_id}{call.state}".isascii():
        cells = storable(cells)
    body = seal_body(box, cells[_BODY], call.tenant, call.id)
    return cells if body is cells[_BODY] else (*cells[:_BODY], body, *cells[_BODY + 1 :])


def mobile_call_from(row: Row[Any], box: SecretBox) -> MobileCall:
    """A device's part in a call from a row of ``SELECT`` over all columns of the table in order."""
    cells = list(row)
    cells[_BODY] = open_body(box, cells[_BODY], row.tenant_id, row.id)
    return MobileCall(*cells)
