"""What signals do to a running exchange: SIGTERM and Ctrl-C stop it, SIGHUP reads the settings anew."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from trunkline.app.reload import Reloader

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange


def stop_on_signals(exchange: Exchange) -> None:
    """SIGTERM and Ctrl-C stop with the configured grace; a second one at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if exchange.stopping.done():
            for call in list(exchange.calls.active.values()):
                call.hang_up(code="call.exchange_stops")
        exchange.request_stop(exchange.settings.sip.grace_s)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def reload_on_hangup(exchange: Exchange, reloader: Reloader, is_serving: Callable[[], bool]) -> None:
    """SIGHUP reads the settings anew. Until all is serving it does nothing: they were read a moment ago.

    The same signal says that our terminal was closed, which ends a program, unless it was started with nohup.
    """
    had_terminal = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and has_terminal()

    def hangup() -> None:
        if had_terminal and not has_terminal():
            exchange.request_stop(exchange.settings.sip.grace_s)
        elif is_serving() and exchange.state in {"running", "draining"}:
            exchange.context.spawn(reloader.on_signal())

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup)


def has_terminal() -> bool:
    """Whether we have a controlling terminal that is still there (tty(4): ENXIO when not)."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
