"""Builds the load generators (C) and installs the peers that come from PyPI, into build/bench/."""

import platform
import sys
from pathlib import Path

from bench.plan import BENCH, BUILD
from bench.process import Argv, BenchError, find, run

PROGRAMS = ("register_load", "rtp_load", "rtp_blast", "rtp_speakers", "relay_floor")
URING_HEADER = Path("/usr/include/liburing.h")
SRTP_HEADER = Path("/usr/include/srtp2/srtp.h")
SIPPY = "sippy==2.5.0"
SIPPY_FOLDER = BUILD / "sippy"
SIPPY_PROGRAM = SIPPY_FOLDER / "bin" / "b2bua_simple"


def program(name: str) -> Path:
    """The path of one of our load generators."""
    return BUILD / name


def build_programs() -> None:
    """Compile what is older than its sources; SRTP is left out without libsrtp2-dev, io_uring without liburing-dev."""
    compiler = find("cc") or find("gcc")
    if compiler is None:
        raise BenchError("no C compiler: apt-get install gcc")
    BUILD.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in (BENCH / "load").iterdir())
    for name in (*PROGRAMS, *(["relay_uring"] if URING_HEADER.exists() else [])):
        target = program(name)
        if target.exists() and target.stat().st_mtime > newest:
            continue
        source = BENCH / "load" / f"{name}.c"
        run(
            [compiler, "-O2", "-Wall", "-Wextra", "-o", target, source, *_libraries(name), "-lm"],
            timeout_s=60,
        )


def _libraries(name: str) -> list[str]:
    if name == "rtp_load" and SRTP_HEADER.exists():
        return ["-DWITH_SRTP", "-lsrtp2"]
    return ["-luring"] if name == "relay_uring" else []


def compile_bpf(name: str) -> Path:
    """Compile a program for the kernel; BenchError where that cannot be done."""
    compiler = find("clang")
    if compiler is None:
        raise BenchError("no clang: apt-get install clang libbpf-dev")
    target, source = BUILD / f"{name}.bpf.o", BENCH / "load" / f"{name}.bpf.c"
    headers = f"-I/usr/include/{platform.machine()}-linux-gnu"
    run([compiler, "-O2", "-g", "-Wall", "-target", "bpf", headers, "-c", source, "-o", target], timeout_s=60)
    return target


def install_sippy() -> None:
    """Put sippy into a virtual environment of its own; it brings dependencies that are not ours.

    Raises BenchError when PyPI cannot be reached or its C extensions do not compile.
    """
    if SIPPY_PROGRAM.exists():
        return
    run([sys.executable, "-m", "venv", SIPPY_FOLDER], timeout_s=120)
    pip: Argv = [
        SIPPY_FOLDER / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    run([*pip, SIPPY], timeout_s=300)
