"""The gateway dies at each step of a call to a sleeping phone: the caller hears a defined end, or the call goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.link.mobile import BOB, App, MobileStage, crash, until
from tests.link.test_mobile_incoming import tag_of_from
from tests.link.virtual_time import virtual
from trunkline.base.messages.request import Refused
from trunkline.push.notification import Purpose

STEPS = ("told", "push_queued", "push_sent", "device_reached", "ringing", "accepted", "answered", "confirmed")


async def lead_to(stage: MobileStage, phone: App, step: str) -> None:
    """Take the call as far as this step."""
    if step in {"told", "push_queued"}:
        stage.provider.takes_s = 1.0
    stage.ring_app()
    await stage.until_event(phone, "call.incoming")
    if step in {"told", "push_queued"}:
        await asyncio.sleep(0)
        return
    await stage.pbx.until("180")
    if step != "push_sent":
        await phone.get()
    if step == "ringing":
        await phone.ringing()
    if step == "accepted":
        stage.keeping.journal.takes_s = 0.4  # the 200 waits for the disk
    if step in {"accepted", "answered", "confirmed"}:
        await phone.accept()
    if step == "answered":
        stage.network.drop = lambda data, _src, _dst: data.startswith(b"ACK")
        await stage.pbx.until("answered")
        await asyncio.sleep(0.1)
    if step == "confirmed":
        await stage.until_event(phone, "call.confirmed")
    assert (await phone.status()).state == step


@pytest.mark.scenario(11)
@pytest.mark.parametrize("step", STEPS)
@virtual
async def test_the_call_goes_on_wherever_the_gateway_dies(step: str) -> None:
    stage = MobileStage()
    keeping = stage.keep_calls()
    phone = stage.app("phone", live=step == "told")
    await lead_to(stage, phone, step)
    pushed = len(stage.provider.calls)
    new = await crash(keeping)
    new.network.drop = lambda _data, _src, _dst: False
    phone.stage = new
    assert (await phone.status()).status in {"pending", "active"}
    await phone.accept()
    await new.pbx.until("answered")
    await until(lambda: "call.confirmed" in phone.events)
    assert (await phone.status()).status == "active"
    assert len(new.provider.calls) == pushed, "nothing is pushed twice"
    await phone.hang_up()
    await new.pbx.until("ended bye")
    await new.settle()


@pytest.mark.scenario(11)
@virtual
async def test_who_shares_a_push_is_pushed_when_the_other_leg_is_withdrawn_after_a_crash() -> None:
    stage = MobileStage()
    keeping = stage.keep_calls()
    stage.app("alice", push_token="the phone")
    bob = stage.app("bob", BOB, push_token="the phone")
    stage.ring_app()
    first = stage.pbx.dialogue
    stage.ring_app(BOB, like=(first.sip_call_id, tag_of_from(stage)))
    await stage.until_event(bob, "call.incoming")
    await stage.until_pushed()
    await keeping.after(1)
    new = await crash(keeping)
    bob.stage = new
    first.hang_up()
    await new.until_pushed(2)
    assert new.provider.of(Purpose.CALL)[-1].data["callToken"] == bob.token
    await bob.accept()
    await until(lambda: "call.confirmed" in bob.events)
    await bob.hang_up()
    await new.settle()


@pytest.mark.scenario(11)
@pytest.mark.parametrize(
    ("swept", "told"),
    [
        (False, ["mobile.push_queued", "call.restored", "mobile.push_earlier", "mobile.reached"]),
        (True, ["mobile.push_queued", "mobile.push_sent", "call.restored", "mobile.reached"]),
    ],
)
@virtual
async def test_the_story_tells_of_a_push_whose_fate_was_not_written_down(
    swept: bool, told: list[str]
) -> None:
    stage = MobileStage()
    keeping = stage.keep_calls()
    phone = stage.app("phone")
    await lead_to(stage, phone, "push_sent")
    if swept:
        await keeping.after(1)
    new = await crash(keeping)
    phone.stage = new
    await phone.get()
    (call,) = new.calls.active.values()
    wanted = {"call.restored", *told}
    assert [step.code for step in call.story.steps if step.code in wanted or "push" in step.code] == told
    new.pbx.dialogue.hang_up()
    await new.settle()


@pytest.mark.scenario(11)
@pytest.mark.parametrize("step", STEPS[1:5])
@virtual
async def test_a_caller_who_gave_up_meanwhile_is_told_so(step: str) -> None:
    stage = MobileStage()
    keeping = stage.keep_calls()
    phone = stage.app("phone")
    await lead_to(stage, phone, step)
    new = await crash(keeping)
    phone.stage = new
    new.pbx.dialogue.hang_up()
    await new.pbx.until("failed 487")
    with pytest.raises(Refused) as refused:
        await phone.accept()
    assert (refused.value.problem.status, refused.value.problem.reason) == (410, "cancelled")
    await new.settle()


@pytest.mark.scenario(11)
@virtual
async def test_a_phone_that_does_not_answer_after_a_crash_ends_in_time() -> None:
    stage = MobileStage()
    keeping = stage.keep_calls()
    phone = stage.app("phone")
    await lead_to(stage, phone, "push_sent")
    new = await crash(keeping)
    await new.pbx.until("failed 480")
    phone.stage = new
    assert (await phone.status()).reason == "expired"
    await new.settle()


@pytest.mark.scenario(11)
@virtual
async def test_a_token_whose_call_is_lost_says_that_we_were_restarted() -> None:
    stage = MobileStage()
    keeping = stage.keep_calls()
    phone = stage.app("phone")
    await lead_to(stage, phone, "push_sent")
    keeping.journal.rows.clear()
    keeping.journal.full = True
    new = await crash(keeping)
    phone.stage = new
    with pytest.raises(Refused) as refused:
        await phone.get()
    assert (refused.value.problem.status, refused.value.problem.reason) == (410, "restarted")
    assert phone.events == ["call.incoming", "call.ended"]
    again = await crash(new.keeping)
    phone.stage = again
    with pytest.raises(Refused) as refused:
        await phone.accept()
    assert (refused.value.problem.status, refused.value.problem.reason) == (410, "restarted"), "still"
    await asyncio.sleep(121)
    late = await crash(again.keeping)
    phone.stage = late
    with pytest.raises(Refused) as refused:
        await phone.get()
    assert refused.value.problem.status == 404
    assert not late.rows.rows


class SlowDisk:
    """What is written is there after ``takes_s``; a crash before loses it."""

    def __init__(self, stage: MobileStage, takes_s: float = 0.008) -> None:
        keeping = stage.keep_calls()
        self.takes_s = takes_s
        self.coming: list[asyncio.TimerHandle] = []
        stage.rows.takes_s = keeping.journal.takes_s = takes_s
        journal, rows = keeping.journal, stage.rows
        write, keep_calls = journal.write, rows.keep_calls
        journal.write = lambda calls: self.later(write, tuple(calls))  # type: ignore[method-assign]
        rows.keep_calls = lambda calls: self.later(keep_calls, tuple(calls))  # type: ignore[method-assign]

        def undo() -> None:
            journal.write, rows.keep_calls = write, keep_calls  # type: ignore[method-assign]

        self.undo = undo
        self.keeping = keeping

    def later(self, write: Any, rows: Any) -> None:
        # A moment before those who wait for it hear so.
        loop = asyncio.get_running_loop()
        self.coming.append(loop.call_later(self.takes_s - 1e-6, write, rows))

    async def crash(self) -> MobileStage:
        for one in self.coming:
            one.cancel()
        self.undo()
        return await crash(self.keeping, down_s=1.2)


@pytest.mark.scenario(11)
@pytest.mark.rfc("3261", "17.2.1")
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(
    "after_ms", [0, 1, 3, 5, 7, 9, 11, 20, 70, 160]
)  # between disk and push: no push, or two
@virtual
async def test_an_invite_is_taken_up_or_comes_again_whenever_the_gateway_dies(
    after_ms: int, live: bool
) -> None:
    stage = MobileStage()
    disk = SlowDisk(stage)
    phone = stage.app("phone", live=live)
    stage.ring_app()
    await asyncio.sleep(0.01 + after_ms / 1000)  # the network's delay is 10 ms
    new = await disk.crash()
    phone.stage = new
    await (until(lambda: bool(new.rows.rows)) if live else new.until_pushed())
    await phone.accept()
    await new.pbx.until("answered")
    await until(lambda: "call.confirmed" in phone.events)
    assert len(new.provider.calls) == (0 if live else 1), "one push, by whichever process"
    await phone.hang_up()
    await new.pbx.until("ended bye")
    await new.settle()


@pytest.mark.rfc("3261", "17.2.1")
@virtual
async def test_a_disk_that_is_slow_holds_the_100_for_less_than_200_ms() -> None:
    stage = MobileStage()
    SlowDisk(stage, takes_s=5.0)
    stage.app("phone")
    stage.ring_app()
    began = stage.loop.time()
    await until(lambda: bool(stage.answers("SIP/2.0 100")))
    assert 0.15 <= stage.loop.time() - began < 0.2
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.scenario(11)
@pytest.mark.parametrize("after_ms", [0, 4, 9, 30, 500, 1100])
@virtual
async def test_a_bye_that_was_answered_holds_whenever_the_gateway_dies(after_ms: int) -> None:
    stage = MobileStage()
    disk = SlowDisk(stage)
    phone = stage.app("phone")
    await lead_to(stage, phone, "confirmed")
    await disk.keeping.after(4)
    stage.pbx.dialogue.hang_up()
    await asyncio.sleep(0.01)  # it is there
    assert stage.pbx.said[-1] != "ended bye"
    await asyncio.sleep(after_ms / 1000)
    disk.keeping.sweep()
    new = await disk.crash()
    phone.stage = new
    await asyncio.sleep(40)
    assert (await phone.status()).status == "ended"
    assert not new.calls.active
    await new.settle()
