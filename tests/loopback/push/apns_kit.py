"""A stand-in for APNs and a pusher that trusts it, which leave nothing behind."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.loopback.net.conftest import open_descriptors
from trunkline.push.apns.plan import ApnsKey, ApnsPlan, ApnsTeam
from trunkline.push.apns.provider_token import ProviderTokens
from trunkline.push.apns.pusher import ApnsPusher
from trunkline.push.doubles.apns import FakeApns
from trunkline.push.notification import Fate, Notification, Outcome, Purpose, PushAddress, Service

DEADLINE_S = 60.0
TEAM = "TEAM000001"
BUNDLE = "com.example.app"
KEY_PEM = (
    ec.generate_private_key(ec.SECP256R1())
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    .decode()
)
TEAM_WITH_KEY = ApnsTeam(TEAM, BUNDLE, ApnsKey("KEY0000001", pem=KEY_PEM))


@asynccontextmanager
async def fake_apns(**settings: Any) -> AsyncIterator[FakeApns]:
    """Stopped in the end, with all sockets and tasks of both sides gone."""
    before, tasks = open_descriptors(), asyncio.all_tasks()
    one = FakeApns(**settings)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()
    await until(lambda: open_descriptors() <= before and asyncio.all_tasks() <= tasks)


@asynccontextmanager
async def pusher(fake: FakeApns, folder: Path, **plan: Any) -> AsyncIterator[ApnsPusher]:
    """With a connection to the stand-in, unless ``start`` is False."""
    begun = plan.pop("start", True)
    tokens = plan.pop("tokens", None) or ProviderTokens()
    one = ApnsPusher(plan_of(fake, folder, **plan), tokens=tokens)
    try:
        if begun:
            await one.start()
        yield one
    finally:
        await one.stop()


def plan_of(fake: FakeApns, folder: Path, **changed: Any) -> ApnsPlan:
    """Patient: both sides share one loop, which may be busy, and nothing hangs unless a test says so."""
    ca = folder / "ca.pem"
    ca.write_bytes(fake.authority.ca_pem)
    usual: dict[str, Any] = {
        "teams": (TEAM_WITH_KEY,),
        "production_url": fake.url,
        "sandbox_url": "https://127.0.0.1:9",
        "ca": ca,
        "connect_s": 6.0,
        "patience_s": 6.0,
        "request_s": 8.0,
    }
    return ApnsPlan(**{**usual, **changed})


def token_of(number: int) -> str:
    return f"{number:064x}"


def call(number: int = 0, **address: Any) -> Notification:
    """A call for the phone of that number."""
    where = PushAddress(Service.APNS, token_of(number), **address)
    data = {"type": "incoming_call", "callToken": str(uuid.uuid4()), "callerUri": "alice@example.com"}
    return Notification(where, Purpose.CALL, str(uuid.uuid4()), data)


async def all_of(pusher: ApnsPusher, count: int, first: int = 0) -> list[Fate]:
    """So many calls at once, for as many phones."""
    sending = (pusher.send(call(number)) for number in range(first, first + count))
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.gather(*sending)


def outcomes(fates: list[Fate]) -> set[Outcome]:
    return {fate.outcome for fate in fates}


async def until(holds: Callable[[], bool]) -> None:
    """What the other side does is seen when it is seen."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110  (sockets tell no event)
            await asyncio.sleep(0.005)
