"""Child processes: pinned to a processor, bounded in time, and always ended by their own id."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_TIMEOUT_S = 15

Argv = list[str | Path]


class BenchError(Exception):
    """A measurement could not be made; the text says which and why."""


def pinned(argv: Sequence[str | Path], cpu: int) -> list[str]:
    """The command line that runs `argv` on one processor."""
    return ["taskset", "-c", str(cpu), *map(str, argv)]


def run(
    argv: Sequence[str | Path], *, timeout_s: float, cpu: int | None = None, cwd: Path | None = None
) -> str:
    """Run a command to its end and return its standard output.

    Raises BenchError when it fails or takes longer than `timeout_s`.
    """
    command = pinned(argv, cpu) if cpu is not None else [str(word) for word in argv]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=cwd,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{argv[0]} did not end within {timeout_s:.0f} s") from error
    if done.returncode:
        raise BenchError(
            f"{argv[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-800:]}"
        )
    return done.stdout


@contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    cpu: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    talks: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """A process that runs while the block does; what it writes goes to `log`.

    With `talks`, standard input and output are pipes for us: only for programs that say little, as nobody
    drains them.
    It leads a session of its own: a Ctrl-C reaches only us, and we end it, with all that it started.
    """
    with log.open("ab") as log_file:
        process = subprocess.Popen(
            pinned(argv, cpu),
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE if talks else log_file,
            stderr=log_file,
            text=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """End a process that leads its session: SIGTERM first, SIGKILL to its whole group when it lingers."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def find(name: str, *also: Path) -> Path | None:
    """The program of that name on the PATH or in /usr/sbin, or the first of `also` that exists."""
    for path in also:
        if path.exists():
            return path
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    return Path(found) if found else None
