"""When to send the next REGISTER. ``dice`` is a random number, 0 to 1."""

from __future__ import annotations

from trunkline.ua.registrations.plan import RegistrationPolicy

LEAST_S = 1.0
MOST_RETRY_AFTER_S = 14_400.0  # who asks for days of peace would be forgotten for days


def refresh_s(granted_s: float, dice: float) -> float:
    """At 75 to 90 % of what was granted: early enough for another try, and not all at once."""
    return max(LEAST_S, granted_s * (0.75 + 0.15 * dice))


def back_off_s(failures: int, policy: RegistrationPolicy, dice: float) -> float:
    """RFC 5626 §4.5: 50 to 100 % of a time that doubles with each of ``failures`` (1 and more)."""
    return _doubled(policy.base_s, failures, policy.longest_s) * (0.5 + 0.5 * dice)


def refused_s(refusals: int, policy: RegistrationPolicy, dice: float) -> float:
    """After what time alone does not heal: long, so that nobody is locked out for asking."""
    return _doubled(policy.refused_s, refusals - 1, policy.refused_longest_s) * (0.5 + 0.5 * dice)


def _doubled(base: float, times: int, most: float) -> float:
    return min(most, base * 2.0 ** min(times, 20))
