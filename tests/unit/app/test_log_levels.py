"""Log levels that change while it runs: for all loggers, for one, and what lies below it."""

from __future__ import annotations

import ast
import importlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from tests.unit.app.test_logs import RECORD
from trunkline.app.log_levels import known_loggers
from trunkline.app.log_stream import GuardedStream
from trunkline.app.logs import log_call, log_levels, set_log_level, setup_logs

SOURCES = Path(__file__).parents[3] / "src/trunkline"
Lines = Callable[[], list[str]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was logged since it was asked last."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    setup_logs("info", "text", GuardedStream(writing), terminal=False)

    def taken() -> list[str]:
        try:
            return os.read(reading, 1 << 20).decode().splitlines()
        except BlockingIOError:
            return []

    yield taken
    set_log_level("info")
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    os.close(writing)
    os.close(reading)


def say(*names: str) -> None:
    for name in names:
        structlog.get_logger(name).debug("said")


def test_a_logger_that_was_made_before_takes_the_new_level(lines: Lines) -> None:
    early = structlog.get_logger("exchange")
    early.debug("hidden")
    set_log_level("debug")
    early.debug("shown")
    set_log_level("error")
    early.warning("hidden again")
    assert [line.split()[-1] for line in lines()] == ["shown"]


def test_one_logger_and_what_lies_below_it_have_a_level_of_their_own(lines: Lines) -> None:
    set_log_level("debug", "trunkline.net")
    say("trunkline.net", "trunkline.net.tcp", "trunkline.network", "exchange")
    assert [line.split()[2] for line in lines()] == ["trunkline.net", "trunkline.net.tcp"]
    assert log_levels().of("trunkline.net.tcp") == "debug"
    assert log_levels().of("trunkline.network") == "info"


def test_a_level_for_all_ends_the_levels_of_single_ones(lines: Lines) -> None:
    set_log_level("error", "exchange")
    set_log_level("info")
    structlog.get_logger("exchange").info("said")
    assert len(lines()) == 1


def test_the_line_of_a_call_has_a_level_too(lines: Lines) -> None:
    set_log_level("warning", "call")
    log_call(RECORD)
    assert lines() == []
    set_log_level("warning")
    set_log_level("info", "call")
    log_call(RECORD)
    assert len(lines()) == 1


def test_libraries_follow_their_own_level_and_lose_it_with_the_others(lines: Lines) -> None:
    set_log_level("debug", "alembic")
    logging.getLogger("alembic.runtime").debug("said")
    assert len(lines()) == 1
    set_log_level("info")
    logging.getLogger("alembic.runtime").info("chatter")
    assert lines() == []


def test_setting_the_logs_up_anew_brings_the_settings_level_back(lines: Lines) -> None:
    set_log_level("error")
    setup_logs("info", "text", terminal=False)
    assert log_levels().general == "info"


def loggers_in(path: Path) -> set[str]:
    """The names that a module gives to its loggers, read from its text."""
    return {
        str(node.args[0].value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get_logger"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def test_every_logger_of_ours_is_known_once_its_module_is_imported() -> None:
    written: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        if names := loggers_in(path):
            written |= names
            importlib.import_module(".".join(path.relative_to(SOURCES.parent).with_suffix("").parts))
    assert {"exchange", "settings"} <= written <= set(known_loggers())
