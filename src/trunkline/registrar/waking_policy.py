"""When phones are woken, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Told: TypeAlias = Literal["on_invite", "on_push_accepted", "on_register"]


@dataclass(frozen=True, slots=True)
class WakingPolicy:
    """Seconds, but for counts.

    A phone that registered by UDP within ``awake_s`` is rung at once. A call waits ``contact_timeout_s`` for the
    REGISTER of a phone that was pushed; ``provisional`` says when its caller hears that it rings: at once, when a push
    service has taken the push, or when the phone has come and says so itself. With ``cancel_push`` a phone that was
    woken for a call which is over is told.
    For texts, and for waiting messages, a phone gets one push in ``quiet_every_s`` at most, unless it has come since.
    With ``refresh`` a phone that does not wake itself is woken ``refresh_before_s`` before its binding expires, and
    again at a half and a quarter of that; Apple's at most ``refreshes_a_day`` times in 24 hours, others ten times as
    often.
    """

    awake_s: float = 30.0
    contact_timeout_s: float = 20.0
    provisional: Told = "on_push_accepted"
    cancel_push: bool = True
    quiet_every_s: float = 60.0
    refresh: bool = True
    refresh_before_s: float = 300.0
    refreshes_a_day: int = 3
