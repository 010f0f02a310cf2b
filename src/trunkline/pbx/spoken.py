"""What is said as lists of prompts."""

from __future__ import annotations


def spoken_time(hour: int, minute: int) -> list[str]:
    """A time of day on the 24-hour clock: "fourteen thirty-five", "nine oh five", "seventeen hundred hours"."""
    if minute == 0:
        return [f"number-{hour}", "hundred-hours"]
    if minute < 10:
        return [f"number-{hour}", "oh", f"number-{minute}"]
    return [f"number-{hour}", f"number-{minute}"]
