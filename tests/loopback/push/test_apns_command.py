"""``trunkline dev apns`` as a program of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.loopback.push.apns_kit import DEADLINE_S, TEAM_WITH_KEY, call, token_of
from trunkline.push.apns.plan import ApnsPlan
from trunkline.push.apns.provider_token import ProviderTokens
from trunkline.push.apns.pusher import ApnsPusher
from trunkline.push.notification import Outcome


@asynccontextmanager
async def stand_in(folder: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ends by SIGTERM, with 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline", "dev", "apns", "--ca-out", str(folder / "ca.pem"), *options),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
        process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        return (await process.stdout.readline()).decode().rstrip("\n")


@asynccontextmanager
async def gateway(folder: Path, url: str) -> AsyncIterator[ApnsPusher]:
    # Another process is asked, which a busy machine may hold up: it is not asked twice for that.
    plan = ApnsPlan(
        (TEAM_WITH_KEY,),
        production_url=url,
        sandbox_url=url,
        ca=folder / "ca.pem",
        patience_s=DEADLINE_S,
        request_s=DEADLINE_S,
        connect_s=DEADLINE_S,
    )
    pusher = ApnsPusher(plan, tokens=ProviderTokens())
    await pusher.start()
    try:
        yield pusher
    finally:
        await pusher.stop()


async def test_each_push_is_a_line_of_json_without_the_provider_token(tmp_path: Path) -> None:
    script = f"{token_of(2)}=410:1700000000"
    async with stand_in(tmp_path, "--json", "--script", script) as process:
        url = json.loads(await line_of(process))["listening"]
        async with gateway(tmp_path, url) as pusher:
            assert (await pusher.send(call(1))).sent
            assert (await pusher.send(call(2))).outcome is Outcome.GONE
        lines = [await line_of(process), await line_of(process)]
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert [(row["token"], row["status"], row["reason"]) for row in rows] == [
        (token_of(1), 200, ""),
        (token_of(2), 410, "Unregistered"),
    ]
    assert rows[0]["payload"]["callerUri"] == "alice@example.com"
    assert "bearer" not in "".join(lines).lower()


async def test_people_get_a_line_that_they_can_read(tmp_path: Path) -> None:
    async with stand_in(tmp_path) as process:
        url = (await line_of(process)).split()[-1]
        async with gateway(tmp_path, url) as pusher:
            assert (await pusher.send(call(1))).sent
        line = await line_of(process)
    assert line.startswith(f"200  voip com.example.app.voip to {token_of(1)}  {{")


async def test_a_script_that_is_none_is_told(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline", "dev", "apns", "--script", "sing"),
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE_S):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert b"saw 'sing', expected 200, 503" in said
