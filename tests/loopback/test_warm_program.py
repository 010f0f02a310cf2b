"""The ``trunkline`` of ``tests.peers.warm`` is to its caller what the installed command is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.peers.programs import end_process
from tests.peers.warm import WarmProcess, warm_trunkline

WITHIN_S = 60.0


def run(*words: str, folder: Path, stdin: str = "", **changes: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [warm_trunkline(), *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **changes},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_arguments_environment_folder_and_exit_code_are_those_of_the_command(tmp_path: Path) -> None:
    assert (
        run("extension", "add", "1001", "--name", "Åsa, it's me", folder=tmp_path, TRUNKLINE_DATA="here")[0]
        == 0
    )
    assert (tmp_path / "here" / "trunkline.db").exists()
    code, out, errors = run("extension", "list", "--json", folder=tmp_path, TRUNKLINE_DATA="here")
    assert (code, errors) == (0, "")
    assert "1001" in out
    code, out, errors = run("extension", "list", folder=tmp_path, TRUNKLINE_DATA="elsewhere")
    assert (code, out) == (3, "")
    assert "no exchange is running" in errors


def waiting(tmp_path: Path) -> subprocess.Popen[bytes]:
    """A command that waits for its standard input."""
    return subprocess.Popen(
        [warm_trunkline(), "demo", "mobile", "--json", "--step"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_a_signal_reaches_it(tmp_path: Path) -> None:
    with waiting(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(WITHIN_S) == 130
    assert list(tmp_path.iterdir()) == []


def test_it_ends_when_who_asked_is_killed(tmp_path: Path) -> None:
    with waiting(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.kill()
        process.communicate(timeout=WITHIN_S)  # the output ends once no process has it open
        assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
async def test_a_process_that_a_signal_ends_says_so(tmp_path: Path, number: signal.Signals) -> None:
    async with asyncio.timeout(WITHIN_S):
        with (tmp_path / "output").open("wb") as output:
            process = await WarmProcess.start(
                "up", "--data", str(tmp_path / "data"), "--listen", "udp:127.0.0.1:0", output=output
            )
        process.send_signal(number)
        assert await process.wait() == -number
        assert process.returncode == -number
        with pytest.raises(ProcessLookupError):
            process.kill()


async def test_a_process_that_ends_by_itself_has_its_exit_code(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        process = await WarmProcess.start("up", "--no-such-option", output=output)
    async with asyncio.timeout(WITHIN_S):
        assert await process.wait() == 2
    assert await end_process(process) == 2
    assert "--no-such-option" in (tmp_path / "output").read_text()
