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
_PUNCTUAL_S: Final = 0.02
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
        self._arm(self._loop.time())

    def stop(self) -> None:
        """No more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, now: float) -> None:
        self._due = now + EACH_S
        self._timer = self._loop.call_at(self._due, self._measure)

    def _measure(self) -> None:
        # Timers fire late by as much as the loop was busy with what came before them.
        now = self._loop.time()
        lag_s = now - self._due
        served = self._net.counters.datagrams_in
        few = served - self._served
        self._served = served
        if few < SLOWEST and lag_s < _PUNCTUAL_S and not self._overload.level:
            # Fewer than one wake-up takes: each has emptied its socket, and the kernel need not be asked. Not so in an
            # overload, when what is new waits behind the socket.
            if self._pace > SLOWEST:
                self._pace = max(self._pace * _FADES, SLOWEST)
            changed = self._overload.measured(lag_s)
        else:
            self._pace = max(few / (1 + lag_s / EACH_S), self._pace * _FADES, SLOWEST)
            backlog = self._net.backlog()
            losing = backlog.dropped > self._dropped
            self._dropped = backlog.dropped
            changed = self._overload.measured(
                max(lag_s, backlog.waiting / self._pace * EACH_S), losing=losing
            )
        if changed:
            self._changed()
        self._arm(now)

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
