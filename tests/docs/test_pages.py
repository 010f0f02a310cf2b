"""Every command that the documentation shows does what it says; none is shown without a mark."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import read_fences
from tests.docs.runner import PageRunner
from tests.peers.programs import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
INSTALLED = {
    ROOT / "README.md",
    ROOT / "docs/tutorial/first-call.md",
}  # run with the command as it is installed
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def test_the_readme_is_among_the_pages_and_runs_something() -> None:
    fences = read_fences((ROOT / "README.md").read_text())
    assert any(fence.kind == "run" for fence in fences)


@each_page
def test_every_shell_fence_says_whether_it_is_run(page: Path) -> None:
    unmarked = [
        fence.line for fence in read_fences(page.read_text()) if fence.is_shell and fence.kind == "unmarked"
    ]
    assert unmarked == [], (
        f"{page.name}: mark the fences in these lines <!-- run --> or <!-- not run: REASON -->"
    )


@each_page
def test_every_marked_command_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    with PageRunner(tmp_path, warm=page not in INSTALLED) as runner:
        for fence in read_fences(page.read_text()):
            runner.run(fence)
