"""An INFO, or a MESSAGE within a call, on its way through the exchange (RFC 6086, RFC 3428)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.call.leg import Info
from trunkline.call.prompter import KEYS
from trunkline.proto.sip.transaction.incoming import Incoming

_LONGEST: Final = 200
# Some phones give the number of the event instead (RFC 4733 §3.2).
_BY_EVENT: Final = {"10": "*", "11": "#"}


class SipInfo:
    """One request with its transaction, answered once the other party has."""

    __slots__ = ("_incoming", "_now", "body", "content_type", "method", "package")

    def __init__(self, incoming: Incoming, now: Callable[[], float]) -> None:
        request = incoming.request
        self._incoming = incoming
        self._now = now
        self.method = request.method
        self.content_type = request.headers.get("Content-Type", "application/octet-stream")
        self.body = request.body
        self.package = request.headers.get("Info-Package")

    def answer(self, status: int) -> None:
        """Any final status; one that makes no sense to the sender (401, 3xx) becomes 500."""
        passed = status if 200 <= status < 300 or status in {415, 469, 481, 488, 603} else 500
        self._incoming.respond(passed, now=self._now())


def key_of(info: Info) -> str:
    """The key that an INFO tells, with ``application/dtmf-relay`` ("Signal=5") or ``application/dtmf`` ("5"); or ""."""
    kind = info.content_type.partition(";")[0].strip().lower()
    text = info.body[:_LONGEST].decode("ascii", "replace")
    if kind == "application/dtmf-relay":
        rows = (row.partition("=") for row in text.splitlines())
        text = next((value for name, _, value in rows if name.strip().lower() == "signal"), "")
    elif kind != "application/dtmf":
        return ""
    key = text.strip().upper()
    key = _BY_EVENT.get(key, key)
    return key if len(key) == 1 and key in KEYS else ""
