"""``trunkline media``: what the shell offers for a name, and what is said when there is nobody, or nobody is left."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest
import typer
from typer.testing import CliRunner

from trunkline.app.cli import app, completing
from trunkline.app.cli import media as media_cli
from trunkline.base.messages import DrainMedia, MediaDrained, MediaInstanceRow

URLS = ("udp:192.0.2.1:2223", "ws://192.0.2.11:2225")


class Exchange:
    """It is asked as one that runs; the last instance is drained."""

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, request: object) -> Any:
        if isinstance(request, DrainMedia):
            return MediaDrained(row=MediaInstanceRow(URLS[0], "up", 1.0, 3, draining=True))
        return SimpleNamespace(media=[MediaInstanceRow(url, "up") for url in URLS])


def test_the_shell_offers_the_instances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "ControlClient", Exchange)
    context = cast("typer.Context", SimpleNamespace(params={}))
    assert completing.instances(context, "") == list(URLS)
    assert completing.instances(context, "ws") == [URLS[1]]


def test_who_drains_the_last_one_is_warned_and_json_stays_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_cli, "exchange", Exchange)
    done = CliRunner().invoke(app, ["media", "drain", "192.0.2.1"])
    assert done.exit_code == 0
    assert "it has 3 calls" in done.stdout
    assert "no other rtpengine takes calls" in done.stderr
    done = CliRunner().invoke(app, ["media", "drain", "192.0.2.1", "--json"])
    assert json.loads(done.stdout) == {
        "instance": URLS[0], "draining": True, "calls": 3, "moving": 0, "others": 0,
    }  # fmt: skip
    done = CliRunner().invoke(app, ["media", "drain", "192.0.2.1", "--undo", "--move"])
    assert done.exit_code == 2


def test_without_any_a_pipe_is_told_so_and_json_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_cli, "exchange", Exchange)
    monkeypatch.setattr(Exchange, "ask", lambda *_: SimpleNamespace(media=()))
    done = CliRunner().invoke(app, ["media", "list"])
    assert done.stdout.split() == ["NAME", "STATE", "FOR", "CALLS", "OF", "ALL", "FAILURES"]
    assert "There is no rtpengine" in done.stderr
    assert "media.rtpengine.instances" in done.stderr
    done = CliRunner().invoke(app, ["media", "list", "--json"])
    assert (json.loads(done.stdout), done.stderr) == ([], "")
