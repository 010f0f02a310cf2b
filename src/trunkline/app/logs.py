"""Logs: structlog, set up once; text on a terminal, one JSON object per line otherwise.

The line that ends every call takes a shorter way (``call_log``).
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TypeAlias, cast

import structlog

from trunkline.app.call_log import CallLog, Clock, shown
from trunkline.app.log_levels import CALLS, LEVELS, Levels
from trunkline.app.log_stream import GuardedStream
from trunkline.app.redaction import HIDDEN, is_secret
from trunkline.model.record import CallRecord

Event: TypeAlias = MutableMapping[str, Any]
Render: TypeAlias = Callable[[Any, str, Event], str]

_COLOURS = {
    "debug": "\x1b[2m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[31m",
}
_DIM, _BOLD, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_MAX_DEPTH = 4


class _Setup:
    """What is in force. ``calls`` is where ``log_call`` writes, None when the level hides it."""

    levels = Levels()
    call_log: CallLog | None = None
    calls: CallLog | None = None


_setup = _Setup()
_utc = Clock(local=False)
_local = Clock(local=True)
_encode_json = json.JSONEncoder(ensure_ascii=False, default=repr, separators=(",", ":")).encode


def setup_logs(
    level: str = "info",
    form: Literal["auto", "text", "json"] = "auto",
    stream: GuardedStream | None = None,
    *,
    terminal: bool | None = None,
) -> GuardedStream:
    """Configure structlog and the standard library's logging; returns the stream for its ``dropped`` count.

    ``terminal`` overrides whether standard error counts as one (text for ``auto``, and colours unless
    $NO_COLOR is set).
    """
    stream = stream or GuardedStream()
    on_terminal = os.isatty(2) if terminal is None else terminal
    text = form == "text" or (form == "auto" and on_terminal)
    colours = on_terminal and not os.environ.get("NO_COLOR")
    render: Render = TextRenderer(colours) if text else render_json
    _setup.levels = Levels(level)
    structlog.configure(
        processors=[add_time_and_level, structlog.processors.format_exc_info, redact, render],
        wrapper_class=cast("Any", _setup.levels.bind),
        logger_factory=lambda *names: _LineLogger(stream, names[0] if names else ""),
        cache_logger_on_first_use=False,
    )
    _setup.call_log = CallLog(stream, text=text, colours=colours)
    logging.getLogger().handlers = [_Bridge()]
    set_log_level(level)
    return stream


def set_log_level(level: str, logger: str | None = None) -> None:
    """From now on: for one logger and those below it, or for all (then no logger keeps a level of its own)."""
    levels = _setup.levels
    if logger is None:
        for name in levels.own:
            logging.getLogger(name).setLevel(logging.NOTSET)
    else:
        logging.getLogger(logger).setLevel(LEVELS[level])
    levels.set(level, logger)
    _setup.calls = _setup.call_log if levels.lets_through(CALLS, "info") else None
    # Libraries tell of every migration and plug-in at info: that is for whoever looks for a fault.
    least = logging.INFO if levels.general == "debug" else max(LEVELS[levels.general], logging.WARNING)
    logging.getLogger().setLevel(least)


def log_levels() -> Levels:
    """The levels in force, to be read."""
    return _setup.levels


class _LineLogger:
    """What structlog calls at the end of its processors."""

    __slots__ = ("_stream", "name")

    def __init__(self, stream: GuardedStream, name: str) -> None:
        self._stream = stream
        self.name = name

    def msg(self, line: str) -> None:
        self._stream.write_line(line)

    debug = info = warning = error = critical = msg


class _Bridge(logging.Handler):
    """Libraries that use the standard library's logging come out in the same form."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        level = record.levelname.lower()
        logger.log(LEVELS.get(level, 20), record.getMessage(), exc_info=record.exc_info)


def add_time_and_level(logger: Any, method: str, event: Event) -> Event:
    """``time`` in seconds since 1970, ``level``, and the ``logger``'s name."""
    event["time"] = time.time()
    event["level"] = method
    event["logger"] = getattr(logger, "name", "")
    return event


def redact(_logger: Any, _method: str, event: Event) -> Event:
    """Hide the values of secret keys, inside tables and lists too."""
    for key, value in event.items():
        if is_secret(key):
            event[key] = HIDDEN
        elif isinstance(value, dict | list | tuple):
            event[key] = _redacted(value, _MAX_DEPTH)
    return event


def _redacted(value: Any, depth: int) -> Any:
    if depth == 0:
        return "..."
    if isinstance(value, dict):
        return {k: HIDDEN if is_secret(str(k)) else _redacted(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(item, depth - 1) for item in value]
    return value


def render_json(_logger: Any, _method: str, event: Event) -> str:
    """One JSON object: time, level, logger, event, then the rest."""
    head = {"time": _utc(event.pop("time")), "level": event.pop("level"), "logger": event.pop("logger")}
    return _encode_json({**head, "event": event.pop("event", ""), **event})


class TextRenderer:
    """``20:31:05.123 info  call  ended  caller=1001 …``; control characters are escaped."""

    __slots__ = ("_colours",)

    def __init__(self, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _logger: Any, _method: str, event: Event) -> str:
        at, level, name = event.pop("time"), event.pop("level"), event.pop("logger")
        said, trace = str(event.pop("event", "")), event.pop("exception", None)
        pairs = "  ".join(f"{key}={_shown(value)}" for key, value in event.items())
        clock = _local(at)
        if self._colours:
            paint = _COLOURS[level]
            head = f"{_DIM}{clock}{_RESET} {paint}{level:<7}{_RESET} {_DIM}{name:<9}{_RESET}"
            line = f"{head} {_BOLD}{shown(said)}{_RESET}"
        else:
            line = f"{clock} {level:<7} {name:<9} {shown(said)}"
        line = f"{line}  {pairs}" if pairs else line
        return f"{line}\n{trace}" if trace else line


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else _encode_json(value)
    return text if text.isprintable() and " " not in text and text else _encode_json(text)


def log_call(record: CallRecord) -> None:
    """One line for a call that is over, from the record of its ``in`` leg; nothing before ``setup_logs``."""
    if _setup.calls is not None:
        _setup.calls(record)
