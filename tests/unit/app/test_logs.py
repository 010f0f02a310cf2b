"""Logs: forms, redaction, the line of a call, and a standard error that never blocks."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator

import pytest
import structlog

from trunkline.app.log_stream import GATHERED, GuardedStream
from trunkline.app.logs import log_call, setup_logs
from trunkline.app.redaction import is_secret
from trunkline.model.record import CallRecord

RECORD = CallRecord(
    tenant="t", id="r", call="c-1", direction="in", caller="1001", callee="1002\n", target="",
    started_at=10.0, ended_at=20.0,
    answered_at=12.5, status=200, reason='O"K', code="call.ended", ended_by="caller",
    story=[
        {"ms": 0, "code": "call.received", "text": "x"},
        {"ms": 7, "code": "route.extension", "text": "y"},
    ],
)  # fmt: skip
Lines = Callable[[], list[str]]


@pytest.fixture
def pipe() -> Iterator[tuple[GuardedStream, Lines, int]]:
    """A stream over a pipe, what has come out of it so far, and its reading end."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def lines() -> list[str]:
        try:
            return os.read(reading, 1 << 20).decode().splitlines()
        except BlockingIOError:
            return []

    yield GuardedStream(writing), lines, reading
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    os.close(writing)
    os.close(reading)


Pipe = tuple[GuardedStream, Lines, int]


def test_json_is_one_object_per_line(pipe: Pipe) -> None:
    setup_logs("info", "auto", pipe[0], terminal=False)
    structlog.get_logger("net").warning("two\nlines", peer="192.0.2.1", size=3)
    (line,) = pipe[1]()
    event = json.loads(line)
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "warning",
        "logger": "net",
        "event": "two\nlines",
        "peer": "192.0.2.1",
        "size": 3,
    }


def test_text_escapes_control_characters_and_has_no_colour_without_a_terminal(pipe: Pipe) -> None:
    setup_logs("info", "text", pipe[0], terminal=False)
    structlog.get_logger("net").info("hello", agent="evil\x1b[2J", words="a b")
    (line,) = pipe[1]()
    assert "\x1b" not in line
    assert 'info    net       hello  agent="evil\\u001b[2J"  words="a b"' in line


def test_a_terminal_gets_colours_unless_no_color_is_set(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    setup_logs("info", "auto", pipe[0], terminal=True)
    structlog.get_logger("net").info("hello")
    log_call(RECORD)
    assert all("\x1b[" in line for line in pipe[1]())
    monkeypatch.setenv("NO_COLOR", "1")
    setup_logs("info", "auto", pipe[0], terminal=True)
    structlog.get_logger("net").info("hello")
    assert "\x1b" not in pipe[1]()[0]


def test_secrets_are_hidden_at_any_depth(pipe: Pipe) -> None:
    setup_logs("info", "json", pipe[0])
    structlog.get_logger("x").info(
        "e", password="hunter2", d={"Authorization": "hunter2", "l": [{"nonce": "hunter2"}]}
    )
    structlog.get_logger("x").info("e", deep={"a": {"b": {"c": {"d": {"token": "hunter2"}}}}})
    first, second = pipe[1]()
    assert "hunter2" not in first + second
    assert first.count("(hidden)") == 3


@pytest.mark.parametrize(
    "key", ["password", "userPassword", "passwd", "secret", "Authorization", "Proxy-Authorization", "nonce",
            "cnonce", "token", "api_key", "apiKey", "Cookie"],
)  # fmt: skip
def test_secret_keys_are_known(key: str) -> None:
    assert is_secret(key)
    assert not is_secret("caller")


def test_the_level_hides_what_is_below_it(pipe: Pipe) -> None:
    setup_logs("warning", "json", pipe[0])
    structlog.get_logger("x").info("hidden")
    log_call(RECORD)
    assert pipe[1]() == []


def test_the_standard_library_logs_in_the_same_form(pipe: Pipe) -> None:
    setup_logs("info", "json", pipe[0])
    try:
        dict[str, int]()["gone"]
    except KeyError:
        logging.getLogger("asyncio").exception("a task failed")
    event = json.loads(pipe[1]()[0])
    assert (event["logger"], event["level"], event["event"]) == ("asyncio", "error", "a task failed")
    assert "KeyError: 'gone'" in event["exception"]


def test_libraries_are_quiet_below_a_warning_unless_we_debug(pipe: Pipe) -> None:
    setup_logs("info", "json", pipe[0])
    logging.getLogger("alembic").info("chatter")
    assert pipe[1]() == []
    setup_logs("debug", "json", pipe[0])
    logging.getLogger("alembic").info("chatter")
    assert len(pipe[1]()) == 1


def test_a_call_is_one_json_line_with_story_and_reason(pipe: Pipe) -> None:
    setup_logs("info", "json", pipe[0])
    log_call(RECORD)
    (line,) = pipe[1]()
    event = json.loads(line)
    event.pop("time")
    assert event == {
        "level": "info", "logger": "call", "event": "call ended", "call": "c-1", "caller": "1001",
        "callee": "1002\n", "status": 200, "reason": 'O"K', "code": "call.ended", "ended_by": "caller",
        "ring_s": 2.5, "talk_s": 7.5, "story": "0:call.received 7:route.extension",
    }  # fmt: skip


def test_a_call_is_one_text_line(pipe: Pipe) -> None:
    setup_logs("info", "text", pipe[0], terminal=False)
    log_call(RECORD)
    (line,) = pipe[1]()
    assert "1001 -> '1002\\n'  200 O\"K (call.ended)  rang 2.5 s  talked 7.5 s" in line
    assert "7:route.extension" in line


async def test_lines_of_calls_wait_for_each_other_and_come_before_any_other_line(pipe: Pipe) -> None:
    setup_logs("info", "text", pipe[0], terminal=False)
    log_call(RECORD)
    log_call(RECORD)
    assert pipe[1]() == []
    structlog.get_logger("exchange").info("something else")
    first, second, other = pipe[1]()
    assert "(call.ended)" in first
    assert "(call.ended)" in second
    assert "something else" in other


async def test_the_line_of_a_call_is_written_though_nothing_follows(pipe: Pipe) -> None:
    setup_logs("info", "text", pipe[0], terminal=False)
    log_call(RECORD)
    there = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe[2], there.set)
    async with asyncio.timeout(30):
        await there.wait()
    asyncio.get_running_loop().remove_reader(pipe[2])
    assert len(pipe[1]()) == 1


