"""How a call of the phone went, and what its exit code says of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from trunkline.base.errors import TrunklineError
from trunkline.media.statistics import PortStatistics


class PhoneExit(IntEnum):
    """0 answered and ended (or registered), 1 refused, 2 a wrong option, 3 no answer from the server,
    4 nobody called, 5 what was to be heard was not."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NO_CALL = 4
    NOT_HEARD = 5


class PhoneFailed(TrunklineError):  # noqa: N818  (a normal outcome)
    """What the phone was to do could not be done; ``code`` is how the program ends."""

    def __init__(self, text: str, code: PhoneExit) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status`` and ``reason`` are SIP's (200 for an answered call); ``heard`` whether they came from the
    other side; ``ended_by`` is "us", "peer" or "" ; ``ring_s`` and ``talk_s`` in seconds."""

    number: str
    status: int
    reason: str
    answered: bool
    heard: bool
    ended_by: str
    ring_s: float
    talk_s: float
    statistics: PortStatistics | None = None

    @property
    def exit_code(self) -> PhoneExit:
        """What the program ends with for this call."""
        if self.answered:
            return PhoneExit.OK
        return PhoneExit.REFUSED if self.heard else PhoneExit.UNREACHABLE
