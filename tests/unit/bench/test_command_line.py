"""What the command line asks for."""

from pathlib import Path

import pytest

from bench.__main__ import parse
from bench.plan import FULL, QUICK


def test_everything_is_measured_in_full_unless_told_otherwise() -> None:
    options, settings = parse([])
    assert options.measure == "all"
    assert settings == FULL


def test_quick_is_shorter_and_single_options_still_win() -> None:
    _, settings = parse(["calls", "--quick", "--rates", "100,400", "--servers", "trunkline,sippy"])
    assert (settings.runs, settings.seconds) == (QUICK.runs, QUICK.seconds)
    assert settings.rates == (100, 400)
    assert settings.servers == {"trunkline", "sippy"}


def test_an_external_relay_is_a_process_and_its_ports() -> None:
    options, _ = parse(["relay", "--external", "4711:/tmp/ports"])
    assert (options.external.pid, options.external.ports_file) == (4711, Path("/tmp/ports"))  # noqa: S108


def test_an_unknown_measure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["registrations"])
    assert "register" in capsys.readouterr().err
