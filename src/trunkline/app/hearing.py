"""Looks once at each call that has just been answered: whether both parties are heard."""

from __future__ import annotations

from typing import Final

from trunkline.base.errors import MediaError
from trunkline.call.call import Call
from trunkline.call.context import CallContext
from trunkline.call.quality import tell_unheard, unheard
from trunkline.call.registry import Calls
from trunkline.media.commands import ReadStatistics
from trunkline.media.statistics import PortStatistics

LOOK_S: Final = 5.0
"""Between two looks: a call is judged when it has been up for one to two of them."""


class Hearing:
    """``step`` is a chore."""

    def __init__(self, context: CallContext, calls: Calls) -> None:
        self._context = context
        self._calls = calls
        self._young: set[str] = set()
        self._judged: set[str] = set()

    def step(self, now: float) -> float:
        """Judge the calls that were young at the last look, and note those that are now."""
        active = self._calls.active
        up = {key for key, call in active.items() if call.bridge is not None}
        for key in self._young & up:
            self._context.spawn(self._judge(active[key]))
        self._judged = (self._judged | self._young) & up
        self._young = up - self._judged
        return now + LOOK_S

    async def _judge(self, call: Call) -> None:
        figures: dict[str, PortStatistics] = {}
        bridge = call.bridge
        if bridge is None:
            return
        try:
            for leg in (bridge.a, bridge.b):
                for port in leg.media.live:
                    read = await self._context.engine.execute(ReadStatistics(port))
                    figures[port] = read.statistics
        except MediaError:
            return  # it has just ended
        if figures and all(port.kernel for port in figures.values()):
            call.tell("media.in_kernel", "its packets pass in the kernel")
        leg_unheard = unheard(call, figures)
        if leg_unheard is not None and not call.one_way:
            call.one_way = True
            self._context.quality.one_way += 1
            tell_unheard(call, leg_unheard, figures)
