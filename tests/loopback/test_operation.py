"""A running exchange as its operator handles it: reload, drain, log levels, readiness."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from tests.peers.exchange import DOMAIN, ExchangeProcess
from tests.peers.ports import free_ports, is_bound
from trunkline.app.control_client import ControlClient
from trunkline.base.message_codec import Message
from trunkline.base.messages import Drain, Refused, Reload, Request, SetLogLevel, ShowLog, Status

R = TypeVar("R", bound=Message)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    async with ExchangeProcess(folder, [], listen=("udp", "tcp", "tls", "ws", "wss")) as running:
        yield running


class SettingsFile:
    """The file that the exchange was started with, changed for a test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = path.read_text()

    def change(self, old: str, new: str) -> None:
        """From how it was at first."""
        assert old in self.before
        self.path.write_text(self.before.replace(old, new))

    def add(self, text: str) -> None:
        self.path.write_text(self.path.read_text() + text)

    def put_back(self) -> None:
        self.path.write_text(self.before)


@pytest.fixture
def settings(exchange: ExchangeProcess) -> Iterator[SettingsFile]:
    file = SettingsFile(exchange.settings)
    yield file
    file.put_back()
    tell(exchange, Reload())


def tell(exchange: ExchangeProcess, request: Request[R]) -> R:
    """What a command of the command line asks, without the time that its program takes to start."""
    with ControlClient(exchange.folder / "data/control.sock") as client:
        return client.ask(request)


def ask(exchange: ExchangeProcess, method: str, port: int = 0) -> str:
    """The status line that a request gets over UDP."""
    host, port = "127.0.0.1", port or exchange.sip_port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.settimeout(25)
        phone.connect((host, port))
        mine = phone.getsockname()[1]
        uri = f"sip:{DOMAIN}" if method != "INVITE" else f"sip:9196@{DOMAIN}"
        phone.send(
            (
                f"{method} {uri} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{mine};branch=z9hG4bK{mine}{method};rport\r\n"
                f"From: <sip:301@{DOMAIN}>;tag={mine}\r\nTo: <sip:301@{DOMAIN}>\r\n"
                f"Call-ID: {mine}-{method}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
                f"Contact: <sip:301@{host}:{mine}>\r\nContent-Length: 0\r\n\r\n"
            ).encode()
        )
        while True:
            head = phone.recv(65536).decode()
            if not head.startswith("SIP/2.0 100"):
                return head.partition("\r\n")[0]


async def logged(exchange: ExchangeProcess, words: str) -> None:
    """Wait until the log has these words."""
    async with asyncio.timeout(60):
        while words not in exchange.log():  # noqa: ASYNC110  (a file tells nobody that it has grown)
            await asyncio.sleep(0.02)


async def test_a_reload_applies_what_it_can_and_tells_the_rest(
    exchange: ExchangeProcess, settings: SettingsFile
) -> None:
    settings.change("[media]", "ring_timeout_s = 20\n[media]\nworkers = 2")
    plan = await exchange.ask("reload", "--dry-run")
    done = await exchange.ask("reload")
    assert plan == done | {"dry_run": True, "done": plan["done"]}
    assert [change["key"] for change in done["applied"]] == ["sip.ring_timeout_s"]
    assert [change["key"] for change in done["restart"]] == ["media.workers"]
    assert done["done"] == ["1 certificate read anew"]


async def test_a_wrong_file_is_refused_with_the_words_of_a_start(
    exchange: ExchangeProcess, settings: SettingsFile
) -> None:
    settings.add("[log]\nlevle = 'debug'\n")
    code, _out, errors = await exchange.attempt("reload")
    assert code == 2
    start, _out, at_start = await exchange.attempt("up", "--config", str(settings.path))
    assert start == 2
    assert at_start.strip() in errors
    assert f"{settings.path}: log.levle: saw an unknown key" in errors
    assert "nothing has changed" in errors
    assert (await exchange.readiness())[0] == 200


async def test_sighup_reloads_and_a_wrong_file_does_no_harm(
    exchange: ExchangeProcess, settings: SettingsFile
) -> None:
    settings.change("[sip]", "[sip]\nnope = 1")
    exchange.hangup_signal()
    await logged(exchange, "settings refused, nothing has changed")
    settings.change("[sip]", "[sip]\nmax_contacts = 2")
    exchange.hangup_signal()
    await logged(exchange, "sip.max_contacts: 10 -> 2")
    assert ask(exchange, "OPTIONS").startswith("SIP/2.0 200")


async def test_listeners_come_and_go_while_the_others_serve(
    exchange: ExchangeProcess, settings: SettingsFile
) -> None:
    fresh = free_ports(1)
    listed = f'"udp:127.0.0.1:{exchange.sip_port}", '
    settings.change(listed, f'{listed}"udp:127.0.0.1:{fresh}", "tcp:127.0.0.1:{fresh}", ')
    done = tell(exchange, Reload())
    assert [change.key for change in done.applied] == ["sip.listen"]
    assert "listeners: 2 added, 0 removed" in done.done
    assert ask(exchange, "OPTIONS", fresh) == ask(exchange, "OPTIONS") == "SIP/2.0 200 OK"
    reader, writer = await asyncio.open_connection("127.0.0.1", fresh)
    settings.put_back()
    assert "listeners: 0 added, 2 removed" in tell(exchange, Reload()).done
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    writer.close()
    assert not is_bound(fresh, "udp")
    assert not is_bound(fresh, "tcp")
    assert ask(exchange, "OPTIONS") == "SIP/2.0 200 OK"


