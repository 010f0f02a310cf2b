"""``scripts/once`` repeats a step when it must, and only then."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ONCE = Path(__file__).resolve().parents[3] / "scripts" / "once"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in" / "target").mkdir(parents=True)
    (tmp_path / "in" / "source").write_text("first")
    return tmp_path


def step(folder: Path, command: str = "echo ran; touch product") -> str:
    """Run the step; ``ran`` when it was not skipped."""
    words = [str(ONCE), "name", "product", "in", "--", "bash", "-c", command]
    return subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def test_a_step_is_not_repeated(folder: Path) -> None:
    assert step(folder) == "ran"
    assert step(folder) == ""


def test_a_changed_input_repeats_it(folder: Path) -> None:
    step(folder)
    (folder / "in" / "source").write_text("second")
    assert step(folder) == "ran"


def test_what_a_build_leaves_behind_does_not(folder: Path) -> None:
    step(folder)
    (folder / "in" / "target" / "object").write_text("built")
    assert step(folder) == ""


def test_a_missing_product_repeats_it(folder: Path) -> None:
    step(folder)
    (folder / "product").unlink()
    assert step(folder) == "ran"


def test_a_step_that_failed_is_tried_again(folder: Path) -> None:
    step(folder)
    (folder / "in" / "source").write_text("second")
    step(folder, "exit 1")
    assert step(folder) == "ran"


def test_a_moved_checkout_repeats_it(folder: Path) -> None:
    step(folder)
    moved = folder.rename(folder.with_name(folder.name + "-moved"))
    assert step(moved) == "ran"
