"""``trunkline dev fcm|webpush``: the stand-ins as app developers start them, pushed to by what they tell."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from trunkline.push.fcm.plan import FcmPlan
from trunkline.push.fcm.pusher import FcmPusher
from trunkline.push.notification import Notification, Purpose, PushAddress, Service
from trunkline.push.webpush.pusher import WebPushPlan, WebPushPusher
from trunkline.push.webpush.vapid import VapidKey

DEADLINE_S = 60.0
DATA = {"type": "incoming_call", "callToken": "c"}


class Command:
    """A running stand-in."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def row(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.line())
        return found

    async def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(DEADLINE_S):
            return await self.process.wait()


@asynccontextmanager
async def dev(*arguments: str | Path) -> AsyncIterator[Command]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trunkline", "dev", *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_fcm_is_stood_in_for(tmp_path: Path) -> None:
    account, ca = tmp_path / "account.json", tmp_path / "ca.pem"
    options = ("--account-out", account, "--ca-out", ca, "--script", "503", "--json")
    async with dev("fcm", *options) as command:
        about = await command.row()
        assert account.stat().st_mode & 0o077 == 0, "it holds a key"
        # Another process is asked, which a busy machine may hold up: it is not asked once more for that.
        base_url = about["push.fcm.base_url"]
        plan = FcmPlan(service_account_path=account, base_url=base_url, ca=ca, timeout_s=DEADLINE_S)
        pusher = FcmPusher(plan)
        await pusher.start()
        try:
            address = PushAddress(Service.FCM, "device:1")
            assert (await pusher.send(Notification(address, Purpose.CALL, "1", DATA))).sent
        finally:
            await pusher.stop()
        assert [(await command.row())["status"] for _ in range(2)] == [503, 200]
        assert await command.end() == 0


async def test_webpush_is_stood_in_for(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    async with dev("webpush", "--ca-out", ca) as command:
        about = dict([(await command.line()).split(maxsplit=1) for _ in range(5)])
        inside = (ipaddress.ip_network("127.0.0.0/8"),)
        plan = WebPushPlan(inside=inside, ca=ca, timeout_s=DEADLINE_S)
        pusher = WebPushPusher(plan, VapidKey(ec.generate_private_key(ec.SECP256R1()), "mailto:a@b.test"))
        try:
            address = PushAddress(
                Service.WEBPUSH, about["endpoint"], p256dh=about["p256dh"], auth=about["auth"]
            )
            assert (await pusher.send(Notification(address, Purpose.CALL, "1", DATA))).sent
        finally:
            await pusher.stop()
        line = await command.line()
        assert line.startswith(f"201 {about['endpoint']} ttl=0 urgency=high ")
        assert line.endswith(json.dumps(DATA, separators=(",", ":")))
        assert await command.end() == 0


@pytest.mark.parametrize("service", ["fcm", "webpush"])
async def test_a_wrong_script_is_told(service: str) -> None:
    async with dev(service, "--script", "200,soon") as command:
        async with asyncio.timeout(DEADLINE_S):
            assert await command.process.wait() == 2


@pytest.mark.parametrize("what", ["apns", "fcm", "webpush"])
async def test_a_port_that_is_taken_is_told_in_words(what: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "trunkline", "dev", what, "--port", str(other.getsockname()[1])),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(DEADLINE_S):
            _, said = await process.communicate()
    assert process.returncode == 1
    assert b"cannot listen" in said
    assert b"--port" in said
