"""How many branches a call may have at once, all forks on its way together (RFC 5393 §5.3).

Max-Forwards alone lets two contacts that lead back here double a call with each hop. Max-Breadth is divided among
the branches of each fork, so that the whole tree never has more of them at a time than the first fork was given.
"""

from __future__ import annotations

from typing import Final

from trunkline.base.errors import CallFailed
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.numbers import UINT32_MAX, parse_uint
from trunkline.proto.sip.reasons import Q850, reason_phrase

# RFC 5393 §5.3.3: what a request has that does not say.
DEFAULT: Final = 60


def breadth_of(request: Request) -> int:
    """What a request may spend, 0..60; raises RemoteProtocolError when its Max-Breadth is no number."""
    value = request.headers.get("Max-Breadth")
    return DEFAULT if value is None else min(parse_uint(value, "Max-Breadth", UINT32_MAX), DEFAULT)


class Breadth:
    """``total`` shared out evenly among ``branches``; with None, nobody knows yet how many there will be.

    What does not suffice for all of them is given to none: a tree that has grown so wide grows no further.
    """

    __slots__ = ("_left", "_share")

    def __init__(self, total: int, branches: int | None, most: int) -> None:
        self._left = total if branches is None or total >= branches else 0
        self._share = max(1, total // max(1, most if branches is None else branches))

    def take(self) -> int:
        """The share of one branch, at least 1; raises CallFailed when nothing is left (RFC 5393 §5.3.3.1)."""
        share = min(self._share, self._left)
        if not share:
            raise CallFailed(440, reason_phrase(440), Q850.get(440, 31), "call.too_broad")
        self._left -= share
        return share
