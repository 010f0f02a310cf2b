"""What holds for every command: help with an example, JSON, an exit code that says how it went."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from trunkline import __version__
from trunkline.app.cli import PANELS, app
from trunkline.app.cli.bad_file import BadFile
from trunkline.app.cli.errors import report
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.control_client import NotAllowed, NotRunning
from trunkline.app.control_wire import AlreadyRunning
from trunkline.app.terminal import Screen
from trunkline.base.errors import ConfigError, TransportError, TrunklineError
from trunkline.base.messages import Refused, RowProblem

# They run until they are stopped, or print what a shell is to read.
WITHOUT_JSON = ("up ", "completion ", "phone ")
COMMON = ("tenant", "data", "as_json")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands with the words that call them."""
    children = getattr(command, "commands", {})
    for child in children.values():
        yield from commands(child, (*path, child.name))
    if not children:
        yield path, command


def call(name: str, *options: str) -> Result:
    """Run a command with these options."""
    return CliRunner().invoke(app, [*name.split(), *options])


COMMANDS = dict(commands(get_command(app)))
NAMES = [" ".join(path) for path in COMMANDS]


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_a_command_does_and_shows_how(name: str) -> None:
    words = name.split()
    result = call(name, "--help")
    assert result.exit_code == 0, result.output
    assert "Examples:" in result.stdout
    shown = [line.strip() for line in result.stdout.splitlines() if line.strip().startswith("trunkline ")]
    assert shown, "an example begins with the program's name"
    assert any(words[-1] in line.split() for line in shown)
    assert COMMANDS[tuple(words)].help
    assert not any(char in result.stdout for char in "╭│╰\x1b\b")


@pytest.mark.parametrize("name", NAMES)
def test_every_option_and_argument_is_explained(name: str) -> None:
    for parameter in COMMANDS[tuple(name.split())].params:
        assert parameter.help, f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", [name for name in NAMES if not f"{name} ".startswith(WITHOUT_JSON)])
def test_every_command_speaks_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[tuple(name.split())].params)


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_option_is_a_usage_error_everywhere(name: str) -> None:
    result = call(name, "--no-such-option")
    assert result.exit_code == ExitCode.USAGE
    assert "--no-such-option" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrunklineError("it did not work"), ExitCode.FAILED),
        (Refused("extension.exists", "it exists", "change it", 409), ExitCode.FAILED),
        (Refused("extension.invalid", "that is no number"), ExitCode.USAGE),
        (TransportError("the control socket broke"), ExitCode.FAILED),
        (BadFile(Path("people.csv"), [RowProblem(3, "is wrong")]), ExitCode.USAGE),
        (NotAllowed(Path("/d/control.sock")), ExitCode.FAILED),
        (AlreadyRunning(7, Path("/d/control.lock")), ExitCode.FAILED),
        (ConfigError("trunkline.toml", "node", "999", "at most 255"), ExitCode.USAGE),
        (NotRunning(Path("/d/control.sock")), ExitCode.NOT_RUNNING),
    ],
)
def test_exit_codes(error: TrunklineError, code: ExitCode, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(Screen(), error) is code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")


def test_exit_codes_are_documented() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0, "FAILED": 1, "USAGE": 2, "NOT_RUNNING": 3, "INTERRUPTED": 130,
    }  # fmt: skip
    epilog = " ".join((get_command(app).epilog or "").split())
    reference = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"
    for code in ExitCode:
        assert f" {code.value} " in f"{epilog}"
        assert f"| {code.value} |" in reference.read_text()


def test_a_file_that_cannot_be_read_is_an_error_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "/d/control.sock")

    monkeypatch.setattr("trunkline.app.cli.live.exchange", refuse)
    result = CliRunner().invoke(app, ["calls"])
    assert result.exit_code == 1
    assert result.stderr.startswith("error: /d/control.sock: Permission denied\n")
    assert len(result.stderr.splitlines()) == 2


def test_nothing_slow_is_imported_before_a_command_needs_it() -> None:
    """Completion runs the program at every key press of Tab."""
    slow = ("alembic", "cryptography", "prometheus_client", "pydantic", "sqlalchemy", "structlog", "uvloop")
    code = f"import sys, trunkline.app.cli; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_command_takes_has_a_word_for_people(name: str) -> None:
    for parameter in COMMANDS[tuple(name.split())].params:
        if parameter.param_type_name == "argument" or not parameter.is_flag:
            assert parameter.metavar, f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", NAMES)
def test_options_of_all_commands_come_in_one_order(name: str) -> None:
    shared = [one.name for one in COMMANDS[tuple(name.split())].params if one.name in COMMON]
    assert shared == [one for one in COMMON if one in shared]


def test_every_command_has_its_place_on_the_first_page() -> None:
    placed = [name for names in PANELS.values() for name in names]
    assert sorted(placed) == sorted(get_command(app).commands)  # type: ignore[attr-defined]
    page = CliRunner().invoke(app, ["--help"]).stdout
    assert [page.index(f"\n{title}:\n") for title in PANELS] == sorted(
        page.index(f"\n{title}:\n") for title in PANELS
    )
    assert all(f"\n  {name} " in page for name in placed)


def test_the_version_is_told_as_every_program_tells_it() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"trunkline {__version__}\n")


def test_a_wrong_call_gets_one_line_of_error_and_the_usage() -> None:
    result = CliRunner().invoke(app, ["extension", "export", "--jsno"])
    assert result.exit_code == ExitCode.USAGE
    assert result.stderr.splitlines() == [
        "error: no such option: --jsno (Possible options: --json)",
        "Usage: trunkline extension export [OPTIONS] [FILE.csv]  (--help tells more)",
    ]


@pytest.mark.parametrize(
    "words", [("phone", "call", "--help"), ("phone", "--help"), ("phone", "answer", "-h")]
)
def test_the_phone_explains_itself_without_being_told_who_it_is(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == 0
    assert "--user" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("phone", "--user", "1001", "--password", "x", "--transport=nope", "call", "1"),
        ("phone", "call", "1", "--user", "1001", "--transport=nope", "--password", "x"),
        ("phone", "--user", "1001", "call", "--transport", "nope", "1", "--password", "x"),
    ],
)
def test_the_options_of_the_phone_may_stand_anywhere(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--server", "127.0.0.1:9"])
    assert result.exit_code == ExitCode.USAGE
    assert "saw 'nope', expected one of udp, tcp, tls" in result.stderr


def test_who_forgets_the_data_folder_of_a_service_is_told_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    error = NotRunning(tmp_path / "mine" / "control.sock")
    monkeypatch.setattr("trunkline.app.cli.errors.SERVICE_FOLDER", tmp_path / "service")
    report(Screen(), error)
    assert (
        f"start one: trunkline up; or name its data folder with --data (this is {tmp_path}"
        in capfd.readouterr().err
    )
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "control.sock").touch()
    report(Screen(), error)
    assert f"one runs with {tmp_path}/service: --data {tmp_path}/service" in capfd.readouterr().err


def test_who_may_not_is_told_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: -1)
    report(Screen(), NotAllowed(tmp_path / "control.sock"))
    assert (
        f"{tmp_path} belongs to {tmp_path.owner()}: run this as {tmp_path.owner()}" in capfd.readouterr().err
    )
