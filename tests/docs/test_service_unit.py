"""The unit for systemd: shown as it is, valid, confined, and calling commands that there are."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from tests.docs.pages import read_fences
from tests.peers.programs import ROOT, program, trunkline_program
from trunkline.app.cli import app

UNIT = ROOT / "deploy" / "trunkline.service"
PAGE = ROOT / "docs" / "how-to" / "run-as-a-service.md"
MOST_EXPOSED = 20  # tenths; systemd calls up to 2.0 "OK" and an unconfined service 9.6 "UNSAFE"


def test_the_page_shows_the_unit_as_it_is() -> None:
    shown = [fence.text for fence in read_fences(PAGE.read_text()) if fence.language == "ini"]
    assert UNIT.read_text().rstrip("\n") in shown


def analyze(unit: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """``systemd-analyze`` over a copy that calls this checkout's program."""
    text = UNIT.read_text().replace("/opt/trunkline/.venv/bin/trunkline", trunkline_program())
    unit.write_text(text)
    return subprocess.run(
        [program("systemd-analyze"), *words, str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    done = analyze(tmp_path / "trunkline.service", "verify", "--man=no")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_is_confined(tmp_path: Path) -> None:
    threshold = f"--threshold={MOST_EXPOSED}"
    done = analyze(tmp_path / "trunkline.service", "security", "--offline=yes", "--no-pager", threshold)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("key", ["ExecStart", "ExecReload"])
def test_it_calls_a_command_that_there_is(key: str) -> None:
    (line,) = re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)
    _, name, *options = shlex.split(line)
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {opt for parameter in command.params for opt in parameter.opts}
    assert {word for word in options if word.startswith("--")} <= known
