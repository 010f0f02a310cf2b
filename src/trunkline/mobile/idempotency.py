"""The same request with the same key is the same call: an app that lost the reply asks again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from trunkline.base.messages import Refused

if TYPE_CHECKING:
    from trunkline.mobile.outgoing_call import OutgoingCall

KEPT_S: Final = 86_400.0
MOST: Final = 20_000
MOST_KEY: Final = 255


class _Known(NamedTuple):
    asked: bytes
    call: OutgoingCall
    at: float


class Keys:
    """Calls by tenant, owner and key, for a day. ``wall`` gives wall-clock seconds."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._known: OrderedDict[tuple[str, str, str], _Known] = OrderedDict()

    def find(self, tenant: str, owner: str, key: str, asked: str) -> OutgoingCall | None:
        """The call of an earlier request. Refused: ``call.key`` 422 for a key that cannot be used, or was used for
        another request.
        """
        if len(key) > MOST_KEY:
            raise Refused("call.key", "the key is too long", f"expected at most {MOST_KEY} characters", 422)
        known = self._known.get((tenant, owner, key))
        if known is None or known.at < self._wall() - KEPT_S or known.call.abandoned:
            return None
        if known.asked != _digest(asked):
            raise Refused("call.key", "the key was used for another call", "use a new key for each call", 422)
        return known.call

    def add(self, tenant: str, owner: str, key: str, asked: str, call: OutgoingCall) -> None:
        """Remember a call."""
        self._known[tenant, owner, key] = _Known(_digest(asked), call, self._wall())
        self._known.move_to_end((tenant, owner, key))
        if len(self._known) > MOST:
            self._known.popitem(last=False)


def _digest(asked: str) -> bytes:
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).digest()
