"""Extensions: whom a tenant's callers can dial."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

NUMBER_FORM: Final = "1 to 64 letters, digits and . _ - + (no spaces), such as 1001 or u100000"
_NUMBER = re.compile(r"[A-Za-z0-9+][A-Za-z0-9._+-]{0,63}")


def is_number(text: str) -> bool:
    """Whether an extension may be called so.

    A part of what RFC 3261 §25.1 allows in front of the @: without what a dial pad keeps for service codes
    (``*``, ``#``) and what shells, URIs or CSV files give a meaning. It begins with none of ``.``, ``_``, ``-``.
    """
    return _NUMBER.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension as the store keeps it.

    ``number`` is what is dialled and the user part of its AOR (digits, or a name such as ``u100000``);
    ``password`` is clear text in memory only and never shown by ``repr``; ``contact`` is a fixed SIP URI
    that needs no REGISTER; ``max_calls`` is how many calls it may have at once (0: any number, None: what the
    settings say). Keys are (``tenant``, ``id``), both UUIDv7.
    """

    tenant: str
    id: str
    number: str
    name: str = ""
    password: str = field(default="", repr=False)
    contact: str | None = None
    max_calls: int | None = None


@dataclass(frozen=True, slots=True)
class NewExtension:
    """An extension to be added: what an operator gives, before it has a key. Fields as in ``Extension``."""

    number: str
    password: str = field(default="", repr=False)
    name: str = ""
    contact: str | None = None
    max_calls: int | None = None
