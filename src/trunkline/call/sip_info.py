"""An INFO, or a MESSAGE within a call, on its way through the exchange (RFC 6086, RFC 3428)."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.proto.sip.transaction.incoming import Incoming


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
