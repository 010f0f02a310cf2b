"""Apple, as the bench needs it: it takes every push at once, and says when it came."""

from __future__ import annotations

import json
from collections.abc import Callable

from trunkline.push.doubles.apns import FakeApns
from trunkline.push.doubles.h2_server import ServerConnection, Stream


class SwiftApns(FakeApns):
    """``on_push(payload)`` is told of each, whole, before it is answered; nothing is checked, which would cost more
    than the gateway's part."""

    def __init__(self, on_push: Callable[[dict[str, str]], None]) -> None:
        super().__init__(first_streams=1000)
        self._on_push = on_push

    def asked(self, connection: ServerConnection, stream: Stream) -> None:
        """A whole request has come."""
        self._on_push(json.loads(stream.body))
        connection.answer(stream, 200, [("apns-id", "0")], b"")
