"""What the protocol asks of a flow: nothing but to carry bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from trunkline.base.errors import TransportError


class Wire(Protocol):
    """A flow as transactions see it; ``net`` implements it, tests implement lossy ones."""

    @property
    def reliable(self) -> bool:
        """True for connections: no retransmissions, no waiting for stragglers."""
        ...

    @property
    def remote(self) -> tuple[str, int]:
        """Address (an IP literal without brackets) and port of the peer, as we see it."""
        ...

    def send(self, data: bytes, on_failure: Callable[[TransportError], None] | None = None) -> None:
        """Send without blocking and without raising; a failure that becomes known comes by the callback."""
        ...
