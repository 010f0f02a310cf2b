"""The timer wheel: order, cancelling, re-arming, never early."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.base.wheel import TICK_S, Alarm, Timer, TimerWheel


class Recorder:
    """What fired, and when."""

    def __init__(self, wheel: TimerWheel) -> None:
        self.wheel = wheel
        self.fired: list[str] = []

    def at(self, deadline: float, name: str) -> Timer:
        return self.wheel.call_at(deadline, lambda _now: self.fired.append(name))


@pytest.fixture
def wheel() -> TimerWheel:
    return TimerWheel()


@pytest.fixture
def recorder(wheel: TimerWheel) -> Recorder:
    return Recorder(wheel)


def test_alarms_fire_in_the_order_of_their_deadlines(wheel: TimerWheel, recorder: Recorder) -> None:
    for deadline in (3.0, 1.0, 2.0):
        recorder.at(deadline, str(deadline))
    wheel.advance(10.0)
    assert recorder.fired == ["1.0", "2.0", "3.0"]


def test_alarms_of_one_tick_fire_in_the_order_they_were_armed(wheel: TimerWheel, recorder: Recorder) -> None:
    names = [str(number) for number in range(50)]
    for name in names:
        recorder.at(1.0, name)
    wheel.advance(2.0)
    assert recorder.fired == names


def test_an_alarm_fires_once(wheel: TimerWheel, recorder: Recorder) -> None:
    timer = recorder.at(1.0, "once")
    states = [timer.armed]
    for now in (2.0, 3.0):
        wheel.advance(now)
        states.append(timer.armed)
    assert states == [True, False, False]
    assert recorder.fired == ["once"]
    assert wheel.count == 0


@given(deadline=st.floats(0, 1e7), step=st.floats(0, 0.05))
def test_no_alarm_fires_early_and_none_more_than_a_tick_late(deadline: float, step: float) -> None:
    wheel = TimerWheel()
    fired: list[float] = []
    wheel.call_at(deadline, fired.append)
    due = wheel.next_deadline()
    assert due is not None
    assert deadline - 1e-6 <= due <= deadline + TICK_S + 1e-6
    wheel.advance(deadline - step - 1e-6)
    assert not fired
    wheel.advance(due)
    assert fired == [due]


def test_the_next_deadline_is_that_of_the_earliest_alarm_left(wheel: TimerWheel, recorder: Recorder) -> None:
    assert wheel.next_deadline() is None
    recorder.at(5.0, "late")
    early = recorder.at(1.0, "early")
    assert wheel.next_deadline() == pytest.approx(1.01)
    wheel.cancel(early)
    assert wheel.next_deadline() == pytest.approx(5.01)


def test_a_cancelled_alarm_does_not_fire(wheel: TimerWheel, recorder: Recorder) -> None:
    timer = recorder.at(1.0, "never")
    wheel.cancel(timer)
    wheel.cancel(timer)
    wheel.advance(2.0)
    assert recorder.fired == []
    assert wheel.count == 0


def test_an_alarm_may_cancel_another_of_its_own_tick(wheel: TimerWheel, recorder: Recorder) -> None:
    doomed: list[Timer] = []
    wheel.call_at(1.0, lambda _now: wheel.cancel(doomed[0]))
    doomed.append(recorder.at(1.0, "cancelled by its neighbour"))
    wheel.advance(2.0)
    assert recorder.fired == []
    assert wheel.count == 0


def test_an_alarm_that_is_armed_again_is_moved(wheel: TimerWheel, recorder: Recorder) -> None:
    timer = recorder.at(1.0, "moved")
    wheel.arm(timer, 3.0)
    assert wheel.count == 1
    wheel.advance(2.0)
    assert recorder.fired == []
    wheel.advance(3.02)
    assert recorder.fired == ["moved"]


def test_an_alarm_may_arm_itself_again_while_it_fires(wheel: TimerWheel) -> None:
    times: list[float] = []

    class Repeating(Alarm):
        def fire(self, now: float) -> None:
            times.append(now)
            if len(times) < 3:
                wheel.arm(self, now + 1.0)

    wheel.arm(Repeating(), 1.0)
    for now in (1.01, 2.02, 3.03, 4.04):
        wheel.advance(now)
    assert times == [1.01, 2.02, 3.03]
    assert wheel.count == 0


def test_an_alarm_armed_for_the_past_while_firing_fires_in_the_same_advance(
    wheel: TimerWheel, recorder: Recorder
) -> None:
    def arm_for_the_past(_now: float) -> None:
        recorder.at(0.5, "past")

    wheel.call_at(1.0, arm_for_the_past)
    wheel.advance(2.0)
    assert recorder.fired == ["past"]


def test_an_alarm_that_raises_takes_no_other_with_it(wheel: TimerWheel, recorder: Recorder) -> None:
    def fail(_now: float) -> None:
        raise ValueError("a bug in a callback")

    wheel.call_at(1.0, fail)
    recorder.at(1.0, "same tick")
    recorder.at(1.5, "later tick")
    with pytest.raises(ValueError, match="a bug"):
        wheel.advance(2.0)
    wheel.advance(2.0)
    assert recorder.fired == ["same tick", "later tick"]
    assert wheel.count == 0


def test_an_earlier_alarm_is_told_to_the_owner_and_a_later_one_is_not(wheel: TimerWheel) -> None:
    told: list[float] = []
    wheel.on_earlier = told.append
    for deadline in (5.0, 6.0, 5.0, 1.0, 2.0):
        wheel.call_at(deadline, lambda _now: None)
    assert told == pytest.approx([5.01, 1.01])


def test_many_alarms_armed_and_cancelled_leave_nothing_behind(wheel: TimerWheel, recorder: Recorder) -> None:
    timers = [recorder.at(number / 100, "") for number in range(1000)]
    for timer in timers:
        wheel.cancel(timer)
    assert wheel.count == 0
    assert wheel.next_deadline() is None
    assert wheel._buckets == {}
    assert wheel._ticks == []


@given(
    st.lists(st.tuples(st.sampled_from(["arm", "cancel", "advance"]), st.integers(0, 9), st.integers(0, 500)))
)
def test_the_wheel_agrees_with_a_plain_list_of_deadlines(steps: list[tuple[str, int, int]]) -> None:
    wheel = TimerWheel()
    fired: list[int] = []
    timers = [Timer(lambda _now, number=number: fired.append(number)) for number in range(10)]  # type: ignore[misc]
    due: dict[int, int] = {}
    expected: set[tuple[int, int]] = set()
    now = 0
    for what, number, ticks in steps:
        if what == "arm":
            wheel.arm(timers[number], (now + ticks) * TICK_S + TICK_S / 2)
            due[number] = now + ticks + 1
        elif what == "cancel":
            wheel.cancel(timers[number])
            due.pop(number, None)
        else:
            now += ticks
            before = len(fired)
            wheel.advance(now * TICK_S)
            expected = {(when, name) for name, when in due.items() if when <= now}
            assert sorted(fired[before:]) == sorted(name for _, name in expected)
            assert [due[name] for name in fired[before:]] == sorted(when for when, _ in expected)
            for _, name in expected:
                del due[name]
        assert wheel.count == len(due)
