"""Users of client transactions that the endpoint needs for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from trunkline.proto.sip.message import Response
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.transaction import Failure


class Waiter:
    """A client transaction's user that resolves a future."""

    __slots__ = ("future", "on_provisional")

    def __init__(
        self, future: asyncio.Future[Response], on_provisional: Callable[[Response], None] | None
    ) -> None:
        self.future = future
        self.on_provisional = on_provisional

    def on_response(self, _transaction: Any, response: Response, _now: float) -> None:
        if response.status >= 200:
            if not self.future.done():
                self.future.set_result(response)
        elif self.on_provisional is not None:
            self.on_provisional(response)

    def on_failure(self, _transaction: Any, failure: Failure, _now: float) -> None:
        status = 408 if failure is Failure.TIMEOUT else 503
        if not self.future.done():
            self.future.set_result(Response(status, reason_phrase(status), {}))


class Nobody:
    """A client transaction's user that does not care."""

    def on_response(self, _transaction: Any, _response: Response, _now: float) -> None:
        """Nothing."""

    def on_failure(self, _transaction: Any, _failure: Failure, _now: float) -> None:
        """Nothing."""
