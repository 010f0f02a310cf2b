"""scripts/require-tools: what is missing, or too old, is named before anything is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def require(folder: Path, version: str) -> subprocess.CompletedProcess[str]:
    cargo = folder / "cargo"
    cargo.write_text(f'#!/bin/sh\necho "cargo {version} (0123456 2024-01-01)"\n')
    cargo.chmod(0o755)
    return subprocess.run(
        [ROOT / "scripts/require-tools"],
        env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("version", ["1.89.0", "1.100.1", "2.0.0-nightly"])
def test_a_compiler_that_will_do(tmp_path: Path, version: str) -> None:
    done = require(tmp_path, version)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_compiler_that_is_too_old(tmp_path: Path) -> None:
    done = require(tmp_path, "1.75.0")
    assert done.returncode == 1
    assert "Rust 1.89 or later, this one is 1.75.0" in done.stderr