async def test_a_listener_that_cannot_be_bound_refuses_the_reload_wholly(
    exchange: ExchangeProcess, settings: SettingsFile
) -> None:
    fresh = free_ports(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = other.getsockname()[1]
        listed = f'"udp:127.0.0.1:{exchange.sip_port}", '
        settings.change(listed, f'{listed}"tcp:127.0.0.1:{fresh}", "udp:127.0.0.1:{taken}", ')
        code, _out, errors = await exchange.attempt("reload")
    assert code == 2
    assert f"UDP 127.0.0.1:{taken}, which is in use by" in errors
    assert not is_bound(fresh, "tcp")
    assert len(tell(exchange, Status()).listeners) == 5


async def test_a_listener_that_changes_on_its_port_waits_for_a_restart(
    exchange: ExchangeProcess, settings: SettingsFile
) -> None:
    url = f"udp:127.0.0.1:{exchange.sip_port}"
    settings.change(f'"{url}"', f'{{ url = "{url}", role = "trunk" }}')
    assert [change.key for change in tell(exchange, Reload()).restart] == ["sip.listen"]


async def test_metrics_move_to_another_port(exchange: ExchangeProcess, settings: SettingsFile) -> None:
    before, fresh = exchange.metrics_port, free_ports(1)
    settings.change(f":{before}", f":{fresh}")
    tell(exchange, Reload())
    exchange.metrics_port = fresh
    assert (await exchange.readiness())[0] == 200
    settings.put_back()
    tell(exchange, Reload())
    exchange.metrics_port = before
    assert (await exchange.readiness())[0] == 200


async def test_a_port_that_is_taken_is_refused_and_metrics_stay(
    exchange: ExchangeProcess, settings: SettingsFile
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        settings.change(f":{exchange.metrics_port}", f":{taken}")
        settings.add("[log]\nlevel = 'error'\n")
        code, _out, errors = await exchange.attempt("reload")
    assert code == 2
    assert f"cannot serve metrics on 127.0.0.1:{taken}" in errors
    assert (await exchange.readiness())[0] == 200
    assert tell(exchange, ShowLog()).level == "info"


async def test_a_draining_exchange_refuses_calls_and_serves_registrations(exchange: ExchangeProcess) -> None:
    assert "no new calls; 0 are up" in await exchange.run("drain")
    try:
        statuses = [ask(exchange, method).split()[1] for method in ("OPTIONS", "INVITE", "REGISTER")]
        assert statuses == ["503", "503", "401"]
        status, ready = await exchange.readiness()
        assert (status, ready["ready"], ready["state"]) == (503, False, "draining")
        assert tell(exchange, Status()).state == "draining"
        assert "the last call has ended" in await exchange.run("drain", "--wait")
    finally:
        tell(exchange, Drain(undo=True))
    assert ask(exchange, "OPTIONS").split()[1] == "200"
    assert (await exchange.readiness())[1]["reasons"] == []


async def test_levels_change_until_the_next_reload(exchange: ExchangeProcess) -> None:
    state = await exchange.ask("log", "level", "net", "debug")
    (row,) = [row for row in state["loggers"] if row["name"] == "net"]
    assert row == {"name": "net", "level": "debug", "own": True}
    assert tell(exchange, SetLogLevel(level="warning")).level == "warning"
    tell(exchange, Reload())
    now = tell(exchange, ShowLog())
    assert now.level == now.configured == "info"
    assert not any(logger.own for logger in now.loggers)


@pytest.mark.parametrize(
    ("level", "logger", "said"),
    [
        ("loud", None, "loud is no level"),
        ("debug", "exchagne", "did you mean exchange?"),
        ("debug", "zzz", "trunkline log show lists them"),
    ],
)
async def test_an_unknown_level_or_logger_is_refused(
    exchange: ExchangeProcess, level: str, logger: str | None, said: str
) -> None:
    with pytest.raises(Refused, match=re.escape(said)):
        tell(exchange, SetLogLevel(level=level, logger=logger))


async def test_a_check_beside_a_running_exchange_asks_it(
    exchange: ExchangeProcess, settings: SettingsFile
) -> None:
    settings.change("[media]", "ring_timeout_s = 33\n[media]\nworkers = 3")
    _code, out, _errors = await exchange.attempt("check", "--config", str(settings.path), "--json")
    found = [(one["area"], one["grade"], one["what"]) for one in json.loads(out)["findings"]]
    for transport in ("udp", "tcp", "tls", "ws", "wss"):
        name = f"{transport}:127.0.0.1:{exchange.port(transport)}"
        assert ("exchange", "ok", f"OPTIONS to {name}: 200 OK") in found
        assert any(
            area == "ports" and what.startswith(f"{name} is held by our own") for area, _, what in found
        )
    warned = [what for area, grade, what in found if (area, grade) == ("exchange", "warn")]
    assert any("not taken over yet: sip.ring_timeout_s" in what for what in warned)
    assert any("waiting for a restart: media.workers" in what for what in warned)
    assert [what for area, grade, what in found if grade == "fail" and area != "limits"] == []


async def test_a_check_of_a_draining_exchange_warns(exchange: ExchangeProcess) -> None:
    tell(exchange, Drain())
    try:
        _code, out, _errors = await exchange.attempt("check", "--config", str(exchange.settings), "--json")
    finally:
        tell(exchange, Drain(undo=True))
    warned = [one["what"] for one in json.loads(out)["findings"] if one["grade"] == "warn"]
    assert any("503" in what for what in warned)
    assert any("is draining" in what for what in warned)
