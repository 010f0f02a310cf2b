"""docs/standards.md is what the sources and the tests say."""

from __future__ import annotations

from pathlib import Path

from scripts.removals import removals
from scripts.standards import page
from tests.peers.programs import ROOT


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/standards.md").read_text() == page(), "run: make docs"


def written(root: Path, source: str, test: str) -> Path:
    """A project of one source file and one test."""
    (root / "src/trunkline").mkdir(parents=True)
    (root / "src/trunkline/a.py").write_text(source)
    (root / "tests").mkdir()
    (root / "tests/test_a.py").write_text(test)
    (root / "tests/rules.toml").write_text(
        '[T-06]\ntitle = "CANCEL"\n[T-24]\ntitle = "SRTP"\nlater = "all"\n'
    )
    removal = '[[removal]]\nrule = "T-06"\nwhat = "the wait"\nfile = "a.py"\ntests = ["tests/test_a.py"]\n'
    (root / "tests/removals.toml").write_text(removal)
    return root


def test_citations_and_marks_meet_in_one_row(tmp_path: Path) -> None:
    marks = '@pytest.mark.rfc(3261, "9.1")\n@pytest.mark.rule("T-06")\ndef test_a(): ...\n'
    text = page(written(tmp_path, "# RFC 3261 §9.1: only after a provisional.\n", marks))
    assert "| 9.1 | `src/trunkline/a.py` | `tests/test_a.py` | tested |" in text
    assert "| T-06 | CANCEL | `tests/test_a.py` | tested |" in text
    assert "| T-24 | SRTP | none | later: all |" in text
    assert "| T-06 | the wait, in `a.py` | `tests/test_a.py` |" in text


def test_a_section_without_a_test_says_so(tmp_path: Path) -> None:
    assert "| 8.4 | `src/trunkline/a.py` | none | cited |" in page(
        written(tmp_path, '"""RFC 3264 §8.4"""\n', "")
    )


def test_what_is_taken_away_stands_where_it_is_looked_for() -> None:
    for each in removals():
        assert (ROOT / each.file).read_text().count(each.find) == 1, f"{each.rule}: {each.what}"
        assert each.replace != each.find
        for test in each.tests:
            assert (ROOT / test.partition("::")[0]).is_file(), test
