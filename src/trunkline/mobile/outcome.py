"""How a call ends for an app: from what the call says to one word, one event, one row of the table."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.mobile.words import CANCEL, END, LOSE, TIMEOUT
from trunkline.proto.sip.reason_header import Q850, SIP, parse_reasons

# RFC 3326 §3.1, RFC 3261 §21.6.2; ITU-T Q.850: 26 is "non-selected user clearing", 21 "call rejected".
_ANSWERED: Final = frozenset({(SIP, 200), (Q850, 26)})
_DECLINED: Final = frozenset({(SIP, 600), (SIP, 603), (Q850, 21)})


class Outcome(NamedTuple):
    """``what`` is the input of the table, ``reason`` what apps are told; ``ours``: a device of the owner has it."""

    what: str
    reason: str
    ours: bool = False

    @property
    def event(self) -> str:
        """The name of the event that tells it."""
        return _EVENTS.get(self.reason, "call.ended")


_EVENTS: Final = {
    "cancelled": "call.cancelled",
    "answered_elsewhere": "call.answered_elsewhere",
    "declined_elsewhere": "call.declined_elsewhere",
}
_BY_CODE: Final = {
    "call.elsewhere": Outcome(LOSE, "answered_elsewhere", ours=True),
    "call.refused_elsewhere": Outcome(LOSE, "declined_elsewhere"),
    "call.no_answer": Outcome(TIMEOUT, "expired"),
    "call.lost_in_crash": Outcome(END, "restarted"),
}


def outcome_of(reason: str, code: str, by: str) -> Outcome:
    """``reason`` is the value of a Reason header, ``code`` what the leg's record says, ``by`` who ended it."""
    if code == "call.cancelled":
        return _cancelled(reason)
    if code == "call.hangup" and by in {"caller", "callee"}:
        return Outcome(END, "bye_from_remote")
    return _BY_CODE.get(code) or Outcome(END, code.rpartition(".")[2] or "ended")


def _cancelled(reason: str) -> Outcome:
    """The caller's own exchange says in its CANCEL why: it rang others too, and one of them may have answered."""
    said = {(one.protocol.upper(), one.cause) for one in parse_reasons(reason)} if reason else set()
    if said & _ANSWERED:
        return Outcome(LOSE, "answered_elsewhere")
    if said & _DECLINED:
        return Outcome(LOSE, "declined_elsewhere")
    return Outcome(CANCEL, "cancelled")
