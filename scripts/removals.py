"""Take the code of rules of interoperability away, one at a time in a scratch copy, and see their tests fail.

    python -m scripts.removals [T-07 ...]

A test that stays green without the code that it is about proves nothing. tests/removals.toml says what is taken
away. Exit status 1 when a test did not notice, or when it fails in the unchanged copy already.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.progress import track

ROOT: Final = Path(__file__).resolve().parents[1]
REMOVALS: Final = ROOT / "tests/removals.toml"
_COPIED: Final = ("src", "tests", "scripts", "examples", "pyproject.toml")
_DEADLINE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Removal:
    """In ``file``, ``find`` (which stands there once) becomes ``replace``; ``tests`` must fail then."""

    rule: str
    what: str
    file: str
    find: str
    replace: str
    tests: list[str]


def removals() -> list[Removal]:
    """All of them, in the order of the file."""
    return [Removal(**each) for each in tomllib.loads(REMOVALS.read_text())["removal"]]


def main(wanted: list[str]) -> int:
    """See the tests of these rules fail, or of all."""
    chosen = [each for each in removals() if not wanted or each.rule in wanted]
    if not chosen:
        sys.stderr.write(f"no removal for {', '.join(wanted)}: tests/removals.toml has others\n")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(Path(folder))
        unnoticed = [each for each in track(chosen, "removing", transient=True) if not _noticed(copy, each)]
    for each in chosen:
        verdict = "NOT NOTICED" if each in unnoticed else "noticed"
        sys.stdout.write(f"{each.rule}  {verdict:<12} without {each.what}\n")
    return 1 if unnoticed else 0


def _copied(folder: Path) -> Path:
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
            )
        else:
            shutil.copy(source, folder / name)
    return folder


def _noticed(copy: Path, removal: Removal) -> bool:
    """Whether the tests pass as things are, and fail without the code."""
    path = copy / removal.file
    whole = path.read_text()
    if _status(copy, removal.tests) != 0:
        return False
    path.write_text(whole.replace(removal.find, removal.replace, 1))
    try:
        return _status(copy, removal.tests) == 1  # 1: tests failed; others: they could not even be run
    finally:
        path.write_text(whole)


def _status(copy: Path, tests: list[str]) -> int:
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    run = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            run, cwd=copy, env=environment, capture_output=True, timeout=_DEADLINE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return 1
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