async def test_lines_of_calls_are_held_back_only_in_a_bounded_number(pipe: Pipe) -> None:
    setup_logs("info", "text", pipe[0], terminal=False)
    for _ in range(GATHERED):
        log_call(RECORD)
    assert len(pipe[1]()) == GATHERED


def test_a_line_that_comes_while_another_is_written_waits_for_its_end(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, lines, _reading = pipe
    write, others = os.write, ["second", "third"]

    def interrupted(descriptor: int, data: bytes) -> int:
        if others:  # as by a finalizer, or by another thread
            stream.write_line(others.pop(0))
        return write(descriptor, data)

    monkeypatch.setattr("trunkline.app.log_stream.os.write", interrupted)
    stream.gather_line("first")
    stream.flush()
    assert lines() == ["first", "second", "third"]


def test_lines_that_were_gathered_are_dropped_and_counted_when_the_reader_is_blocked(pipe: Pipe) -> None:
    stream, lines, _reading = pipe
    while not stream.dropped:
        stream.write_line("x" * 1000)
    before = stream.dropped
    stream.gather_line("one")
    stream.gather_line("two")
    stream.flush()
    assert stream.dropped == before + 2
    lines()
    stream.write_line("again")
    assert lines()[-1] == "again"


def test_a_blocked_reader_loses_lines_but_never_blocks(pipe: Pipe) -> None:
    stream, lines, _reading = pipe
    for number in range(400):
        stream.write_line(f"{number:04} " + "x" * 1000)
    assert stream.dropped > 0
    kept = len(lines())
    assert kept + stream.dropped >= 399
    stream.write_line("again")
    after = lines()
    assert any(f"({stream.dropped} log lines were dropped" in line for line in after)
    assert after[-1] == "again"


def test_a_line_longer_than_a_pipe_takes_at_once_arrives_whole(pipe: Pipe) -> None:
    pipe[0].write_line("y" * 12_000)
    assert pipe[1]() == ["y" * 12_000]
    pipe[0].write_line("z" * 20_000)
    assert pipe[1]() == ["z" * 16_384 + " (cut)"]


def test_a_reader_that_is_gone_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = GuardedStream(writing)
    stream.write_line("nobody")
    assert stream.dropped == 1
    os.close(writing)
