"""Cells that are sealed like passwords: who knows a push token, and the keys behind it, can wake a phone.

So are calls in progress whose descriptions tell the passwords of ICE (RFC 8839 §5.4), by which one passes for a party.

Nothing is looked up by them: devices and bindings are held in memory while the exchange runs.
"""

from __future__ import annotations

from typing import Final

from trunkline.store.errors import KeyFileError
from trunkline.store.secret_box import SecretBox

DEVICE_COLUMNS: Final = ("push_token", "alert_token", "auth")
_MARK: Final = "pn-prid="
_SEALED: Final = "1."  # no URI begins so, and no JSON object
_PATHS: Final = "a=ice-pwd:"


def seal_cell(box: SecretBox, text: str, tenant: str, row: str, column: str) -> str:
    """The sealed form of a cell; an empty one stays empty."""
    return box.seal(text, tenant, owner_of(row, column)) if text else ""


def open_cell(box: SecretBox, sealed: str, tenant: str, row: str, column: str) -> str:
    """What ``seal_cell`` sealed. Raises KeyFileError."""
    return box.open(sealed, tenant, owner_of(row, column)) if sealed else ""


def has_token(contact: str) -> bool:
    """Whether the contact of a binding carries a push token (RFC 8599 §4.1.1)."""
    return _MARK in contact.lower()  # names of parameters have no case (RFC 3261 §7.3.1)


def is_sealed(cell: str) -> bool:
    """Whether the contact of a binding, or the body of a call, stands sealed."""
    return cell.startswith(_SEALED)


def seal_body(box: SecretBox, body: str, tenant: str, row: str) -> str:
    """The body (JSON) of a call in progress, sealed when the passwords of its paths are in it."""
    return seal_cell(box, body, tenant, row, "body") if _PATHS in body else body


def open_body(box: SecretBox, body: str, tenant: str, row: str) -> str:
    """What ``seal_body`` made, opened. What another key has sealed stays as it is: that call is lost, and no other."""
    if not is_sealed(body):
        return body
    try:
        return open_cell(box, body, tenant, row, "body")
    except KeyFileError:
        return body


def owner_of(row: str, column: str) -> str:
    """What the cell is bound to beside its tenant."""
    return f"{row}/{column}"
