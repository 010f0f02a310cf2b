"""The program at a terminal, in a pipe, interrupted, and completed by a shell."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.programs import trunkline_program
from trunkline.base.messages import (
    CallList,
    CallRow,
    ExtensionList,
    ExtensionRow,
    ListCalls,
    ListExtensions,
    ListTenants,
    TenantList,
    TenantRow,
)

FRAMES = "╭╮╰╯│─━┃"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
DEADLINE_S = 60.0
ID = "0193c8a0-5c3e-7aaa-8bbb-0123456789ab"
ANSWERS = {
    ListCalls.type: CallList(
        rows=(CallRow(ID, "1001", "1002", "answered", 1_700_000_000.0, 75.4, 2, "relay"),)
    ),
    ListExtensions.type: ExtensionList(
        rows=tuple(ExtensionRow(number) for number in ("1001", "1002", "2001"))
    ),
    ListTenants.type: TenantList(rows=(TenantRow("acme", "1"), TenantRow("default", "2"))),
}


class Exchange:
    """A control socket that answers from a table, or not at all."""

    def __init__(self, data: Path, *, silent: bool = False) -> None:
        self.asked = threading.Event()
        self._silent = silent
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(data / "control.sock"))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream:
                for line in stream:
                    self.asked.set()
                    request = json.loads(line)
                    if not self._silent:
                        reply = ANSWERS[request["message"]["type"]].to_dict()
                        stream.write(json.dumps({"id": request["id"], "reply": reply}).encode() + b"\n")
                        stream.flush()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(DEADLINE_S)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@contextmanager
def serving(data: Path, *, silent: bool = False) -> Iterator[Exchange]:
    exchange = Exchange(data, silent=silent)
    try:
        yield exchange
    finally:
        exchange.close()


def environment(data: Path, **changes: str) -> dict[str, str]:
    hidden = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TRUNKLINE_TENANT", "TERM", "COLORTERM"}
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    program = Path(trunkline_program()).parent
    own = {"TRUNKLINE_DATA": str(data), "TERM": "xterm-256color", "PATH": f"{program}:{kept.get('PATH', '')}"}
    return kept | own | changes


def at_a_terminal(data: Path, *words: str, columns: int = 120, **changes: str) -> str:
    """What a terminal of that width gets to see."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        [trunkline_program(), *words],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(data, **changes),
    )
    os.close(slave)
    seen = b""
    try:
        while True:
            try:
                block = os.read(master, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not block:
                break
            seen += block
    finally:
        os.close(master)
    assert process.wait(DEADLINE_S) == 0, seen.decode()
    return seen.decode().replace("\r\n", "\n")


def in_a_pipe(data: Path, *words: str, **changes: str) -> str:
    done = subprocess.run(
        [trunkline_program(), *words], env=environment(data, **changes), capture_output=True, text=True,
        timeout=DEADLINE_S, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout


def test_a_terminal_gets_colours_and_a_table(data: Path) -> None:
    with serving(data):
        seen = at_a_terminal(data, "calls")
    assert "\x1b[" in seen
    assert "─" in seen


def test_without_colours_a_terminal_still_gets_a_table(data: Path) -> None:
    with serving(data):
        seen = at_a_terminal(data, "calls", NO_COLOR="1")
    assert "─" in seen
    assert "\x1b[3" not in seen  # no colour; bold is none (https://no-color.org)


def test_a_dumb_terminal_gets_plain_columns(data: Path) -> None:
    with serving(data):
        seen = at_a_terminal(data, "calls", TERM="dumb")
        help_text = at_a_terminal(data, "calls", "--help", TERM="dumb")
    for text in (seen, help_text):
        assert "\x1b" not in text
        assert not set(FRAMES) & set(text)


def test_a_pipe_gets_plain_columns_and_plain_help(data: Path) -> None:
    with serving(data):
        for words in (("calls",), ("extension", "list"), ("calls", "--help"), ("--help",)):
            text = in_a_pipe(data, *words)
            assert "\x1b" not in text
            assert not set(FRAMES) & set(text)


def test_colours_can_be_forced_into_a_pipe(data: Path) -> None:
    with serving(data):
        assert "\x1b[" in in_a_pipe(data, "calls", FORCE_COLOR="1")


@pytest.mark.parametrize("columns", [30, 60, 80, 110])
def test_on_a_narrow_terminal_nothing_is_lost(data: Path, columns: int) -> None:
    with serving(data):
        seen = STYLE.sub("", at_a_terminal(data, "calls", columns=columns, NO_COLOR="1"))
    if columns < 70:
        assert f"call      {ID}\n" in seen  # a block of lines for each row, whole, to be copied
        assert "duration  1:15" in seen
    else:
        assert "CALL" in seen
        assert all(len(line) <= columns for line in seen.splitlines())
    assert "".join(seen.split()).count("1002") == 1


@pytest.mark.parametrize(
    "words", [("version",), ("version", "--json"), ("--help",), ("extension", "list"), ("calls",)]
)
def test_a_reader_that_went_away_is_no_story(data: Path, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with serving(data):
        done = subprocess.run(
            [trunkline_program(), *words], stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE,
            env=environment(data), timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode in {0, 1}


def test_control_c_is_130_without_a_traceback(data: Path) -> None:
    with serving(data, silent=True) as exchange:
        process = subprocess.Popen(
            [trunkline_program(), "calls"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment(data),
        )  # fmt: skip
        assert exchange.asked.wait(DEADLINE_S)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in err


@functools.cache
def bash_script() -> str:
    """What we print for bash, as every shell of a person reads it once."""
    return subprocess.run(
        [trunkline_program(), "completion", "bash"], env=environment(Path("nowhere")), capture_output=True,
        text=True, timeout=DEADLINE_S, check=True, stdin=subprocess.DEVNULL,
    ).stdout  # fmt: skip


def complete(data: Path, line: str) -> list[str]:
    """What bash offers for the last word of a line, with the script that we print."""
    words = line.split(" ")
    script = "\n".join(
        [
            bash_script(),
            f"COMP_WORDS=({' '.join(map(shlex.quote, words))})",
            f"COMP_CWORD={len(words) - 1}",
            "_trunkline_completion trunkline",
            'printf "%s\\n" "${COMPREPLY[@]}"',
        ]
    )
    done = subprocess.run(
        ["bash", "-euc", script], env=environment(data), capture_output=True, text=True, timeout=DEADLINE_S,
        check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout.split()


def test_bash_completes_commands_options_and_what_the_exchange_knows(data: Path) -> None:
    with serving(data):
        assert complete(data, "trunkline ext") == ["extension"]
        assert "remove" in complete(data, "trunkline extension ")
        assert complete(data, "trunkline extension list --js") == ["--json"]
        assert complete(data, "trunkline extension remove 10") == ["1001", "1002"]
        assert complete(data, "trunkline records --number 2") == ["2001"]
        assert complete(data, "trunkline calls --tenant ac") == ["acme"]
        assert complete(data, "trunkline hangup 0193") == [ID]


def test_without_an_exchange_nothing_is_offered_and_nothing_said(data: Path) -> None:
    assert complete(data, "trunkline extension remove 10") == []
    assert complete(data, "trunkline hangup ") == []
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(data: Path, shell: str) -> None:
    script = in_a_pipe(data, "completion", shell)
    assert "_TRUNKLINE_COMPLETE" in script
    assert f"complete_{shell}" in script
