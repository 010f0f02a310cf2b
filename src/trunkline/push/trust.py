"""Whose fault it is that a service takes a token for another app's: the phone's, or that of our settings.

A wrong bundle id, team, project or key makes a service refuse every token, and nobody's phone may be given up for
that. So a token is given up only where the settings have proved good: something was taken by them, and no other token
was refused since. What they prove is told by the ``aim`` of a push (``Pusher.aim_of``): all that it depends on but the
token, in words.

    TABLE[state][input] = (next_state, whether the token is spared)

``UNTRIED``: nothing was taken yet. ``TRUSTED``: the last answer was a push that was taken. ``SHAKEN``: one token was
refused since, and was given up. ``WAVERING``: two of them. ``DOUBTED``: more, or the first that was ever tried: this is
an alarm, which goes with the next push that is taken.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from trunkline.push.notification import Fate, Outcome

UNTRIED: Final = "untried"
TRUSTED: Final = "trusted"
SHAKEN: Final = "shaken"
WAVERING: Final = "wavering"
DOUBTED: Final = "doubted"

TAKEN: Final = "taken"
OTHER: Final = "other"  # a token is refused that was not refused since the last one was taken
SAME: Final = "same"  # one is refused once more

TABLE: Final[dict[str, dict[str, tuple[str, bool]]]] = {
    UNTRIED: {TAKEN: (TRUSTED, False), OTHER: (DOUBTED, True)},
    TRUSTED: {TAKEN: (TRUSTED, False), OTHER: (SHAKEN, False)},
    SHAKEN: {TAKEN: (TRUSTED, False), OTHER: (WAVERING, True), SAME: (SHAKEN, False)},
    WAVERING: {TAKEN: (TRUSTED, False), OTHER: (DOUBTED, True), SAME: (WAVERING, True)},
    DOUBTED: {TAKEN: (TRUSTED, False), OTHER: (DOUBTED, True), SAME: (DOUBTED, True)},
}
IGNORED: Final = {
    (UNTRIED, SAME): "none was refused",
    (TRUSTED, SAME): "none was refused since the last one was taken",
}

PAUSE_S: Final = 10.0  # a token that was spared is asked about again after this
MOST_TOKENS: Final = 4096


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was made of a token; before ``again_at`` (the steady clock's seconds) nobody is asked about it again."""

    fate: Fate
    again_at: float


class Trust:
    """One aim. ``since`` (wall-clock seconds) is since when it is doubted, ``reason`` what was said last; ``most``
    tokens are remembered.
    """

    __slots__ = ("most", "reason", "refused", "since", "state")

    def __init__(self, most: int = MOST_TOKENS) -> None:
        self.most = most
        self.state = UNTRIED
        self.since = 0.0
        self.reason = ""
        self.refused: OrderedDict[int, Refusal] = OrderedDict()

    def take(self) -> None:
        """A push was taken."""
        self.state = TABLE[self.state][TAKEN][0]
        if self.refused:
            self.refused.clear()

    def refuse(self, token: int, fate: Fate, now: float, wall: float) -> Fate:
        """A token was called another app's: what is to be made of it."""
        before = self.state
        self.state, spared = TABLE[before][SAME if token in self.refused else OTHER]
        if self.state == DOUBTED and before != DOUBTED:
            self.since = wall
        self.reason = fate.reason
        told = replace(fate, outcome=Outcome.SUSPECT) if spared else fate
        self.refused[token] = Refusal(told, now + PAUSE_S)
        self.refused.move_to_end(token)
        if len(self.refused) > self.most:
            self.refused.popitem(last=False)
        return told

    def spared(self, token: int) -> Refusal | None:
        """What was said of a token that is not given up, until something is taken."""
        refusal = self.refused.get(token)
        return refusal if refusal is not None and refusal.fate.outcome is Outcome.SUSPECT else None
