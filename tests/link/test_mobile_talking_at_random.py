"""Apps and their exchange do to calls that are up whatever they like, at once; each question has an answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest

from tests.link.memory_network import Weather
from tests.link.mobile import TENANT, App, MobileStage
from tests.link.phones import describe
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError
from trunkline.base.messages.app_calls import HoldAppCall, PressKeys, TransferAppCall
from trunkline.base.messages.request import Refused
from trunkline.mobile.office import HandOverPolicy

PAUSES = (0.0, 0.0, 0.01, 0.5, 2.0, 25.0)


async def app_fiddles(stage: MobileStage, phone: App, dice: random.Random) -> None:
    token, owner = phone.token, phone.device.owner
    calls = stage.app_calls
    for version in range(dice.randrange(1, 8)):
        await asyncio.sleep(dice.choice(PAUSES))
        body = describe("10.9.9.9", version=100 + version)
        changed = HoldAppCall(call_token=token, owner=owner, held=True, sdp_offer=body.decode())
        asked: list[Callable[[], Awaitable[object]]] = [
            partial(calls.hold, TENANT, HoldAppCall(call_token=token, owner=owner, held=True)),
            partial(calls.hold, TENANT, HoldAppCall(call_token=token, owner=owner, held=False)),
            partial(calls.hold, TENANT, changed),
            partial(calls.press, TENANT, PressKeys(call_token=token, owner=owner, digits="1#")),
            partial(
                calls.transfer, TENANT, TransferAppCall(call_token=token, owner=owner, destination="100")
            ),
            partial(phone.answer_change, body),
            phone.hang_up,
        ]
        # Whatever is asked is answered: a question without an answer would end as a deadline's fault.
        with suppress(Refused):
            async with asyncio.timeout(120):
                await dice.choice(asked)()
        if dice.random() < 0.2:
            stage.devices.live ^= {phone.device.id}


async def pbx_fiddles(stage: MobileStage, dice: random.Random) -> None:
    pbx = stage.pbx
    for version in range(dice.randrange(1, 6)):
        await asyncio.sleep(dice.choice(PAUSES))
        pbx.offer_answer = dice.choice((describe("10.0.0.1", version=50 + version), 488, 491))
        pbx.answer_with = dice.choice((200, 202, 500, 405))
        with suppress(LocalProtocolError):
            if dice.random() < 0.15:
                pbx.dialogue.hang_up()
            else:
                with suppress(TimeoutError):
                    body = dice.choice((b"", describe("10.0.0.1", version=70 + version)))
                    await asyncio.wait_for(pbx.reoffer(body), 40)


@pytest.mark.scenario(13)
@pytest.mark.parametrize("seed", range(60))
@virtual
async def test_whatever_is_changed_each_question_is_answered_and_nothing_is_left(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311  (a test's repeatable dice)
    weather = Weather(loss=dice.choice((0.0, 0.1)), duplicate=0.1, late=0.1)
    stage = MobileStage(
        HandOverPolicy(media=dice.choice(("bypass", "relay"))),
        weather=weather,
        seed=seed,
    )
    phone = stage.app("phone", live=True)
    stage.ring_app()
    await stage.until_event(phone, "call.incoming")
    await phone.accept()
    await stage.until_event(phone, "call.confirmed")
    await asyncio.gather(app_fiddles(stage, phone, dice), pbx_fiddles(stage, dice))
    await phone.hang_up()
    await stage.settle()
    assert len([name for name in phone.events if name == "call.ended"]) == 1
    assert phone.events[-1] == "call.ended"
