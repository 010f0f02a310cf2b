"""Who asks: read from a token, and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field

SIP = "sip:"
"""How the subject of a proven SIP account begins; no backend may name such a one."""


@dataclass(slots=True, eq=False)
class Trust:
    """What tokens are believed by, a secret or an issuer; ``ended`` once another has taken its place."""

    ended: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """``tenant`` is an id, None the default tenant where its id was not told to us; ``subject`` owns devices and calls
    within it.

    ``kind`` is ``backend`` (a backend or an issuer vouched for the subject) or ``app`` (an app has proven an account or
    a device itself). ``expires_at`` is the Unix second at which the token stops to be good, None where there is none;
    ``issued_at`` when one of ours was made, ``trust`` what it was believed by.
    """

    tenant: str | None
    subject: str
    kind: str = "backend"
    expires_at: float | None = field(default=None, compare=False)
    issued_at: float | None = field(default=None, compare=False)
    trust: Trust | None = field(default=None, compare=False, repr=False)
