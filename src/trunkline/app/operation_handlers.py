"""Reload, drain and log levels: what an operator does to an exchange that runs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import structlog

from trunkline.app.log_levels import known_loggers
from trunkline.app.logs import log_levels, set_log_level
from trunkline.app.reload import Reloader, tell
from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    Drain,
    DrainState,
    LoggerRow,
    LogState,
    Refused,
    Reload,
    Request,
    SetLogLevel,
    ShowLog,
)

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

log = structlog.get_logger("operation")
# Words for people; "critical" is what libraries use.
CHOICES = ("debug", "info", "warning", "error")


class OperationHandlers:
    """``table`` is for ``ExchangeHandlers``."""

    def __init__(self, exchange: Exchange, reloader: Reloader, dropped: Callable[[], int]) -> None:
        self._exchange = exchange
        self._reloader = reloader
        self._dropped = dropped
        self.table: dict[type[Request[Any]], Callable[[str, Any], Awaitable[Message]]] = {
            Reload: self._reload,
            Drain: self._drain,
            ShowLog: self._show_log,
            SetLogLevel: self._set_level,
        }

    async def _reload(self, _tenant: str, ask: Reload) -> Message:
        self._not_stopping()
        done = await self._reloader.reload(dry_run=ask.dry_run)
        if not ask.dry_run:
            tell(done)
        return done

    async def _drain(self, _tenant: str, ask: Drain) -> Message:
        self._not_stopping()
        exchange = self._exchange
        exchange.drain(undo=ask.undo)
        calls = len(exchange.calls.active)
        log.info("taking calls again" if ask.undo else "draining: no new calls", calls=calls)
        return DrainState(draining=exchange.endpoint.draining, calls=calls)

    def _not_stopping(self) -> None:
        if self._exchange.state == "stopping":
            raise Refused("exchange.is_stopping", "the exchange is stopping", status=409)

    async def _show_log(self, _tenant: str, _ask: ShowLog) -> Message:
        return self._log_state()

    async def _set_level(self, _tenant: str, ask: SetLogLevel) -> Message:
        level = ask.level.lower()
        if level not in CHOICES:
            raise Refused(
                "log.unknown_level", f"{ask.level[:40]} is no level", f"expected one of {', '.join(CHOICES)}"
            )
        if ask.logger is not None and not _known(ask.logger):
            raise Refused(
                "log.unknown_logger", f"no logger is called {ask.logger[:60]}", _nearest(ask.logger), 404
            )
        set_log_level(level, ask.logger)
        log.info("log level changed", logger_name=ask.logger or "all", to=level)
        return self._log_state()

    def _log_state(self) -> LogState:
        levels = log_levels()
        names = sorted({*known_loggers(), *levels.own})
        return LogState(
            level=levels.general,
            configured=self._exchange.settings.log.level,
            loggers=tuple(
                LoggerRow(name, levels.of(name), levels.of(name) != levels.general) for name in names
            ),
            dropped=self._dropped(),
        )


def _known(name: str) -> bool:
    """One of ours, something above one, or a library that has a logger."""
    ours = known_loggers()
    return (
        name in ours
        or any(one.startswith(f"{name}.") for one in ours)
        or name in logging.root.manager.loggerDict
    )


def _nearest(name: str) -> str:
    close = get_close_matches(name, known_loggers(), n=1)
    return f"did you mean {close[0]}?" if close else "trunkline log show lists them"
