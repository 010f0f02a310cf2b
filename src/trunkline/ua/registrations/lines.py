"""The flows that registrations live on: kept alive, and watched for their end (RFC 5626 §4.4).

One connection or UDP flow carries all registrations at a server, so it is kept alive once for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trunkline.base.wheel import Alarm
from trunkline.net.flow import Connection, Flow

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint

PING: Final = b"\r\n\r\n"  # RFC 5626 §3.5.1; on UDP it is noise that opens the NAT
# RFC 5626 §4.4.1 and §4.4.2: 95 to 120 s on connections, 24 to 29 s on UDP, where a NAT forgets soon.
_RELIABLE_S: Final = 120.0
_UDP_S: Final = 29.0
_LEAST_S: Final = 5.0
PONG_S: Final = 10.0  # §4.4.1: a connection whose peer is silent for longer has failed


class Line(Alarm):
    """One flow with registrations on it; ``users`` counts them.

    ``must_answer`` says that the server has promised to answer pings (RFC 5626 §5.4, §6): of another one, silence
    tells nothing.
    """

    __slots__ = ("_asked", "_lines", "flow", "interval_s", "must_answer", "users")

    def __init__(self, lines: Lines, flow: Flow) -> None:
        super().__init__()
        self._lines = lines
        self.flow = flow
        self.interval_s = _RELIABLE_S if flow.reliable else _UDP_S
        self.users = 0
        self.must_answer = False
        self._asked = False

    def fire(self, now: float) -> None:
        flow = self.flow
        if flow.closed:
            return
        if self._asked and isinstance(flow, Connection):
            self._asked = False
            if flow.unheard:
                flow.abort(f"no answer to a keep-alive within {PONG_S:.0f} s")
            else:
                self._lines.arm(self, now, PONG_S)
            return
        flow.send(PING)
        if self.must_answer and isinstance(flow, Connection):
            flow.unheard = self._asked = True
            self._lines.await_pong(self, now)
        else:
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

    def hold(self, flow: Flow, flow_timer_s: float = 0.0, *, must_answer: bool = False) -> Line:
        """The line of a flow, one more being on it; ``flow_timer_s`` is what its server asked for."""
        line = self._lines.get(flow.token)
        if line is None or line.flow.closed:
            line = self._lines[flow.token] = Line(self, flow)
            flow.on_close(self._dropped)
            self.arm(line, self._endpoint.now())
        line.users += 1
        line.must_answer = line.must_answer or must_answer
        if flow_timer_s and flow_timer_s < line.interval_s:
            line.interval_s = max(_LEAST_S, flow_timer_s)
            self.arm(line, self._endpoint.now())
        return line

    def let_go(self, line: Line) -> None:
        """One is on it no more."""
        line.users -= 1
        if line.users <= 0:
            self._forget(line)

    def arm(self, line: Line, now: float, elapsed_s: float = 0.0) -> None:
        """The next ping, after 80 to 100 % of the interval (RFC 5626 §4.4), of which some has elapsed."""
        delay = line.interval_s * (0.8 + 0.2 * self._dice()) - elapsed_s
        self._endpoint.wheel.arm(line, now + max(1.0, delay))

    def await_pong(self, line: Line, now: float) -> None:
        """Look whether a ping has been answered, once it should have been."""
        self._endpoint.wheel.arm(line, now + PONG_S)

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
