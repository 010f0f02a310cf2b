"""The registrar's limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegistrarPolicy:
    """Seconds for what may be asked, a bound for contacts of one AOR, and whether phones may sit behind NAT.

    With ``nat`` requests to a contact go down the flow it registered over; without, to its URI.
    """

    min_expires_s: int = 60
    max_expires_s: int = 7200
    default_expires_s: int = 3600
    max_contacts: int = 10
    nat: bool = True
