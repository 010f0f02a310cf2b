"""Requests within the call of a phone whose connection is gone wait for it (RFC 8599 §6.2.3), in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import MemoryFlow
from tests.link.phones import Party, describe
from tests.link.sleeping import SleepStage, SleepyPhone
from tests.link.stage import HOST
from tests.link.test_push_registrar import ANDROID, IPHONE
from tests.link.virtual_time import virtual
from trunkline.call.sip_leg import SipLeg
from trunkline.push.notification import Fate, Outcome
from trunkline.registrar.ports import Wake
from trunkline.registrar.push_record import PushRecord
from trunkline.registrar.waking_policy import WakingPolicy
from trunkline.ua.sessions import ServerSession

pytestmark = [pytest.mark.scenario(16), pytest.mark.rfc("8599", "6.2.3")]
HELD = describe("10.0.0.1", "a=sendonly", version=2)


class Scene:
    """1001 talks with the phone of 1002, whose system has closed its connection since."""

    def __init__(self, stage: SleepStage, caller: Party, phone: SleepyPhone) -> None:
        self.stage = stage
        self.caller = caller
        self.phone = phone

    @classmethod
    async def begin(cls, push: str = ANDROID) -> Scene:
        stage = SleepStage(WakingPolicy(refresh=False))
        stage.connected = True
        caller, phone = stage.party(), stage.phone("1002", "10.0.0.2", push)
        caps = (await phone.register()).headers["Feature-Caps"]
        purr = caps.partition('+sip.pnspurr="')[2].partition('"')[0]

        def answer(session: ServerSession) -> None:
            session.contact = f"<sip:1002@10.0.0.2:5060;pn-purr={purr}>"
            session.answer(phone.body)

        phone.on_invite = answer
        caller.call(HOST, "1002")
        await caller.until("answered")
        await phone.until("acknowledged")
        scene = cls(stage, caller, phone)
        scene.fall_asleep()
        return scene

    def fall_asleep(self) -> None:
        leg = self.stage.calls.all[-1].legs[1]
        assert isinstance(leg, SipLeg)
        assert leg.session is not None
        flow = leg.session.flow
        assert isinstance(flow, MemoryFlow)
        flow.closed = True
        self.stage.lost.add(flow.token)
        self.phone.sleep()

    def wakes_by_push(self, after_s: float = 2.0) -> None:
        def on_push(_record: PushRecord, _wake: Wake) -> None:
            self.stage.loop.call_later(after_s, self.comes)

        self.stage.waker.on_push = on_push

    def comes(self) -> None:
        self.stage.lost.clear()
        self.phone.wake()

    async def forget(self) -> None:
        """The phone comes at last, and finds that its call is over."""
        self.phone.node.silent_since = float("inf")
        self.phone.dialogue.hang_up()
        await self.stage.settle()

    async def hang_up(self) -> None:
        self.caller.dialogue.hang_up()
        await self.caller.until("ended hangup")
        await self.stage.settle()


@virtual
async def test_a_change_waits_for_the_phone_and_goes_by_its_new_connection() -> None:
    scene = await Scene.begin()
    scene.wakes_by_push()
    begun = scene.stage.loop.time()
    status, _ = await scene.caller.reoffer(HELD)
    assert status == 200
    assert scene.stage.loop.time() - begun > 2
    assert scene.stage.waker.reasons == ["refresh"]
    await scene.hang_up()
    assert scene.phone.said[-1] == "ended bye", "whose connection stands again"
    assert scene.stage.waker.reasons == ["refresh"]


@virtual
async def test_a_bye_waits_for_the_phone_and_the_call_is_over_meanwhile() -> None:
    scene = await Scene.begin()
    scene.wakes_by_push(10.0)
    scene.caller.dialogue.hang_up()
    await asyncio.sleep(1)
    assert scene.caller.said[-1] == "ended hangup"
    assert scene.phone.said[-1] != "ended bye"
    assert not scene.stage.calls.active
    await scene.phone.until("ended bye")
    assert scene.stage.waker.reasons == ["refresh"]
    await scene.stage.settle()


@virtual
async def test_several_requests_send_one_push_and_arrive_in_order() -> None:
    scene = await Scene.begin()
    scene.wakes_by_push(3.0)
    change = asyncio.ensure_future(scene.caller.reoffer(HELD))
    await asyncio.sleep(1)
    scene.caller.dialogue.hang_up()
    await scene.phone.until("ended bye")
    assert scene.stage.waker.reasons == ["refresh"]
    change.cancel()
    await scene.stage.settle()


@pytest.mark.rfc("4320", "4.2")
@virtual
async def test_when_the_phone_does_not_come_the_peer_hears_it_in_time() -> None:
    scene = await Scene.begin()
    begun = scene.stage.loop.time()
    response = await scene.caller.dialogue.request(
        "INFO", body=b"Signal=5", content_type="application/dtmf-relay"
    )
    assert response.status in {408, 480, 500}
    assert 20 < scene.stage.loop.time() - begun < 32
    await scene.forget()
    assert scene.caller.said[-1] == "ended bye", "nobody is there any more"


@virtual
async def test_a_push_that_fails_ends_the_wait() -> None:
    scene = await Scene.begin()
    scene.stage.waker.fate = Fate(Outcome.GONE, 410)
    begun = scene.stage.loop.time()
    status, _ = await scene.caller.reoffer(HELD)
    assert status >= 400
    assert scene.stage.loop.time() - begun < 1
    await scene.forget()


@virtual
async def test_a_phone_that_can_only_ring_is_not_woken_and_not_waited_for() -> None:
    scene = await Scene.begin(IPHONE)
    scene.caller.dialogue.hang_up()
    await scene.caller.until("ended hangup")
    await asyncio.sleep(1)
    assert scene.stage.waker.reasons == []
    assert scene.stage.endpoint.sleeping.waiting == 0
    await scene.forget()


@virtual
async def test_who_came_back_before_is_reached_at_once() -> None:
    scene = await Scene.begin()
    scene.comes()
    await asyncio.sleep(1)
    status, _ = await scene.caller.reoffer(HELD)
    assert status == 200
    assert scene.stage.waker.reasons == []
    await scene.hang_up()
