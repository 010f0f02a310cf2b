"""Which lines are let through: one general level, and levels of single loggers beside it.

Levels change while the exchange runs, so they are asked for with every line; what a logger may say is worked
out once and remembered until a level changes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, cast

import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
CALLS = "call"  # the line that ends every call is written by ``call_log``, without structlog's way


class Levels:
    """``general`` holds for every logger that has none in ``own``, itself or by the name above its last dot."""

    __slots__ = ("_classes", "general", "own")

    def __init__(self, general: str = "info") -> None:
        self.general = general
        self.own: dict[str, str] = {}
        self._classes: dict[str, Any] = {}

    def set(self, level: str, logger: str | None = None) -> None:
        """For one logger and those below it, or, without a name, for all: levels of single ones are gone then."""
        if logger is None:
            self.general = level
            self.own.clear()
        else:
            self.own[logger] = level
        self._classes.clear()

    def of(self, logger: str) -> str:
        """The level that holds for a logger."""
        name = logger
        while name:
            if name in self.own:
                return self.own[name]
            name = name.rpartition(".")[0]
        return self.general

    def lets_through(self, logger: str, level: str) -> bool:
        return LEVELS[level] >= LEVELS[self.of(logger)]

    def bind(self, logger: Any, processors: Any, context: Any) -> Any:
        """structlog's wrapper class for a logger, made with it: below its level there is nothing to do."""
        name = getattr(logger, "name", "")
        made = self._classes.get(name)
        if made is None:
            made = self._classes[name] = cast(
                "Any", structlog.make_filtering_bound_logger(LEVELS[self.of(name)])
            )
        return made(logger, processors, context)


def known_loggers() -> tuple[str, ...]:
    """The names of our loggers, sorted: each stands in its module, the calls' one aside."""
    return tuple(sorted({CALLS, *_names_in_modules()}))


def _names_in_modules() -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        if name == "trunkline" or name.startswith("trunkline."):
            for value in (getattr(module, "log", None), getattr(module, "_log", None)):
                yield from map(str, getattr(value, "_logger_factory_args", ())[:1])
