"""The live channel's memory: replay, bounds, slow listeners."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.base.app_event import AppEvent
from trunkline.base.messages import Refused
from trunkline.mobile import events as module
from trunkline.mobile.events import REPLAYED, REPLAYED_S, TOO_SLOW, AppEvents, Subscription


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def events(clock: Clock) -> AppEvents:
    return AppEvents(clock)


def drained(subscription: Subscription) -> list[AppEvent]:
    """What waits for a listener that is then closed."""

    async def read() -> list[AppEvent]:
        return [event async for event in subscription]

    subscription.close()
    return asyncio.run(read())


def tell(events: AppEvents, count: int = 1, owner: str = "u-1", tenant: str = "t1") -> None:
    for index in range(count):
        events.tell(tenant, owner, "call.ended", data={"n": index})


def test_a_listener_hears_its_owners_events_alone(events: AppEvents) -> None:
    mine = events.subscribe("t1", "u-1")
    tell(events, owner="u-2")
    tell(events, tenant="t2")
    tell(events)
    heard = drained(mine)
    assert [(event.tenant, event.owner) for event in heard] == [("t1", "u-1")]


def test_who_comes_back_hears_what_came_after_the_number_that_it_names(events: AppEvents) -> None:
    first = events.subscribe("t1", "u-1")
    tell(events, 3)
    numbers = [event.number for event in drained(first)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    again = events.subscribe("t1", "u-1", after=numbers[0])
    assert [event.number for event in drained(again)] == numbers[1:]
    assert not again.missed
    anew = events.subscribe("t1", "u-1")
    assert drained(anew) == []


def test_numbers_go_on_after_a_restart(clock: Clock) -> None:
    before, after = AppEvents(clock), None
    first = before.subscribe("t1", "u-1")
    tell(before, 5)
    last = drained(first)[-1].number
    clock.now += 1
    after = AppEvents(clock)
    again = after.subscribe("t1", "u-1", after=last)
    assert again.missed, "what happened meanwhile is not known"
    tell(after)
    assert drained(again)[0].number > last


def test_memory_is_bounded_by_number_and_age_and_the_gap_is_told(events: AppEvents, clock: Clock) -> None:
    first = events.subscribe("t1", "u-1")
    tell(events)
    start = drained(first)[0].number
    tell(events, REPLAYED + 10)
    late = events.subscribe("t1", "u-1", after=start)
    assert late.missed
    assert len(drained(late)) == REPLAYED
    clock.now += REPLAYED_S + 1
    old = events.subscribe("t1", "u-1", after=start)
    assert old.missed
    assert drained(old) == []
    whole = events.subscribe("t1", "u-1", after=start + REPLAYED + 10)
    assert not whole.missed


def test_a_slow_listener_is_cut_off_and_told_why(events: AppEvents) -> None:
    slow = events.subscribe("t1", "u-1", "d-1")
    tell(events, module.MOST_WAITING + 1)
    assert slow.why == TOO_SLOW
    assert not events.is_live("d-1")
    assert drained(slow) == []


def test_a_device_is_live_while_one_of_its_listeners_is(events: AppEvents) -> None:
    one, two = events.subscribe("t1", "u-1", "d-1"), events.subscribe("t1", "u-1", "d-1")
    one.close()
    one.close()
    assert events.is_live("d-1")
    two.close()
    assert not events.is_live("d-1")


def test_nobody_listens_for_a_device_of_somebody_else(events: AppEvents) -> None:
    events.owns = lambda tenant, owner, device: (tenant, owner, device) == ("t1", "u-1", "d-1")
    events.subscribe("t1", "u-1", "d-1").close()
    with pytest.raises(Refused) as refused:
        events.subscribe("t1", "u-2", "d-1")
    assert refused.value.problem.status == 404
    assert not events.is_live("d-1")


def test_one_owner_has_so_many_listeners_and_no_more(events: AppEvents) -> None:
    for _ in range(module.MOST_OF_AN_OWNER):
        events.subscribe("t1", "u-1")
    with pytest.raises(Refused):
        events.subscribe("t1", "u-1")


def test_owners_that_were_not_heard_of_for_longest_are_forgotten(
    events: AppEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OWNERS", 3)
    listener = events.subscribe("t1", "listens")
    for index in range(10):
        tell(events, owner=f"u-{index}")
    assert len(events._owners) == 3
    tell(events, owner="listens")
    assert len(drained(listener)) == 1


async def test_a_listener_waits_for_the_next_event_and_ends_when_we_stop(events: AppEvents) -> None:
    listener = events.subscribe("t1", "u-1")
    waiting = asyncio.create_task(listener.__anext__())
    await asyncio.sleep(0)
    tell(events)
    assert (await waiting).name == "call.ended"
    ending = asyncio.create_task(listener.__anext__())
    await asyncio.sleep(0)
    events.close()
    with pytest.raises(StopAsyncIteration):
        await ending
    assert listener.why == "the gateway stops"


def test_a_removed_tenant_cuts_its_listeners_off(events: AppEvents) -> None:
    mine, theirs = events.subscribe("t1", "u-1"), events.subscribe("t2", "u-1")
    events.forget_tenant("t1")
    assert mine.why
    assert not theirs.why


def test_how_a_registration_does_is_kept_only_for_those_who_listened_once(events: AppEvents) -> None:
    events.tell("t1", "u-1", "device.status")
    assert not events._owners
    events.subscribe("t1", "u-1").close()
    again = events.subscribe("t1", "u-1", after=0)
    events.tell("t1", "u-1", "device.status")
    assert [event.name for event in drained(again)] == ["device.status"]
