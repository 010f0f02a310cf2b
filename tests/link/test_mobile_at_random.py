"""Apps, callers, providers and the weather do what they like; each call ends, once, and no phone is pushed twice."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress

import pytest

from tests.link.memory_network import Weather
from tests.link.mobile import App, MobileStage
from tests.link.virtual_time import virtual
from trunkline.base.messages.request import Refused
from trunkline.mobile.office import HandOverPolicy
from trunkline.push.notification import Fate, Outcome, Purpose

FATES = (
    Fate(Outcome.SENT, 200),
    Fate(Outcome.SENT, 200),
    Fate(Outcome.SENT, 200),
    Fate(Outcome.GONE, 410, "Unregistered"),
    Fate(Outcome.UNAVAILABLE, 503),
)
POLICIES = ("on_invite", "on_push_accepted", "on_device_fetch")


async def fiddle(stage: MobileStage, phone: App, dice: random.Random) -> None:
    """An app without a plan."""
    for _ in range(dice.randrange(1, 7)):
        await asyncio.sleep(dice.choice((0.0, 0.01, 0.3, 2.0, 12.0)))
        if not phone.events:
            continue
        with suppress(Refused):
            await dice.choice(
                (phone.get, phone.ringing, phone.accept, phone.accept, phone.reject, phone.hang_up)
            )()
        if dice.random() < 0.2:
            stage.devices.live ^= {phone.device.id}


@pytest.mark.scenario(13)
@pytest.mark.parametrize("seed", range(60))
@virtual
async def test_whatever_happens_the_call_ends_and_nothing_is_left(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  (a test's repeatable dice)
    weather = Weather(loss=dice.choice((0.0, 0.1)), duplicate=0.1, late=0.1)
    policy = HandOverPolicy(provisional=dice.choice(POLICIES))  # type: ignore[arg-type]
    stage = MobileStage(policy, weather=weather, seed=seed)
    stage.provider.takes_s = dice.choice((0.0, 0.05, 2.0))
    phones = [stage.app(f"phone {index}", live=dice.random() < 0.3) for index in range(dice.randrange(1, 4))]
    for phone in phones:
        stage.provider.fates[phone.device.push_token] = dice.choice(FATES)
    stage.ring_app(body=b"" if dice.random() < 0.2 else None)
    work = [asyncio.ensure_future(fiddle(stage, phone, dice)) for phone in phones]
    if dice.random() < 0.6:
        stage.loop.call_later(dice.choice((0.02, 0.06, 1.0, 5.0, 30.0)), stage.pbx.dialogue.hang_up)
    await asyncio.gather(*work)
    await asyncio.sleep(100)
    stage.pbx.dialogue.hang_up()
    await stage.settle()
    pushed = Counter(stage.provider.calls)
    assert all(count == 1 for count in pushed.values())
    for phone in phones:
        ends = [
            name for name in phone.events if name.startswith(("call.ended", "call.canc")) or "where" in name
        ]
        assert len(ends) <= 1
        assert phone.events.count("call.incoming") <= 1
    voip = {one.address.token for one in stage.provider.sent if one.purpose is not Purpose.CALL}
    assert not any(token.startswith("voip-") for token in voip)
