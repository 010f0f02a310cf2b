"""``trunkline devices``, ``trunkline tenant api-key`` and ``trunkline secret``."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from trunkline.app.cli import app, devices
from trunkline.base.messages import (
    AppCallList,
    AppCallRow,
    DeviceFound,
    DeviceList,
    DeviceRemoved,
    DeviceRow,
    GetDevice,
    ListAppCalls,
    ListDevices,
    PushTested,
    Refused,
    RemoveDevice,
)
from trunkline.base.messages import TestPush as PushTest  # pytest takes Test… for a class of tests

PHONE = DeviceRow(
    "d-1", "alice", "ios", "alice@pbx.example", "error: 403", True, "voip", "ok", "sandbox",
    since=1_800_000_000.0, live=True,
)  # fmt: skip


class Running:
    """Answers by table; an answer that is an exception is raised."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.tenant: str | None = None
        self.answers: dict[type, Callable[[Any], Any]] = {}

    def ask(self, request: Any) -> Any:
        self.asked.append(request)
        answer = self.answers[type(request)](request)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    exchange = Running()

    @contextmanager
    def asking(_data: Path | None, tenant: str | None = None) -> Iterator[Running]:
        exchange.tenant = tenant
        yield exchange

    monkeypatch.setattr(devices, "exchange", asking)
    return exchange


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_devices_are_listed_of_one_owner(running: Running) -> None:
    running.answers[ListDevices] = lambda _ask: DeviceList(rows=(PHONE,))
    result = run("devices", "list", "--owner", "alice", "--tenant", "acme")
    assert result.exit_code == 0
    assert all(part in result.output for part in ("d-1", "alice@pbx.example", "error: 403", "ios"))
    assert (running.asked[0].owner, running.tenant) == ("alice", "acme")
    assert json.loads(run("devices", "list", "--json").stdout)[0]["id"] == "d-1"


def test_without_devices_only_the_columns_are_named(running: Running) -> None:
    running.answers[ListDevices] = lambda _ask: DeviceList()
    result = run("devices", "list")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)


def test_a_device_is_shown_with_what_is_known_of_it(running: Running) -> None:
    running.answers[GetDevice] = lambda _ask: DeviceFound(device=PHONE)
    lines = [line.split(maxsplit=1) for line in run("devices", "show", "d-1").stdout.splitlines()]
    told = {line[0]: line[1].strip() for line in lines}
    assert (told["owner"], told["status"], told["active"]) == ("alice", "error: 403", "yes")
    assert "next" not in told, "what is unknown is left out"
    assert json.loads(run("devices", "show", "d-1", "--json").stdout)["environment"] == "sandbox"


def test_a_device_that_is_not_there_is_an_error(running: Running) -> None:
    unknown = Refused("device.unknown", "there is no device d-9", "trunkline devices list shows them", 404)
    running.answers[GetDevice] = lambda _ask: unknown
    result = run("devices", "show", "d-9")
    assert result.exit_code == 1
    assert "there is no device d-9" in result.output


@pytest.mark.parametrize(("was_there", "code"), [(True, 0), (False, 1)])
def test_a_device_is_removed_and_told_whether_it_was_there(
    running: Running, was_there: bool, code: int
) -> None:
    running.answers[RemoveDevice] = lambda _ask: DeviceRemoved(was_there=was_there)
    result = run("devices", "remove", "d-1", "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == {"device": "d-1", "was_there": was_there}
    assert ("removed" in run("devices", "remove", "d-1").stdout) is was_there


def test_a_test_push_tells_what_the_service_said(running: Running) -> None:
    running.answers[PushTest] = lambda _ask: PushTested(outcome="sent", status=200)
    assert run("devices", "test-push", "d-1").stdout.strip() == "sent (200)"
    running.answers[PushTest] = lambda _ask: PushTested(outcome="gone", status=410, reason="Unregistered")
    result = run("devices", "test-push", "d-1")
    assert (result.exit_code, result.stdout.strip()) == (1, "gone (410 Unregistered)")
    assert json.loads(run("devices", "test-push", "d-1", "--json").stdout)["outcome"] == "gone"


def test_calls_of_devices_are_listed(running: Running) -> None:
    row = AppCallRow("c-1", "pending", "sent", device_id="d-1", peer="bob@pbx.example")
    running.answers[ListAppCalls] = lambda _ask: AppCallList(rows=(row,))
    result = run("devices", "calls")
    assert all(part in result.output for part in ("c-1", "d-1", "bob@pbx.example", "sent"))
    assert json.loads(run("devices", "calls", "--json").stdout)[0]["status"] == "pending"


# Keys of backends, over the store


def test_a_key_is_made_once_replaced_and_taken_away(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert run("tenant", "add", "acme", *data).exit_code == 0
    assert "has no API key" in run("tenant", "api-key", "acme", *data).output
    first = run("tenant", "api-key", "acme", "--new", *data)
    assert first.exit_code == 0, first.output
    key = first.stdout.strip()
    assert key.startswith("tlk_")
    assert len(key) > 40
    assert "has an API key since" in run("tenant", "api-key", "acme", *data).output
    second = run("tenant", "api-key", "acme", "--new", "--json", *data)
    assert json.loads(second.stdout)["replaced"] is True
    assert json.loads(second.stdout)["key"] != key
    assert run("tenant", "api-key", "acme", "--remove", *data).exit_code == 0
    again = run("tenant", "api-key", "acme", "--remove", *data)
    assert (again.exit_code, "has no API key" in again.output) == (1, True)
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("trunkline.db*"))
    assert key.encode() not in stored


def test_a_key_is_either_made_or_removed(tmp_path: Path) -> None:
    result = run("tenant", "api-key", "acme", "--new", "--remove", "--data", str(tmp_path))
    assert (result.exit_code, "either --new or --remove" in result.output) == (2, True)


def test_a_key_is_of_a_tenant_that_is_there(tmp_path: Path) -> None:
    result = run("tenant", "api-key", "nobody", "--new", "--data", str(tmp_path / "data"))
    assert (result.exit_code, "there is no tenant nobody" in result.output) == (1, True)


# Secrets


def test_secrets_are_long_and_never_the_same() -> None:
    first, second = run("secret").stdout.strip(), json.loads(run("secret", "--json").stdout)["secret"]
    assert len(first) == len(second) == 43
    assert first != second


def test_a_secret_goes_into_a_file_for_its_owner_and_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "auth.secret"
    result = run("secret", "--file", str(file))
    assert result.exit_code == 0
    made = file.read_text()
    assert (len(made.strip()), stat.S_IMODE(file.stat().st_mode)) == (43, 0o600)
    assert made.strip() not in result.output
    again = run("secret", "--file", str(file))
    assert (again.exit_code, file.read_text()) == (2, made)
