"""The command line against a stand-in for the exchange."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.unit.app.fakes import FakeExchange
from trunkline.app.cli import app, asking, explain, extension, live, past
from trunkline.app.cli import registrations as registrations_commands
from trunkline.app.control_client import NotRunning
from trunkline.app.settings.file import Loaded
from trunkline.base.errors import TransportError
from trunkline.base.messages import (
    AddExtension,
    ExplainNumber,
    ExtensionRow,
    ImportExtensions,
    ListRecords,
    RegistrationsRemoved,
    RemoveRegistrations,
    Stop,
)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """No exchange runs with this data folder; the store answers."""
    fake = FakeExchange("1001", "1002")
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path))
    monkeypatch.setattr(asking, "load_wiring", lambda: fake)
    return fake


@pytest.fixture
def running(offline: FakeExchange, monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """The same, with an exchange that answers everything."""

    class Running:
        def ask(self, request: Any) -> Any:
            coroutine = offline.handle(request)
            try:
                coroutine.send(None)
            except StopIteration as done:
                return done.value
            raise AssertionError("the fake never waits")

    @contextmanager
    def exchange(_data: Path | None, _tenant: str | None = None) -> Iterator[Running]:
        yield Running()

    for module in (explain, extension, live, past, registrations_commands):
        monkeypatch.setattr(module, "exchange", exchange)
    return offline


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def test_help_names_every_command_and_gives_examples() -> None:
    top = run("--help")
    assert top.exit_code == 0
    for command in (
        "up",
        "extension",
        "calls",
        "registrations",
        "records",
        "explain",
        "hangup",
        "status",
        "version",
    ):
        assert command in top.stdout
    assert "trunkline extension import people.csv" in run("extension", "import", "--help").stdout


def test_a_wrong_option_or_command_is_a_usage_error() -> None:
    assert run("calls", "--jsno").exit_code == 2
    assert run("exten").exit_code == 2
    assert run("records", "--limit", "0").exit_code == 2
    assert run("records", "--since", "yesterday").exit_code == 2


@pytest.mark.parametrize("command", ["calls", "registrations", "status", "stop", "hangup x"])
def test_what_needs_a_running_exchange_says_so(offline: FakeExchange, command: str) -> None:
    result = run(*command.split())
    assert result.exit_code == 3
    assert "no exchange is running with the data folder" in result.stderr
    assert "trunkline up" in result.stderr
    assert offline.asked == []


@pytest.mark.parametrize("command", ["extension list", "records", "explain 1002 --from 1001", "explain c-1"])
def test_what_only_needs_the_store_works_without_an_exchange(offline: FakeExchange, command: str) -> None:
    assert run(*command.split()).exit_code == 0
    assert (offline.opened, offline.closed) == (1, 1)


def test_listing_a_folder_that_does_not_exist_makes_none(offline: FakeExchange, tmp_path: Path) -> None:
    assert run("extension", "list", "--data", str(tmp_path / "none")).exit_code == 3
    assert offline.opened == 0
    assert run("extension", "add", "3001", "--data", str(tmp_path / "none")).exit_code == 0


def test_a_generated_password_is_printed_once(offline: FakeExchange) -> None:
    result = run("extension", "add", "2001", "--name", "Front desk")
    assert result.exit_code == 0
    assert result.stdout == "extension 2001 added\npassword abcd-efgh\n"
    assert offline.asked == [AddExtension(number="2001", name="Front desk")]


def test_a_weak_given_password_is_accepted_with_a_warning(offline: FakeExchange) -> None:
    result = run("extension", "add", "2001", "--password", "2001", "--contact", "sip:door@192.0.2.1")
    assert result.exit_code == 0
    assert result.stdout == "extension 2001 added\n"
    assert "warning: the password of 2001 is weak" in result.stderr


def test_a_password_can_come_from_standard_input(offline: FakeExchange) -> None:
    assert run("extension", "add", "2001", "--password", "-", stdin="quiet-otter\n").exit_code == 0
    assert offline.asked == [AddExtension(number="2001", password="quiet-otter")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a b"], "the number"),
        (["1", "--contact", "http://x"], "the contact"),
        (["1", "--password", ""], "password"),
    ],
)
def test_a_wrong_extension_never_reaches_the_exchange(
    offline: FakeExchange, arguments: list[str], said: str
) -> None:
    result = run("extension", "add", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert offline.asked == []


def test_a_refusal_is_one_with_its_next_step(offline: FakeExchange) -> None:
    result = run("extension", "add", "1001")
    assert result.exit_code == 1
    assert result.stderr == "error: 1001 exists\nremove it first\n"
    assert offline.closed == 1


def test_add_as_json(offline: FakeExchange) -> None:
    assert json.loads(run("extension", "add", "2001", "--json").stdout) == {
        "number": "2001", "name": "", "contact": None, "bindings": 0, "max_calls": None, "password": "abcd-efgh",
        "warnings": [],
    }  # fmt: skip


def test_lists_are_read_page_by_page(offline: FakeExchange) -> None:
    offline.extensions = {f"{number:04}": ExtensionRow(f"{number:04}") for number in range(1200)}
    assert len(json.loads(run("extension", "list", "--json").stdout)) == 1200
    assert len(offline.asked) == 3


def test_records_stop_at_the_limit(offline: FakeExchange) -> None:
    rows = json.loads(run("records", "--limit", "700", "--number", "1001", "--json").stdout)
    assert [row["id"] for row in rows] == [f"r-{at}" for at in range(700)]
    assert [(ask.limit, ask.number) for ask in offline.asked if isinstance(ask, ListRecords)] == [
        (500, "1001"), (200, "1001"),
    ]  # fmt: skip
    assert rows[0]["story"][1]["data"] == {"contacts": 2}


def test_records_since_an_age(offline: FakeExchange) -> None:
    run("records", "--since", "2h")
    asked = offline.asked[0]
    assert isinstance(asked, ListRecords)
    assert asked.since == pytest.approx(time.time() - 7200, abs=60)


def test_remove(offline: FakeExchange) -> None:
    assert run("extension", "remove", "1001").stdout == "extension 1001 removed (1 registration)\n"
    assert run("extension", "remove", "1001").exit_code == 1


def test_explain_is_a_dry_run_with_from_and_a_story_without(offline: FakeExchange) -> None:
    dry = run("explain", "1002", "--from", "1001").stdout
    assert offline.asked[0] == ExplainNumber(number="1002", caller="1001")
    assert dry.splitlines()[0] == "1001 dials 1002"
    assert "      12 ms  route.extension           1002 is an extension  [contacts=2]" in dry
    assert "486 rings 2 contacts (route.extension)" in dry
    assert run("explain", "c-1").stdout.startswith("call c-1\n")
    assert json.loads(run("explain", "c-1", "--json").stdout)["steps"][0]["code"] == "call.received"


def test_calls_and_registrations_in_a_pipe_are_plain_columns(running: FakeExchange) -> None:
    head, row = run("calls").stdout.splitlines()
    assert head.split() == ["CALL", "FROM", "TO", "STATE", "SINCE", "DURATION", "LEGS", "MEDIA"]
    assert row.split()[:4] == ["c-1", "1001", "1002", "answered"]
    assert "1:15" in row
    registrations = run("registrations").stdout
    assert "\x1b" not in registrations
    assert "sip:1001@192.0.2.9" in registrations
    assert json.loads(run("calls", "--json").stdout)[0]["call"] == "c-1"
    assert json.loads(run("registrations", "--json").stdout)[0]["expires_s"] == 59.9


def test_hang_up_status_and_stop(running: FakeExchange) -> None:
    assert run("hangup", "c-1").stdout == "call c-1 is ending (2 legs)\n"
    assert run("hangup", "c-2").exit_code == 1
    status = run("status")
    assert "1d 01:01:01" in status.stdout
    assert "udp:0.0.0.0:5060 as 192.0.2.1:5060 for phones" in status.stdout
    assert "warning: disk is full" in status.stderr
    assert json.loads(run("status", "--json").stdout)["pid"] == 42
    assert run("stop", "--grace", "0").stdout == "stopping: 2 calls may go on for 0 s\n"
    assert running.asked[-1] == Stop(grace_s=0.0)


def test_version() -> None:
    assert run("version").stdout.startswith("trunkline 0.")
    assert set(json.loads(run("version", "--json").stdout)) == {"trunkline", "python"}


def test_up_hands_the_settings_over_and_exits_with_its_code(
    offline: FakeExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Loaded] = []

    def start(loaded: Loaded) -> int:
        seen.append(loaded)
        return 7

    monkeypatch.setattr("trunkline.app.cli.up.load_wiring", lambda: offline)
    monkeypatch.setattr(offline, "run", start)
    result = run("up", "--domain", "a.example", "--listen", "udp:127.0.0.1:0", "--data", str(tmp_path))
    assert result.exit_code == 7
    assert seen[0].settings.domain == "a.example"
    assert seen[0].data.path == tmp_path


def test_up_with_a_wrong_file_lists_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("domian = 1\nnode = 999\n")
    result = run("up", "--config", str(tmp_path / "t.toml"))
    assert result.exit_code == 2
    assert "did you mean domain?" in result.stderr
    assert "node: saw 999, expected at most 255" in result.stderr


def test_a_broken_exchange_is_exit_code_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def exchange(_data: Path | None, _tenant: str | None = None) -> None:
        raise TransportError("the control socket broke")

    monkeypatch.setattr(live, "exchange", exchange)
    assert run("calls").exit_code == 1
    assert NotRunning(Path("/d/control.sock")).args == ("no exchange is running with the data folder /d",)


def write(tmp_path: Path, text: str) -> str:
    (tmp_path / "people.csv").write_text(text)
    return str(tmp_path / "people.csv")


def test_import_checks_every_chunk_before_it_writes_one(offline: FakeExchange, tmp_path: Path) -> None:
    rows = "".join(f"{number},long-and-good-{number},Phone {number},\n" for number in range(2000, 3200))
    result = run("extension", "import", write(tmp_path, f"number,password,name,contact\n{rows}"))
    assert result.exit_code == 0
    assert result.stdout.startswith("1200 extensions added, 0 replaced\n")
    checks = [ask.check for ask in offline.asked if isinstance(ask, ImportExtensions)]
    assert checks == [True] * 5 + [False] * 5
    assert len(offline.extensions) == 1202


def test_import_of_a_number_that_exists_imports_nothing(offline: FakeExchange, tmp_path: Path) -> None:
    file = write(tmp_path, "number,password\n3001,x-y-z-1234\n1002,x-y-z-1234\n")
    result = run("extension", "import", file)
    assert result.exit_code == 2
    assert f"{file}:3: 1002 exists" in result.stderr
    assert "nothing was imported" in result.stderr
    assert "3001" not in offline.extensions
    assert run("extension", "import", file, "--replace").exit_code == 0


def test_import_prints_generated_passwords_once(offline: FakeExchange, tmp_path: Path) -> None:
    result = run("extension", "import", write(tmp_path, "number\n3001\n"))
    assert result.stdout.splitlines()[1:] == ["NUMBER  PASSWORD", "3001    pq-rs"]
    assert "warning: one is weak" in result.stderr
    again = json.loads(run("extension", "import", write(tmp_path, "number\n3002\n"), "--json").stdout)
    assert again["generated"] == [{"number": "3002", "password": "pq-rs"}]


def test_import_of_a_bad_row_never_reaches_the_exchange(offline: FakeExchange, tmp_path: Path) -> None:
    result = run("extension", "import", write(tmp_path, "number,password\n3001,good-and-long\na b,x\n"))
    assert result.exit_code == 2
    assert "people.csv:3: the number must be" in result.stderr
    assert offline.asked == []


def test_registrations_are_ended_one_by_one_or_all_of_them_on_purpose(running: FakeExchange) -> None:
    running.answer(
        RemoveRegistrations, lambda ask: RegistrationsRemoved(removed=2, numbers=(ask.number or "all",))
    )
    assert run("registrations", "remove", "1001").stdout == "2 registrations ended\n"
    whole = run("registrations", "remove", "--all", "--yes", "--json")
    assert json.loads(whole.stdout) == {"removed": 2, "numbers": ["all"]}
    asked = [ask for ask in running.asked if isinstance(ask, RemoveRegistrations)]
    assert [(ask.number, ask.force) for ask in asked] == [("1001", False), (None, True)]
    for wrong in ((), ("1001", "--all")):
        result = run("registrations", "remove", *wrong)
        assert result.exit_code == 2
        assert "expected a NUMBER, or --all" in result.output
