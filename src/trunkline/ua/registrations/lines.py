"""The flows that registrations live on: kept alive, and watched for their end (RFC 5626 §4.4).

One connection or UDP flow carries all registrations at a server, so it is kept alive once for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trunkline.base.wheel import Alarm
from trunkline.net.flow import Flow

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint

PING: Final = b"\r\n\r\n"  # RFC 5626 §3.5.1; on UDP it is noise that opens the NAT
# RFC 5626 §4.4.1 and §4.4.2: 95 to 120 s on connections, 24 to 29 s on UDP, where a NAT forgets soon.
_RELIABLE_S: Final = 120.0
_UDP_S: Final = 29.0
_LEAST_S: Final = 5.0


class Line(Alarm):
    """One flow with registrations on it; ``users`` counts them."""

    __slots__ = ("_lines", "flow", "interval_s", "users")

    def __init__(self, lines: Lines, flow: Flow) -> None:
        super().__init__()
        self._lines = lines
        self.flow = flow
        self.interval_s = _RELIABLE_S if flow.reliable else _UDP_S
        self.users = 0

    def fire(self, now: float) -> None:
        if not self.flow.closed:
            self.flow.send(PING)
            self._lines.arm(self, now)


class Lines:
    """All lines. ``on_drop`` hears of each that ended while somebody was on it; ``dice()`` is random, 0 to 1."""

    def __init__(
        self, endpoint: Endpoint, on_drop: Callable[[Line], None], dice: Callable[[], float]
    ) -> None:
        self._endpoint = endpoint
        self._on_drop = on_drop
        self._dice = dice
        self._lines: dict[str, Line] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def hold(self, flow: Flow, flow_timer_s: float = 0.0) -> Line:
        """The line of a flow, one more being on it; ``flow_timer_s`` is what its server asked for."""
        line = self._lines.get(flow.token)
        if line is None or line.flow.closed:
            line = self._lines[flow.token] = Line(self, flow)
            flow.on_close(self._dropped)
            self.arm(line, self._endpoint.now())
        line.users += 1
        if flow_timer_s and flow_timer_s < line.interval_s:
            line.interval_s = max(_LEAST_S, flow_timer_s)
            self.arm(line, self._endpoint.now())
        return line

    def let_go(self, line: Line) -> None:
        """One is on it no more."""
        line.users -= 1
        if line.users <= 0:
            self._forget(line)

    def arm(self, line: Line, now: float) -> None:
        """The next ping, after 80 to 100 % of the interval (RFC 5626 §4.4)."""
        self._endpoint.wheel.arm(line, now + line.interval_s * (0.8 + 0.2 * self._dice()))

    def close(self) -> None:
        """Keep nothing alive any more."""
        for line in list(self._lines.values()):
            self._forget(line)

    def _forget(self, line: Line) -> None:
        self._endpoint.wheel.cancel(line)
        line.flow.off_close(self._dropped)
        if self._lines.get(line.flow.token) is line:
            del self._lines[line.flow.token]

    def _dropped(self, flow: Flow) -> None:
        line = self._lines.get(flow.token)
        if line is not None and line.flow is flow:
            self._forget(line)
            self._on_drop(line)
