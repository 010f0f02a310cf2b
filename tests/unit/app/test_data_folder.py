"""The data folder, what extensions may be called, and addresses."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from trunkline.app.addresses import HostPort, is_host, parse_host_port
from trunkline.app.data_folder import create_data_folder, find_data_folder
from trunkline.app.extension_rules import (
    check_extension,
    check_number,
    generate_password,
    weak_warning,
    weakness,
)
from trunkline.base.errors import ConfigError


def test_the_folder_is_found_in_order_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = {"TRUNKLINE_DATA": "/named", "XDG_DATA_HOME": "/xdg"}
    assert (find_data_folder(Path("d"), env).path, find_data_folder(Path("d"), env).why) == (
        tmp_path / "d",
        "--data",
    )
    assert (find_data_folder(None, env).path, find_data_folder(None, env).why) == (
        Path("/named"),
        "$TRUNKLINE_DATA",
    )
    assert find_data_folder(None, {"XDG_DATA_HOME": "/xdg"}).path == Path("/xdg/trunkline")
    assert find_data_folder(None, {"XDG_DATA_HOME": "xdg"}).path == Path.home() / ".local/share/trunkline"
    (tmp_path / "data").mkdir()
    assert find_data_folder(None, {}).path == tmp_path / "data"
    assert find_data_folder(None, {}).why == "./data exists"
    assert find_data_folder(None, {}).socket == tmp_path / "data/control.sock"


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert create_data_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert not create_data_folder(tmp_path / "a" / "b")


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(ConfigError, match="a folder, and this is a file"):
        create_data_folder(tmp_path / "f")
    with pytest.raises(ConfigError, match="a folder we may create"):
        create_data_folder(tmp_path / "f" / "g" / "h")


@pytest.mark.parametrize("number", ["1001", "u100000", "+4930", "a.b-c_d", "x" * 64])
def test_numbers_and_names_are_taken(number: str) -> None:
    assert check_number(number) == ""


@pytest.mark.parametrize(
    "number", ["", "a b", "1@x", "x" * 65, "é", "-1", "1;x", "1\n", "*98", "1#", "~a", "a!"]
)
def test_what_is_no_number_is_refused(number: str) -> None:
    assert "the number must be" in check_number(number)


def test_every_problem_is_told_and_no_password() -> None:
    problems = check_extension("a b", "hunter2\x00", "n\n", "tel:1")
    assert len(problems) == 4
    assert "hunter2" not in " ".join(problems)
    assert check_extension("1", None, "", "sip:door@192.0.2.1:5060;transport=tcp") == []


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("1001", "own number"), ("short", "5 characters"), ("password123!!", "first that attackers"),
        ("aaaaaaaaaaaa", "same few"), ("84736251904", "digits alone"), ("quiet-otter-stamps", ""),
    ],
)  # fmt: skip
def test_weak_passwords_are_known(password: str, why: str) -> None:
    assert why in weakness("1001", password)
    assert bool(weak_warning("1001", password)) == bool(why)
    assert password not in " ".join(weak_warning("777", password))


def test_generated_passwords_are_strong_and_easy_to_type() -> None:
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(weakness("1001", one) == "" and not set(one) & set("0O1lI") for one in made)


def test_addresses() -> None:
    assert parse_host_port("[::1]:5060") == HostPort("::1", 5060)
    assert str(parse_host_port("[::1]")) == "[::1]"
    assert str(HostPort("a.example", 0)) == "a.example:0"
    assert is_host("a-b.example")
    assert not is_host("1.2.3")
    assert not is_host("a_b")
    for wrong in ("", ":1", "[::1", "[::1]x", "::1", "a:b", "a:65536", "a:\u0661"):
        with pytest.raises(ValueError, match=r"host|port|brackets"):
            parse_host_port(wrong)
