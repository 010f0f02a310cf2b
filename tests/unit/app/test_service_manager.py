"""What systemd is told, read from the datagram socket that it would have given."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.app.service_manager import ServiceManager


@pytest.fixture
def manager_socket(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def environment_of(sock: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": sock.getsockname(), **more}


def test_start_reload_and_stop_are_told(manager_socket: socket.socket) -> None:
    manager = ServiceManager(environment_of(manager_socket))
    manager.ready()
    manager.reloading()
    manager.stopping(30.0)
    manager.status("3 calls\nand more")
    assert manager_socket.recv(200) == b"READY=1"
    reloading = manager_socket.recv(200).decode().splitlines()
    assert reloading[0] == "RELOADING=1"
    assert reloading[1].removeprefix("MONOTONIC_USEC=").isdecimal()
    assert manager_socket.recv(200) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=40000000"
    assert manager_socket.recv(200) == b"STATUS=3 calls"


async def test_the_beat_comes_from_the_loop_until_it_is_closed(manager_socket: socket.socket) -> None:
    manager = ServiceManager(environment_of(manager_socket, WATCHDOG_USEC="20000"))
    assert manager.watchdog_s == 0.02
    manager.ready()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        told = [await loop.sock_recv(manager_socket, 200) for _ in range(4)]
    manager.close()
    assert told == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1"]


def test_a_watchdog_of_another_process_is_none_of_ours() -> None:
    other = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert ServiceManager(other).watchdog_s == 0
    assert ServiceManager({"WATCHDOG_USEC": "soon"}).watchdog_s == 0


@pytest.mark.parametrize("address", ["", "relative", "/nobody/listens/here", "@nobody-listens-here"])
def test_without_a_listener_nothing_happens(address: str) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": address})
    manager.ready()
    manager.close()
