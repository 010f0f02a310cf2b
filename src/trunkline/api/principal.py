"""Who asks: read from a token, and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass

SIP = "sip:"
"""How the subject of a proven SIP account begins; no backend may name such a one."""


@dataclass(frozen=True, slots=True)
class Principal:
    """``tenant`` is an id, None the default tenant where its id was not told to us; ``subject`` owns devices and calls
    within it.

    ``kind`` is ``backend`` (a backend or an issuer vouched for the subject) or ``app`` (an app has proven an account or
    a device itself).
    """

    tenant: str | None
    subject: str
    kind: str = "backend"
