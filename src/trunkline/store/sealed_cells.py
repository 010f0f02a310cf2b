"""Cells that are sealed like passwords: who knows a push token, and the keys behind it, can wake a phone.

Nothing is looked up by them: devices and bindings are held in memory while the exchange runs.
"""

from __future__ import annotations

from typing import Final

from trunkline.store.secret_box import SecretBox

DEVICE_COLUMNS: Final = ("push_token", "alert_token", "auth")
_MARK: Final = "pn-prid="
_SEALED: Final = "1."  # no URI begins so


def seal_cell(box: SecretBox, text: str, tenant: str, row: str, column: str) -> str:
    """The sealed form of a cell; an empty one stays empty."""
    return box.seal(text, tenant, owner_of(row, column)) if text else ""


def open_cell(box: SecretBox, sealed: str, tenant: str, row: str, column: str) -> str:
    """What ``seal_cell`` sealed. Raises KeyFileError."""
    return box.open(sealed, tenant, owner_of(row, column)) if sealed else ""


def has_token(contact: str) -> bool:
    """Whether the contact of a binding carries a push token (RFC 8599 §4.1.1)."""
    return _MARK in contact


def is_sealed(contact: str) -> bool:
    """Whether the contact of a binding stands sealed."""
    return contact.startswith(_SEALED)


def owner_of(row: str, column: str) -> str:
    """What the cell is bound to beside its tenant."""
    return f"{row}/{column}"
