"""A key of Apple's replaced while a phone is being woken."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.push.apns_kit import BUNDLE, call, until
from tests.unit.app.test_push_reload import settings, write_key
from trunkline.app.mobile_plans import apns_plan
from trunkline.app.push_plane import PushPlane
from trunkline.app.settings import Settings
from trunkline.push.apns.plan import ApnsPlan
from trunkline.push.doubles.apns import FakeApns
from trunkline.push.notification import Service

DEADLINE_S = 60.0


class HeldApns(FakeApns):
    """Answers what it was asked when it is told to."""

    holds = False

    def __init__(self) -> None:
        super().__init__()
        self._held: list[Any] = []

    def _answer(self, *asked: Any) -> None:
        if self.holds:
            self._held.append(asked)
        else:
            super()._answer(*asked)

    def let_go(self) -> None:
        self.holds = False
        for asked in self._held:
            super()._answer(*asked)


async def reload(plane: PushPlane, new: Settings) -> list[Service]:
    async with AsyncExitStack() as undo:
        change = await plane.prepare(new, undo)
        undo.pop_all()
    plane.take(change)
    return list(change.fresh)


async def test_what_is_under_way_ends_by_the_key_before_and_the_next_goes_by_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def patient(given: Settings) -> ApnsPlan | None:
        plan = apns_plan(given)
        return plan and replace(plan, patience_s=DEADLINE_S, request_s=DEADLINE_S, connect_s=DEADLINE_S)

    monkeypatch.setattr("trunkline.app.push_recipes.apns_plan", patient)
    apple, key = HeldApns(), tmp_path / "AuthKey.p8"
    await apple.start()
    (tmp_path / "ca.pem").write_bytes(apple.authority.ca_pem)
    write_key(key)
    where = {"base_url": apple.url, "key_path": str(key), "key_id": "RELOADED01", "team_id": "RELOADED02"}
    new = settings(ca=str(tmp_path / "ca.pem"), apns={**where, "bundle_id": BUNDLE})
    plane = PushPlane(new, tmp_path, time.time)
    await plane.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            assert (await plane.pushers.send(call(1))).sent
            assert await reload(plane, new) == []
            apple.holds = True
            waking = asyncio.create_task(plane.pushers.send(call(2)))
            await until(lambda: len(apple.pushes) == 2)
            apple.holds = False
            write_key(key)
            assert await reload(plane, new) == [Service.APNS]
            assert (await plane.pushers.send(call(3))).sent
            assert not waking.done()
            apple.let_go()
            assert (await waking).sent
        first, second, third = apple.pushes
        assert first.connection == second.connection != third.connection
        assert len(apple.changes.seen) == 2, "one token for each key"
        assert plane.pushers.figures()[Service.APNS].outcomes.total() == 3
        await until(lambda: [one.number for one in apple.connections] == [third.connection])
        key.write_text("no key")
        with pytest.raises(Exception, match="holds no PEM private key"):
            await reload(plane, new)
        assert (await plane.pushers.send(call(4))).sent
        assert [one.word for one in plane.health() if one.service is Service.APNS] == ["ready"]
    finally:
        await plane.stop()
        await apple.stop()
