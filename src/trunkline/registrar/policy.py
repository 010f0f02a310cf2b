"""The registrar's limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegistrarPolicy:
    """Seconds for what may be asked, a bound for contacts of one AOR, and whether phones may sit behind NAT.

    With ``nat`` requests to a contact go down the flow it registered over; without, to its URI.
    ``service_route`` is what phones are told to send their requests by (RFC 3608): URIs, comma-separated.
    ``strict_path`` refuses a Path of which the phone was not to know (RFC 3327 §5.3). The keep-alives are what
    phones with flows are asked for (RFC 5626 §4.4): a NAT forgets UDP after 30 seconds, TCP after some minutes.
    """

    min_expires_s: int = 60
    max_expires_s: int = 7200
    default_expires_s: int = 3600
    max_contacts: int = 10
    nat: bool = True
    service_route: str = ""
    strict_path: bool = True
    datagram_keep_alive_s: int = 25
    stream_keep_alive_s: int = 120
