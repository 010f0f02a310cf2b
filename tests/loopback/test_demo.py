"""``trunkline demo mobile``: each play from the first listener to the last, and how it ends when it must."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.peers.warm import warm_trunkline
from trunkline.app.cli import app
from trunkline.app.demo import stage
from trunkline.app.demo.run import perform, run_in_folder
from trunkline.app.demo.scenes import SCENES, Scene
from trunkline.app.demo.steps import Arrow, DemoFailed, Step
from trunkline.app.demo.summary import Summary
from trunkline.push.doubles.apns import FakeApns
from trunkline.push.doubles.apns_script import Script

DEADLINE_S = 60.0
BEFORE = ["registered", "called", "pushed", "fetched", "ringing"]


class Told:
    """A teller that remembers."""

    def __init__(self) -> None:
        self.arrows: list[Arrow] = []
        self.steps: list[str] = []
        self.end: Summary | None = None
        self.failure = ("", "")

    def scene(self, facts: Mapping[str, str]) -> None:
        assert facts["gateway"].startswith("http://127.0.0.1:")

    def chapter(self, title: str) -> None:
        assert title

    def begins(self, text: str) -> None:
        assert text

    def arrow(self, arrow: Arrow) -> None:
        self.arrows.append(arrow)

    def done(self, step: Step) -> None:
        self.steps.append(step.code)

    def summary(self, summary: Summary) -> None:
        self.end = summary

    def failed(self, step: str, text: str) -> None:
        self.failure = step, text

    def labels(self, way: str, source: str, target: str) -> list[str]:
        return [
            arrow.label
            for arrow in self.arrows
            if (arrow.way, arrow.source, arrow.target) == (way, source, target)
        ]

    @property
    def outcomes(self) -> list[str]:
        assert self.end is not None
        return [story.outcome for story in self.end.stories]


async def played(scene: Scene, folder: Path, transport: str = "udp") -> Told:
    """Play it; nothing of it is left afterwards."""
    told = Told()
    tasks = asyncio.all_tasks()
    async with asyncio.timeout(DEADLINE_S):
        await perform(scene, told, folder, transport=transport, pause=None)
    assert asyncio.all_tasks() == tasks
    assert not [one for one in threading.enumerate() if "writer" in one.name]
    assert told.end is not None
    assert all(took is not None for _, took in told.end.times)
    return told


def both_heard(told: Told) -> bool:
    assert told.end is not None
    return [(one.hz, round(one.dbfs / 3) * 3) for one in told.end.heard] == [(440.0, -12), (700.0, -12)]


async def test_a_sleeping_app_is_woken_and_both_hear_each_other(tmp_path: Path) -> None:
    told = await played(SCENES["incoming"], tmp_path)
    assert told.steps == [*BEFORE, "accepted", "heard", "hung_up"]
    assert told.labels("sip", "gateway", "PBX")[:2] == ["REGISTER", "REGISTER"]
    assert told.labels("push", "push", "app") == ["VoIP push"], "once"
    assert "200 OK" in told.labels("sip", "PBX", "caller")
    assert both_heard(told)
    assert told.outcomes == ["call.hangup"]


async def test_a_caller_who_gives_up_is_told_by_a_push_that_does_not_ring(tmp_path: Path) -> None:
    told = await played(SCENES["cancel"], tmp_path, "tcp")
    assert told.steps == [*BEFORE, "cancelled", "told", "gone"]
    assert told.labels("push", "push", "app") == ["VoIP push", "alert push"]
    assert told.labels("rest", "gateway", "app")[-1] == "410 Gone"
    assert told.outcomes == ["call.cancelled"]


async def test_an_app_calls_out_and_both_hear_each_other(tmp_path: Path) -> None:
    told = await played(SCENES["outgoing"], tmp_path, "tls")
    steps = ["registered", "phone_registered", "placed", "answered", "heard", "hung_up", "ended"]
    assert told.steps == steps
    assert told.labels("push", "gateway", "push") == []
    assert both_heard(told)
    assert told.outcomes == ["call.hangup"]


async def test_two_devices_ring_and_the_first_has_the_call(tmp_path: Path) -> None:
    told = await played(SCENES["two"], tmp_path)
    between = ["both_ringing", "accepted", "elsewhere", "too_late"]
    assert told.steps == ["registered", "registered_2", *BEFORE[1:], *between, "heard", "hung_up"]
    assert told.labels("push", "push", "iPhone") == ["VoIP push"]
    assert told.labels("push", "push", "Android") == ["message", "message"]
    assert "409 Conflict" in told.labels("rest", "gateway", "Android")
    assert both_heard(told)


def apns_that_refuses() -> FakeApns:
    return FakeApns(script=Script.of(["400:BadDeviceToken*"]))


async def test_a_push_that_is_refused_is_the_step_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "FakeApns", apns_that_refuses)
    told, tasks = Told(), asyncio.all_tasks()
    with pytest.raises(DemoFailed):
        await perform(SCENES["incoming"], told, tmp_path, transport="udp", pause=None)
    assert told.failure[0] == "pushed"
    assert told.failure[1].startswith("the caller's call ended: 480 ")
    assert told.steps == BEFORE[:2]
    assert asyncio.all_tasks() == tasks


async def test_sigterm_ends_it_as_ctrl_c_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told, tasks = Told(), asyncio.all_tasks()

    async def pause() -> None:
        if told.steps == BEFORE:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.Event().wait()

    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(run_in_folder(SCENES["incoming"], told, "udp", pause))
    assert told.labels("sip", "PBX", "caller")[-1] == "180 Ringing", "its goodbyes are not shown"
    assert asyncio.all_tasks() == tasks
    assert not os.listdir(tmp_path)  # noqa: PTH208  (in an async function)


def test_who_stops_the_program_in_the_middle_finds_nothing_left(tmp_path: Path) -> None:
    folder, errors = tmp_path / "temporary", tmp_path / "errors"
    folder.mkdir()
    with (
        errors.open("wb") as said,
        subprocess.Popen(
            [warm_trunkline(), "demo", "mobile", "--json", "--step"],
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as process,
    ):
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"\n" * 3)  # registered, called, fetched; then it waits
            process.stdin.flush()
            event: dict[str, object] = {}
            while event.get("step") != "fetched":
                line = process.stdout.readline()
                assert line, f"it ended after {event}: {errors.read_text()}"
                event = json.loads(line)
            assert [one.name.startswith("trunkline-demo-") for one in folder.iterdir()] == [True]
            process.send_signal(signal.SIGINT)
            assert process.wait(DEADLINE_S) == 130
        finally:
            process.kill()
    assert list(folder.iterdir()) == []


def test_the_command_ends_with_0_when_everything_has_happened() -> None:
    result = CliRunner().invoke(app, ["demo", "mobile", "--cancel", "--json"])
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert (events[0]["event"], events[-1]["event"]) == ("scene", "summary")
    assert [one["step"] for one in events if one["event"] == "step"][-1] == "gone"


def test_the_command_ends_with_1_and_says_which_step_did_not_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "FakeApns", apns_that_refuses)
    result = CliRunner().invoke(app, ["demo", "mobile"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: pushed: the caller's call ended: 480 ")
    assert "INVITE" in result.stdout
    assert "How long it took" not in result.stdout
