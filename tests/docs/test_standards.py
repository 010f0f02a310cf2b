"""docs/standards.md is what the sources and the tests say."""

from __future__ import annotations

from pathlib import Path

from scripts.standards import page
from tests.peers.programs import ROOT


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/standards.md").read_text() == page(), "run: make docs"


def test_citations_and_marks_meet_in_one_row(tmp_path: Path) -> None:
    (tmp_path / "src/trunkline").mkdir(parents=True)
    (tmp_path / "tests").mkdir()
    (tmp_path / "src/trunkline/a.py").write_text("# RFC 3261 §9.1: only after a provisional.\n")
    marks = '@pytest.mark.rfc(3261, "9.1")\n@pytest.mark.rule("T-06")\ndef test_a(): ...\n'
    (tmp_path / "tests/test_a.py").write_text(marks)
    text = page(tmp_path)
    assert "| 9.1 | `src/trunkline/a.py` | `tests/test_a.py` |" in text
    assert "| T-06 | `tests/test_a.py` |" in text


def test_a_section_without_a_test_says_so(tmp_path: Path) -> None:
    (tmp_path / "src/trunkline").mkdir(parents=True)
    (tmp_path / "src/trunkline/a.py").write_text('"""RFC 3264 §8.4"""\n')
    assert "| 8.4 | `src/trunkline/a.py` | none |" in page(tmp_path)
