"""Who wants to see the SIP messages of the exchange, and the tap that is on while anybody does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from trunkline.app.trace.covering import covered
from trunkline.base.messages import TracedMessage
from trunkline.net import Listener, host_port
from trunkline.net.routes import source_address
from trunkline.net.tap import Tap

_CALL_ID: Final = re.compile(rb"(?im)^(?:Call-ID|i)[ \t]*:[ \t]*([^\r\n]*)")
_SOURCES: Final = 4096


class Seen(NamedTuple):
    """A message as the tap showed it; ``at`` in seconds since 1970."""

    at: float
    data: bytes
    listener: Listener
    remote: tuple[str, int]
    incoming: bool


class Viewer(Protocol):
    """Wants to see every message. It is called on the way of the message: it takes note and returns."""

    def take(self, seen: Seen) -> None:
        """One message; never raises."""


class Tapped(Protocol):
    """What a tracer needs of ``net``."""

    def tap(self, tap: Tap | None) -> None:
        """Show every message from now on, or no more."""


class Tracer:
    """Shows messages to its viewers; without any there is no tap."""

    def __init__(self, net: Tapped, wall: Callable[[], float]) -> None:
        self._net = net
        self._wall = wall
        self._viewers: tuple[Viewer, ...] = ()
        self._sources: dict[str, str] = {}

    def add(self, viewer: Viewer) -> None:
        """Show messages to one more."""
        self._viewers = (*self._viewers, viewer)
        if len(self._viewers) == 1:
            self._net.tap(self._see)

    def remove(self, viewer: Viewer) -> None:
        """Show it no more; harmless when it was not there."""
        left = tuple(one for one in self._viewers if one is not viewer)
        if self._viewers and not left:
            self._net.tap(None)
            self._sources.clear()
        self._viewers = left

    def _see(self, data: bytes, listener: Listener, remote: tuple[str, int], incoming: bool) -> None:
        seen = Seen(self._wall(), data, listener, remote, incoming)
        for viewer in self._viewers:
            viewer.take(seen)

    def traced(self, seen: Seen, *, bodies: bool) -> TracedMessage:
        """The message as it may be shown, its secrets covered."""
        return TracedMessage(
            seen.at,
            seen.incoming,
            seen.listener.transport,
            self._local(seen),
            host_port(*seen.remote),
            call_id_of(seen.data),
            covered(seen.data, bodies=bodies).decode("latin-1"),
        )

    def _local(self, seen: Seen) -> str:
        """Our end: of a listener on all addresses the one that the kernel would send from."""
        listener, host = seen.listener, seen.remote[0]
        if not listener.wildcard:
            return listener.address
        # Two threads come by here, and either may empty the table meanwhile.
        source = self._sources.get(host)
        if source is None:
            if len(self._sources) >= _SOURCES:
                self._sources.clear()
            source = self._sources[host] = source_address(host) or listener.host
        return host_port(source, listener.port)


def call_id_of(data: bytes) -> str:
    """The Call-ID of a message as text, "" when it has none."""
    end = data.find(b"\r\n\r\n")
    found = _CALL_ID.search(data, 0, len(data) if end < 0 else end)
    return found[1].strip().decode("utf-8", "replace") if found else ""
