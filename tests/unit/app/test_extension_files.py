"""Import and export of extensions: what is written when something stops an import, and who gets a password."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.unit.app.fakes import FakeExchange
from trunkline.app.cli import app, asking
from trunkline.base.errors import TransportError, TrunklineError
from trunkline.base.message_codec import Message
from trunkline.base.messages import ExtensionsImported, ImportExtensions, Refused, Request, RowProblem


class Failing(FakeExchange):
    """Fails when it is to write the rows from ``at`` on."""

    def __init__(self, at: int, error: BaseException | None) -> None:
        super().__init__()
        self._at, self._error = at, error

    async def handle(self, message: Request[Any]) -> Message:
        if isinstance(message, ImportExtensions) and not message.check and message.rows[0].line > self._at:
            if self._error is not None:
                raise self._error
            return ExtensionsImported(problems=(RowProblem(message.rows[0].line, "there is one already"),))
        return await super().handle(message)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def people(tmp_path: Path, count: int, *columns: str) -> str:
    """A file of ``count`` extensions from 2000 on; its first one stands in line 2."""
    path = tmp_path / "people.csv"
    path.write_text("number\n" + "".join(f"{2000 + n}\n" for n in range(count)))
    return str(path)


@pytest.mark.parametrize(
    ("error", "said", "unknown"),
    [
        (Refused("store.full", "the disk is full"), "the disk is full", False),
        (TrunklineError("no more"), "no more", False),
        (TransportError("the exchange closed the control socket"), "closed the control socket", True),
        (KeyboardInterrupt(), "interrupted", True),
        (None, "people.csv:502: there is one already", False),
    ],
)
def test_an_import_that_stops_midway_says_which_lines_are_in(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | None,
    said: str,
    unknown: bool,
) -> None:
    fake = Failing(501, error)
    monkeypatch.setattr(asking, "load_wiring", lambda: fake)
    result = run("extension", "import", people(tmp_path, 1200))
    assert result.exit_code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert said in result.stderr
    assert "lines 2 to 501 were imported\n" in result.stderr
    assert ("lines 502 to 751 may have been imported\n" in result.stderr) is unknown
    assert f"lines {752 if unknown else 502} to 1201 were not imported\n" in result.stderr
    assert "--replace" in result.stderr
    # The passwords of what is in are shown now or never.
    assert result.stdout.startswith("500 extensions added, 0 replaced\nNUMBER  PASSWORD\n2000    pq-rs\n")
    assert len(fake.extensions) == 500


def test_the_summary_of_a_stopped_import_as_json(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "load_wiring", lambda: Failing(251, TrunklineError("no more")))
    result = run("extension", "import", people(tmp_path, 600), "--json")
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["added"], summary["error"]) == (250, 250, "no more")
    assert len(summary["generated"]) == 250


def test_who_has_a_fixed_contact_gets_a_password_only_on_demand(data: Path, tmp_path: Path) -> None:
    contact = ("--contact", "sip:door@192.0.2.10")
    assert run("extension", "add", "3001", *contact).stdout == "extension 3001 added\n"
    assert "password " in run("extension", "add", "3002", *contact, "--generate").stdout
    assert "password " in run("extension", "add", "3003").stdout
    given = run("extension", "add", "3004", *contact, "--password", "quiet-otter-maps", "--json").stdout
    assert json.loads(given)["password"] is None
    (tmp_path / "doors.csv").write_text("number,contact\n3005,sip:door@192.0.2.11\n")
    assert (
        json.loads(run("extension", "import", str(tmp_path / "doors.csv"), "--json").stdout)["generated"]
        == []
    )
    rows = json.loads(run("extension", "export", "--passwords", "--json").stdout)
    assert {row["number"]: bool(row["password"]) for row in rows} == {
        "3001": False, "3002": True, "3003": True, "3004": True, "3005": False,
    }  # fmt: skip
    assert run("extension", "add", "3006", "--generate", "--password", "quiet-otter-maps").exit_code == 2


def test_an_export_can_be_imported_again(data: Path, tmp_path: Path) -> None:
    run("extension", "add", "2001", "--name", 'Smith, "Anna"', "--password", "quiet-otter-maps")
    run("extension", "add", "2002", "--contact", "sip:gate@192.0.2.21:5060", "--max-calls", "3")
    file = tmp_path / "out.csv"
    assert run("extension", "export", str(file)).stdout == f"2 extensions written to {file}\n"
    assert file.read_text() == (
        'number,name,contact,max_calls\n2001,"Smith, ""Anna""",,\n2002,,sip:gate@192.0.2.21:5060,3\n'
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("extension", "export", str(file)).exit_code == 2  # it exists
    with_passwords = run("extension", "export", "--passwords").stdout
    assert with_passwords.splitlines()[1] == '2001,quiet-otter-maps,"Smith, ""Anna""",,'
    assert run("extension", "import", str(file), "--replace").stdout == "0 extensions added, 2 replaced\n"
    assert run("extension", "export", "--passwords").stdout == with_passwords


def test_an_export_without_passwords_never_asks_for_them(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("extension", "add", "2001", "--password", "quiet-otter-maps")
    assert "quiet-otter-maps" not in run("extension", "export", "--json").stdout
    monkeypatch.setattr("trunkline.store.secret_box.SecretBox.open", lambda *_: pytest.fail("opened"))
    assert run("extension", "export").stdout == "number,name,contact,max_calls\n2001,,,\n"


def test_a_file_may_limit_calls(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "limits.csv"
    file.write_text("number,max_calls\n2001,2\n2002,0\n2003,\n")
    assert run("extension", "import", str(file)).exit_code == 0
    file.write_text("number,max_calls\n2001,\n2003,5\n")
    assert run("extension", "import", str(file), "--replace").exit_code == 0
    rows = json.loads(run("extension", "export", "--json").stdout)
    assert [row["max_calls"] for row in rows] == [2, 0, 5]
    file.write_text("number,max_calls\n2004,many\n2005,-1\n2006,9999999\n")
    said = run("extension", "import", str(file)).stderr
    for line in (2, 3):
        assert f"limits.csv:{line}: max_calls must be a whole number" in said
    assert "limits.csv:4: the number of calls must be 0 (any number) to " in said
