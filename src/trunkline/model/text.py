"""A text on its way, as it is sent and as it is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """``id`` is a UUIDv7; ``call_id`` the Call-ID under which each contact gets it, always the same.

    ``sender`` and ``receiver`` are numbers of the tenant, ``from_`` and ``to`` the name-addrs without tags that the
    reader sees, ``headers`` finished header lines, ``body`` bytes as they came. Times are wall-clock seconds.
    """

    tenant: str
    id: str
    sender: str
    receiver: str
    from_: str
    to: str
    call_id: str
    content_type: str
    headers: str
    body: bytes
    max_forwards: int
    received_at: float
    expires_at: float
