"""A call that is over is freed at once: the garbage collector, which stops all others, finds nothing of it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.link.mobile import MobileStage
from tests.link.phones import describe
from tests.link.stage import Stage
from tests.link.talking import talking
from tests.link.test_attended_transfers import TwoCalls
from tests.link.transferring import relays, until_told
from tests.link.virtual_time import virtual
from trunkline.call.app_leg import AppLeg
from trunkline.call.call import Call


@contextmanager
def without_collector() -> Iterator[None]:
    """Only what nobody refers to is freed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("accepted", [False, True])
@virtual
async def test_a_call_of_an_app_that_the_caller_ends(accepted: bool) -> None:
    with without_collector():
        stage = MobileStage()
        phone = stage.app("phone")
        stage.ring_app()
        await stage.pbx.until("180")
        call = weakref.ref(stage.call)
        hand_over = weakref.ref(stage.app_calls._parties[phone.token])
        if accepted:
            await phone.accept()
            await stage.pbx.until("answered")
        stage.pbx.dialogue.hang_up()
        await stage.settle()
        stage.calls.all.clear()
        assert call() is None
        assert hand_over() is None


def last_of(stage: Stage) -> weakref.ref[Call]:
    return weakref.ref(stage.calls.all[-1])


async def is_gone(stage: Stage, call: weakref.ref[Call]) -> bool:
    await stage.settle()
    stage.calls.all.clear()
    return call() is None


@pytest.mark.parametrize("accepted", [False, True])
@virtual
async def test_a_call_of_an_app_that_the_app_ends(accepted: bool) -> None:
    with without_collector():
        stage = MobileStage()
        phone = stage.app("phone")
        stage.ring_app()
        await stage.pbx.until("180")
        call, leg = last_of(stage), stage.call.legs[-1]
        if accepted:
            await phone.accept()
            await stage.pbx.until("answered")
            await phone.hang_up()
        else:
            await phone.reject()
        assert await is_gone(stage, call)
        assert isinstance(leg, AppLeg)
        assert leg.across is None, "whoever comes late finds nobody"


@pytest.mark.parametrize("keys", [False, True])
@pytest.mark.parametrize("by", ["caller", "callee"])
@virtual
async def test_a_call_whose_other_party_is_sent_our_bye(by: str, keys: bool) -> None:
    with without_collector():
        stage = Stage()
        stage.context.translates_keys = keys
        alice, bob = await talking(stage)
        call = last_of(stage)
        (alice if by == "caller" else bob).dialogue.hang_up()
        assert await is_gone(stage, call)


@virtual
async def test_a_call_that_was_changed() -> None:
    with without_collector():
        stage = Stage()
        alice, bob = await talking(stage)
        call = last_of(stage)
        bob.offer_answer = describe(bob.host, "a=recvonly", version=2)
        await alice.reoffer(describe(alice.host, "a=sendonly", version=2))
        alice.dialogue.hang_up()
        assert await is_gone(stage, call)


@pytest.mark.parametrize("how", ["cancelled", "refused", "not answered"])
@virtual
async def test_a_call_that_nobody_takes(how: str) -> None:
    with without_collector():
        stage = Stage()
        alice, bob = stage.party(), stage.party()
        bob.answers = False
        stage.dial(alice, "1002")
        await alice.until("180")
        call = last_of(stage)
        if how == "cancelled":
            alice.dialogue.hang_up()
        elif how == "refused":
            bob.incoming.refuse(486)
        assert await is_gone(stage, call)


@pytest.mark.parametrize("number", ["9195", "9196"])
@virtual
async def test_a_call_that_ends_at_us(number: str) -> None:
    with without_collector():
        stage = Stage()
        alice = stage.party()
        stage.dial(alice, number)
        await alice.until("answered")
        call = last_of(stage)
        await asyncio.sleep(1)
        alice.dialogue.hang_up()
        assert await is_gone(stage, call)


@virtual
async def test_a_call_that_a_party_has_left_goes_and_the_party_stays() -> None:
    with without_collector():
        calls = TwoCalls()
        await calls.connect("received", "made")
        stage = calls.stage
        await calls.join()
        await until_told(calls.middle, "200 terminated")
        await calls.middle.until("ended bye")
        await asyncio.sleep(40)
        (kept,) = stage.calls.active
        left, stays = (weakref.ref(call) for call in sorted(stage.calls.all, key=lambda one: one.id == kept))
        stage.calls.all.clear()
        assert left() is None
        assert relays(stage, calls.one, calls.two)
        calls.one.dialogue.hang_up()
        await calls.two.until("ended bye")
        await asyncio.sleep(40)
        assert stays() is None
