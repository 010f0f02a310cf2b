"""Call records: one for each leg and attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class CallRecord:
    """What became of one leg of a call.

    ``id`` is a UUIDv7 minted when the leg starts, so that writing it twice cannot double it; ``call`` the
    call's id, shared by its legs; ``direction`` is ``in`` (from caller) or ``out`` (an attempt to a callee);
    times are wall-clock seconds (``answered_at`` None when never answered); ``status`` the final SIP status,
    ``q850`` its ITU-T cause, ``ended_by`` one of ``caller``, ``callee``, ``exchange``; ``code`` the stable
    reason code; ``quality`` media statistics of the leg; ``story`` the call's steps (on the ``in`` leg only).
    """

    tenant: str
    id: str
    call: str
    direction: str
    caller: str
    callee: str
    target: str
    started_at: float
    ended_at: float
    answered_at: float | None
    status: int
    reason: str
    code: str
    q850: int | None = None
    ended_by: str = ""
    sip_call_id: str = ""
    quality: dict[str, Any] = field(default_factory=dict)
    story: list[dict[str, Any]] = field(default_factory=list)
