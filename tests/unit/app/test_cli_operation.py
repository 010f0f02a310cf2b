"""The commands reload, drain and log against a stand-in for the exchange."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from trunkline.app.cli import app, drain, log, reload
from trunkline.base.messages import (
    Drain,
    DrainState,
    ExchangeStatus,
    LoggerRow,
    LogState,
    Refused,
    Reload,
    Reloaded,
    SetLogLevel,
    SettingChange,
    ShowLog,
    Status,
)


class Exchange:
    """Answers by table; an answer that is an exception is raised."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: dict[type, Callable[[Any], Any]] = {}

    def ask(self, request: Any) -> Any:
        self.asked.append(request)
        answer = self.answers[type(request)](request)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    running = Exchange()

    @contextmanager
    def asking(_data: Path | None) -> Iterator[Exchange]:
        yield running

    for module in (reload, drain, log):
        monkeypatch.setattr(module, "exchange", asking)
    monkeypatch.setattr(drain, "LOOK_S", 0.0)
    return running


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def status(calls: int, state: str = "draining") -> ExchangeStatus:
    return ExchangeStatus(
        version="1", pid=1, state=state, started_at=0.0, uptime_s=1.0, domain="a", data="/d", calls=calls
    )


# Reload

RING = SettingChange("sip.ring_timeout_s", "60.0", "30.0")
PORTS = SettingChange("media.ports", "'10000-10999'", "'10000-11999'")


def test_a_reload_tells_what_holds_and_what_waits(exchange: Exchange) -> None:
    exchange.answers[Reload] = lambda _ask: Reloaded(
        file="/etc/t.toml",
        applied=(RING,),
        restart=(PORTS,),
        done=("1 certificate read anew",),
        notices=("x is y",),
    )
    result = run("reload")
    assert result.exit_code == 0
    assert "sip.ring_timeout_s  60.0           30.0           holds now" in result.output
    assert "after a restart" in result.output
    assert "1 certificate read anew" in result.output
    assert "x is y" in result.output


def test_a_dry_run_asks_for_one(exchange: Exchange) -> None:
    exchange.answers[Reload] = lambda ask: Reloaded(file="f", dry_run=ask.dry_run, applied=(RING,))
    assert "would hold at once" in run("reload", "--dry-run").output
    assert exchange.asked == [Reload(dry_run=True)]


@pytest.mark.parametrize(
    ("file", "said"), [("f", "no setting has changed\n"), ("", "there is no settings file to read\n")]
)
def test_nothing_to_do_is_said(exchange: Exchange, file: str, said: str) -> None:
    exchange.answers[Reload] = lambda _ask: Reloaded(file=file)
    assert said in run("reload").output


def test_a_wrong_file_is_an_error_of_usage_with_each_of_its_lines(exchange: Exchange) -> None:
    exchange.answers[Reload] = lambda _ask: Refused("settings.wrong", "f: a: one\nf: b: two", status=409)
    result = run("reload")
    assert result.exit_code == 2
    assert "error: f: a: one\nerror: f: b: two\n" in result.output
    assert "nothing has changed" in result.output


def test_a_reload_of_a_stopping_exchange_fails(exchange: Exchange) -> None:
    exchange.answers[Reload] = lambda _ask: Refused(
        "exchange.is_stopping", "the exchange is stopping", status=409
    )
    assert run("reload").exit_code == 1


def test_a_reload_as_json(exchange: Exchange) -> None:
    exchange.answers[Reload] = lambda _ask: Reloaded(file="f", applied=(RING,))
    assert json.loads(run("reload", "--json").output)["applied"][0]["key"] == "sip.ring_timeout_s"


# Drain


def calls_left(exchange: Exchange, *counts: int, state: str = "draining") -> None:
    """The first answer is that of the drain, the others are those of looking again."""
    left = list(counts)
    exchange.answers[Drain] = lambda ask: DrainState(draining=not ask.undo, calls=left.pop(0))
    exchange.answers[Status] = lambda _ask: status(left.pop(0), state)


def test_a_drain_tells_how_many_calls_are_up(exchange: Exchange) -> None:
    calls_left(exchange, 3)
    result = run("drain")
    assert (result.exit_code, "no new calls; 3 are up" in result.output) == (0, True)


def test_waiting_shows_each_change_and_ends_well_with_the_last_call(exchange: Exchange) -> None:
    calls_left(exchange, 2, 2, 1, 0)
    result = run("drain", "--wait")
    assert result.exit_code == 0
    assert result.output.count("waiting for 2 calls to end") == 1
    assert result.output.count("waiting for 1 call to end") == 1
    assert "the last call has ended" in result.output


def test_waiting_gives_up_when_time_is_over(exchange: Exchange) -> None:
    calls_left(exchange, 2)
    result = run("drain", "--wait", "--within", "0")
    assert (result.exit_code, "2 are up" in result.output) == (1, True)


def test_waiting_ends_when_somebody_takes_calls_again(exchange: Exchange) -> None:
    calls_left(exchange, 2, 0, state="running")
    result = run("drain", "--wait")
    assert (result.exit_code, "draining was undone" in result.output) == (1, True)


def test_an_exchange_that_stops_meanwhile_is_still_waited_for(exchange: Exchange) -> None:
    calls_left(exchange, 1, 1, 0, state="stopping")
    assert run("drain", "--wait").exit_code == 0


def test_undo(exchange: Exchange) -> None:
    calls_left(exchange, 0)
    assert "new calls are taken again" in run("drain", "--undo").output
    assert exchange.asked == [Drain(undo=True)]
    assert run("drain", "--undo", "--wait").exit_code == 2


def test_a_drain_as_json(exchange: Exchange) -> None:
    calls_left(exchange, 3)
    assert json.loads(run("drain", "--json").output) == {"draining": True, "calls": 3}


# Log

STATE = LogState(
    level="warning",
    configured="info",
    loggers=(LoggerRow("call", "warning"), LoggerRow("exchange", "debug", own=True)),
    dropped=5,
)


def test_levels_are_shown_with_what_the_settings_say(exchange: Exchange) -> None:
    exchange.answers[ShowLog] = lambda _ask: STATE
    output = run("log", "show").output
    assert "level warning (the settings say info)" in output
    assert "exchange  debug    yes" in output
    assert "5 lines were lost" in output
    assert json.loads(run("log", "show", "--json").output)["level"] == "warning"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("debug",), SetLogLevel(level="debug")),
        (("net", "debug"), SetLogLevel(level="debug", logger="net")),
    ],
)
def test_a_level_is_for_all_or_for_one(
    exchange: Exchange, words: tuple[str, ...], asked: SetLogLevel
) -> None:
    exchange.answers[SetLogLevel] = lambda _ask: STATE
    assert run("log", "level", *words).exit_code == 0
    assert exchange.asked == [asked]


def test_more_words_are_an_error_of_usage(exchange: Exchange) -> None:
    assert run("log", "level", "a", "b", "c").exit_code == 2
