"""How long texts are kept, how many, and when they are tried again."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class TextPolicy:
    """``keep_s`` 0 keeps none. ``most_of_one`` texts wait for one reader, ``most`` in all.

    A reader who is registered and yet took nothing is tried again after ``first_retry_s``, then after twice as long
    each time, up to ``longest_retry_s``; one who registers is tried at once.
    """

    keep_s: float = 7 * DAY_S
    most_of_one: int = 200
    most: int = 100_000
    turn_s: float = 4.0
    """How long a writer waits for the text before its own: after it, the text is kept."""
    first_retry_s: float = 60.0
    longest_retry_s: float = 1_800.0
    most_at_once: int = 500
    """Readers to whom kept texts are on their way; when thousands come back at once, the others take turns."""
    most_faults: int = 10
    """How often a reader may answer one kept text with a fault (500, 502, 504) before those behind it go on."""

    def retry_s(self, attempts: int) -> float:
        """The pause after so many attempts in vain (1 or more)."""
        doubled: float = self.first_retry_s * 2 ** min(attempts - 1, 16)
        return min(doubled, self.longest_retry_s)
