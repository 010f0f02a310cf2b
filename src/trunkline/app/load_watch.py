"""Measures how late the exchange is, ten times a second, and tells its endpoint and sockets."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from trunkline.net import Net
from trunkline.ua.overload import Load, Overload

EACH_S: Final = 0.1
SLOWEST: Final = (
    50.0  # datagrams served in that time by the slowest host: after a quiet spell nothing else is known
)
_FADES: Final = 0.9
log = structlog.get_logger("exchange")


class LoadWatch:
    """``start`` arms its timer, ``stop`` ends it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, net: Net, overload: Overload) -> None:
        self._loop = loop
        self._net = net
        self._overload = overload
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pace = SLOWEST
        self._served = 0
        self._dropped = 0
        self._refused = 0
        self._told = Load.NORMAL  # the worst of this overload that the log knows of

    def start(self) -> None:
        """From now on."""
        self._served = self._net.counters.datagrams_in
        self._dropped = self._net.backlog().dropped
        self._arm()

    def stop(self) -> None:
        """No more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._due = self._loop.time() + EACH_S
        self._timer = self._loop.call_at(self._due, self._measure)

    def _measure(self) -> None:
        # Timers fire late by as much as the loop was busy with what came before them.
        lag_s = self._loop.time() - self._due
        backlog, served = self._net.backlog(), self._net.counters.datagrams_in
        pace = (served - self._served) / (1 + lag_s / EACH_S)
        self._pace = max(pace, self._pace * _FADES, SLOWEST)
        wait_s = backlog.waiting / self._pace * EACH_S
        losing = backlog.dropped > self._dropped
        self._served, self._dropped = served, backlog.dropped
        if self._overload.measured(max(lag_s, wait_s), losing=losing):
            self._changed()
        self._arm()

    def _changed(self) -> None:
        overload = self._overload
        busy = overload.level is not Load.NORMAL
        self._net.triage = busy
        refused = sum(overload.refused.values())
        if overload.level > self._told:
            self._told = overload.level
            what = "new calls" if overload.level is Load.CALLS else "all that is new"
            log.warning("overloaded", refusing=what, load=round(overload.ratio, 2))
        elif not busy:
            log.warning("the overload is over", refused=refused - self._refused)
            self._refused, self._told = refused, Load.NORMAL
