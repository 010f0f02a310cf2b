"""/etc/hosts and /etc/resolv.conf, and their changes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from trunkline.net.dns.system import LOOK_AGAIN_S, SystemNames, parse_hosts, parse_servers


def test_hosts_have_addresses_by_every_name() -> None:
    hosts = """
    127.0.0.1 localhost
    192.0.2.1   Sbc.Example sbc   # the border
    2001:db8::1 sbc.example
    192.0.2.1 sbc.example
    # 192.0.2.9 not.this
    nonsense line
    192.0.2.3
    """
    assert parse_hosts(hosts.splitlines()) == {
        "localhost": ("127.0.0.1",),
        "sbc.example": ("192.0.2.1", "2001:db8::1"),
        "sbc": ("192.0.2.1",),
    }


def test_name_servers_are_read_from_resolv_conf() -> None:
    conf = "search a.test\nnameserver 192.0.2.53\noptions rotate\nnameserver 2001:db8::53\nnameserver x\nnameserver"
    assert parse_servers(conf.splitlines()) == (("192.0.2.53", 53), ("2001:db8::53", 53))


def test_not_more_than_some_name_servers_are_taken() -> None:
    assert len(parse_servers(f"nameserver 192.0.2.{number}" for number in range(50))) == 8


@pytest.mark.rfc("6761", "6.3")
@pytest.mark.parametrize("name", ["localhost", "a.localhost"])
async def test_localhost_is_this_machine_without_any_file(name: str, tmp_path: Path) -> None:
    system = SystemNames(tmp_path / "none", tmp_path / "neither")
    await system.refresh(0)
    assert system.addresses(name) == ("127.0.0.1", "::1")
    assert system.addresses("a.test") is None


async def test_without_resolv_conf_this_machines_own_name_server_is_asked(tmp_path: Path) -> None:
    system = SystemNames(tmp_path / "none", tmp_path / "neither")
    assert await system.refresh(0)
    assert system.servers == (("127.0.0.1", 53),)


async def test_changed_files_are_read_again(tmp_path: Path) -> None:
    hosts, conf = tmp_path / "hosts", tmp_path / "resolv.conf"
    hosts.write_text("192.0.2.1 a.test\n")
    conf.write_text("nameserver 192.0.2.53\n")
    system = SystemNames(hosts, conf)
    assert await system.refresh(100)
    hosts.write_text("192.0.2.200 a.test\n")
    conf.write_text("nameserver 192.0.2.54 \n")
    assert not await system.refresh(100 + LOOK_AGAIN_S - 0.1), "files are not looked at for each call"
    assert system.addresses("a.test") == ("192.0.2.1",)
    assert await system.refresh(100 + LOOK_AGAIN_S)
    assert system.addresses("a.test") == ("192.0.2.200",)
    assert system.servers == (("192.0.2.54", 53),)
    hosts.unlink()
    assert not await system.refresh(200)
    assert system.addresses("a.test") is None


class SlowDisk(SystemNames):
    """Reads once ``goes_on`` is set."""

    def __init__(self, hosts: Path, resolv_conf: Path) -> None:
        super().__init__(hosts, resolv_conf)
        self.goes_on = threading.Event()
        self.reading = threading.Event()

    def _read_changed(self) -> Any:
        self.reading.set()
        self.goes_on.wait(60)
        return super()._read_changed()


@pytest.fixture
def slow(tmp_path: Path) -> SlowDisk:
    (tmp_path / "hosts").write_text("192.0.2.1 a.test\n")
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    return SlowDisk(tmp_path / "hosts", tmp_path / "resolv.conf")


async def test_two_calls_that_come_first_both_know_the_files(slow: SlowDisk) -> None:
    first, second = (asyncio.ensure_future(slow.refresh(100)) for _ in range(2))
    await asyncio.to_thread(slow.reading.wait, 60)
    assert not second.done(), "it would find no name server"
    slow.goes_on.set()
    assert await first
    assert not await second
    assert slow.servers == (("192.0.2.53", 53),)


async def test_a_call_that_gives_up_takes_nothing_from_the_next(slow: SlowDisk) -> None:
    gives_up = asyncio.ensure_future(slow.refresh(100))
    await asyncio.to_thread(slow.reading.wait, 60)
    gives_up.cancel()
    slow.goes_on.set()
    await asyncio.gather(gives_up, return_exceptions=True)
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    assert await slow.refresh(101)
    assert slow.addresses("a.test") == ("192.0.2.1",)
