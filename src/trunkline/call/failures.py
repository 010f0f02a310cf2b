"""What the caller is told when callees fail: one table, and the choice among several (RFC 3261 §16.7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.proto.sip.reasons import Q850, STATUS_OF_CAUSE, reason_phrase

# A callee's status -> what its caller gets, where they differ. The caller asked for a person, not for a
# phone's troubles with us: statuses that would make it authenticate, retry at once or move are not passed on.
PASSED_AS: Final[dict[int, int]] = {
    401: 502,  # the callee wants credentials of ours that we do not have
    402: 403,
    407: 502,
    408: 480,  # the phone does not answer: unreachable, not "the exchange timed out"
    405: 488, 406: 488, 413: 488, 414: 500, 416: 500, 420: 488, 421: 488, 422: 500, 423: 500,
    430: 480,
    481: 480,
    482: 500, 483: 480,
    487: 480,  # ended from their side, not by our CANCEL
    489: 500, 491: 480, 493: 488, 494: 500,
    501: 488, 505: 500, 513: 488,
    503: 480,  # RFC 3261 §16.7 item 6: a 503 is never passed on, or the caller would avoid us
}  # fmt: skip

# Statuses that say little: a Q.850 cause beside them says more (RFC 6432), if it is one that a person would understand.
_VAGUE: Final = frozenset({480, 500, 502, 503, 504, 580})
_TELLING: Final = frozenset({1, 3, 17, 18, 19, 20, 21, 22, 28})

# Which of several failures says most to the caller: a person's word before a phone's, a phone's before none.
_RANK: Final[dict[int, int]] = {
    486: 0,
    600: 0,
    603: 1,
    488: 2,
    415: 2,
    606: 2,
    404: 4,
    484: 4,
    410: 4,
    480: 8,
    408: 9,
}


def passed_on(
    status: int, reason: str, code: str = "call.refused", *, cause: int | None = None, said: str = ""
) -> CallFailed:
    """The failure for the caller, made from the callee's status.

    ``cause`` is the Q.850 cause that the callee gave with it, ``said`` its whole Reason header.
    """
    if cause in _TELLING and status in _VAGUE:
        status, reason = STATUS_OF_CAUSE[cause], ""
    if code == "call.refused" and status in {486, 600}:
        code = "call.busy"
    # A redirection is for whoever asked, which is us, and we ring only the contacts that we know.
    mapped = 480 if status < 400 else PASSED_AS.get(status, status)
    text = reason if mapped == status and reason else reason_phrase(mapped)
    return CallFailed(mapped, text, cause or Q850.get(mapped, 31), code, said=said)


def fault(error: CallFailed | MediaError | RemoteProtocolError | TransportError) -> CallFailed:
    """The failure that an error of ours, of the caller or of the network means for a call."""
    if isinstance(error, CallFailed):
        return error
    if isinstance(error, RemoteProtocolError):
        return CallFailed(error.status, error.reason, Q850.get(error.status, 31), "call.bad_request")
    if isinstance(error, MediaError):
        return CallFailed(503, reason_phrase(503), Q850[503], error.code)
    return CallFailed(480, reason_phrase(480), Q850[480], "call.not_sent")


def best_of(failures: Sequence[CallFailed]) -> CallFailed:
    """The failure that the caller gets after all branches failed.

    A 6xx wins (RFC 3261 §16.7 item 6), then busy, then what is wrong with the offer, then unreachable; with
    no branch at all it is 480.
    """
    if not failures:
        return CallFailed(480, reason_phrase(480), 20, "call.nobody_registered")
    return min(failures, key=_rank)


def _rank(failure: CallFailed) -> tuple[int, int]:
    if failure.status >= 600:
        return (-1, failure.status)
    return (_RANK.get(failure.status, 5 if failure.status < 500 else 7), failure.status)
