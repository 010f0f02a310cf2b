"""Runs the marked commands of one page, in order, in a folder and with a data folder of their own."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.docs.pages import Command, Fence, MarkError, commands, matches
from tests.peers.ports import free_ports
from tests.peers.programs import ROOT
from tests.peers.warm import warm_program

_COMMAND_S = 120.0
_READY_S = 120.0
_STOP_S = 60.0
_COLUMNS = "110"


class PageFailed(AssertionError):  # noqa: N818  (it says that a page failed, as pytest does)
    """A command of a page did not do what the page says."""


def environment(folder: Path, warm: bool = False) -> dict[str, str]:
    """What a command sees: the checkout's ``trunkline`` first (the one of ``tests.peers.warm`` when that is asked
    for), a private home and data folder."""
    first = f"{warm_program().command.parent}:" if warm else ""
    own = {
        "PATH": f"{first}{ROOT / '.venv' / 'bin'}:{os.environ.get('PATH', '')}",
        "HOME": str(folder),
        "TRUNKLINE_DATA": str(folder / "data"),
        "COLUMNS": _COLUMNS,
        "NO_COLOR": "1",
    }
    hidden = {"XDG_DATA_HOME", "VIRTUAL_ENV", "PYTHONPATH"}
    return {name: value for name, value in os.environ.items() if name not in hidden} | own


class PageRunner:
    """Use it as ``with PageRunner(folder) as runner: runner.run(fence)``.

    ``trunkline up`` gets options added that a page does not show: free ports on loopback for SIP, and no
    metrics, so that pages run beside each other and beside a real exchange. ``warm``: its ``trunkline`` is that
    of ``tests.peers.warm``, which costs no imports.
    """

    def __init__(self, folder: Path, *, warm: bool = False) -> None:
        self._folder = folder
        self._environment = environment(folder, warm)
        self._background: list[tuple[Command, subprocess.Popen[bytes], Path]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        failures = [failure for entry in self._background if (failure := self._end(*entry))]
        if kind is None and failures:
            raise PageFailed("\n".join(failures))

    def run(self, fence: Fence) -> None:
        """Do what the fence's mark asks for; raises ``PageFailed``."""
        if fence.kind == "write":
            (self._folder / fence.detail).write_text(fence.text + "\n")
        elif fence.kind == "run":
            for command in commands(fence):
                self._run(command, fence.exit_code)
        elif fence.kind == "background":
            alone = commands(fence)
            if len(alone) != 1:
                raise MarkError(f"line {fence.line}: a fence in the background holds one command")
            self._start(alone[0])

    def _run(self, command: Command, exit_code: int) -> None:
        try:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command.text],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise PageFailed(
                _report(command, f"did not end within {_COMMAND_S} s", late.output or b"")
            ) from None
        if done.returncode != exit_code:
            raise PageFailed(_report(command, f"ended with {done.returncode}, not {exit_code}", done.stdout))
        if command.expected is not None and not matches(command.expected, done.stdout.decode()):
            raise PageFailed(_report(command, "printed something else than the page says", done.stdout))

    def _start(self, command: Command) -> None:
        output = self._folder / f"background-{len(self._background)}"
        text = command.text
        if text.startswith("trunkline up"):
            port = free_ports(10)
            text += f" --listen udp:127.0.0.1:{port} --listen tcp:127.0.0.1:{port} --metrics off"
        with output.open("wb") as sink:
            # exec: the shell becomes the program, so that ending the one ends the other.
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )
        self._background.append((command, process, output))
        deadline = time.monotonic() + _READY_S
        while not matches((command.expected or "") + "\n...", output.read_text()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise PageFailed(_report(command, "did not print what the page says", output.read_bytes()))
            time.sleep(0.05)

    @staticmethod
    def _end(command: Command, process: subprocess.Popen[bytes], output: Path) -> str:
        """SIGTERM, and SIGKILL when that is not heard; empty when it ended well."""
        process.terminate()
        try:
            code = process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return _report(command, f"did not end within {_STOP_S} s of SIGTERM", output.read_bytes())
        return "" if code == 0 else _report(command, f"ended with {code} after SIGTERM", output.read_bytes())


def _report(command: Command, problem: str, output: bytes) -> str:
    wanted = f"\n--- expected\n{command.expected}" if command.expected else ""
    printed = output.decode(errors="replace")
    return f"line {command.line}: `{command.text}` {problem}{wanted}\n--- printed\n{printed}"
