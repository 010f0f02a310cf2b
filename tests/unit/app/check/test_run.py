"""All areas together: wrong settings, an area that hangs, one that breaks, and the command itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from trunkline.app import check as package
from trunkline.app.check import run
from trunkline.app.check.finding import Area, Case, Finding, Findings, Grade
from trunkline.app.check.run import check, look, worst
from trunkline.app.cli import app
from trunkline.app.settings.file import load_settings

OK, WARN, FAIL = (Finding("x", grade, f"it is {grade}", "mend it") for grade in Grade)


def areas(**given: Area) -> dict[str, Area]:
    return given


@pytest.fixture
def case(tmp_path: Path) -> Case:
    loaded = load_settings(None, tmp_path, env={})
    return Case(loaded, loaded.data)


def test_every_area_is_asked_in_its_order(case: Case) -> None:
    assert look(case, areas(a=lambda _case: [OK], b=lambda _case: [WARN, FAIL]), 5.0) == [OK, WARN, FAIL]
    assert (worst([OK]), worst([OK, WARN]), worst([WARN, FAIL])) == (Grade.OK, Grade.WARN, Grade.FAIL)


def test_an_area_that_hangs_is_told_and_left(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    # The time is over once the first one has answered, and not before.
    times = iter([0.0, 0.0, 60.0])
    monkeypatch.setattr(run, "time", SimpleNamespace(monotonic=lambda: next(times)))

    def hangs(_case: Case) -> Iterator[Finding]:
        release.wait(30)
        yield OK

    found = look(case, areas(quick=lambda _case: [OK], slow=hangs), 60.0)
    release.set()
    assert [(one.area, one.grade) for one in found] == [("x", Grade.OK), ("slow", Grade.FAIL)]
    assert "no answer within 60 s" in found[1].what


def test_an_area_that_breaks_does_not_hide_the_others(case: Case) -> None:
    def breaks(_case: Case) -> Iterator[Finding]:
        yield OK
        raise LookupError("gone")

    found = look(case, areas(broken=breaks, other=lambda _case: [WARN]), 5.0)
    assert [one.grade for one in found] == [Grade.OK, Grade.FAIL, Grade.WARN]
    assert "LookupError: gone" in found[1].what


def test_wrong_settings_fail_one_by_one_and_the_host_is_looked_at_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("domian = 1\nnode = 999\n")
    found = check(tmp_path / "t.toml", tmp_path)
    wrong = [one for one in found if one.area == "configuration"]
    assert [one.grade for one in wrong] == [Grade.FAIL, Grade.FAIL]
    assert any("did you mean domain?" in one.mend for one in wrong)
    assert {"disk", "clock"} <= {one.area for one in found}


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the command gets."""
    found: list[Finding] = []
    monkeypatch.setattr(package, "check", lambda _config, _data: found)
    return found


@pytest.mark.parametrize(
    ("given", "options", "code"),
    [
        ([OK], [], 0),
        ([OK, WARN], [], 0),
        ([OK, WARN], ["--strict"], 1),
        ([OK, FAIL], [], 1),
    ],
)
def test_the_exit_code_tells_whether_something_failed(
    findings: list[Finding], given: list[Finding], options: list[str], code: int
) -> None:
    findings += given
    result = CliRunner().invoke(app, ["check", *options])
    assert result.exit_code == code
    assert f"{len(given)} findings" in result.output


def test_json_has_all_of_it(findings: list[Finding]) -> None:
    findings += [OK, Findings("disk").fail("full", "make room")]
    result = CliRunner().invoke(app, ["check", "--json"])
    assert json.loads(result.output) == {
        "ok": False,
        "failed": 1,
        "warned": 0,
        "findings": [
            {"area": "x", "grade": "ok", "what": "it is ok", "mend": "mend it"},
            {"area": "disk", "grade": "fail", "what": "full", "mend": "make room"},
        ],
    }
