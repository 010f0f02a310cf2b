"""Times as lists of prompts, all of which exist."""

from __future__ import annotations

import pytest

from trunkline.call.sounds import Sounds
from trunkline.pbx.spoken import spoken_time


@pytest.mark.parametrize(
    ("hour", "minute", "said"),
    [
        (0, 0, "number-0 hundred-hours"),
        (9, 5, "number-9 oh number-5"),
        (14, 35, "number-14 number-35"),
        (23, 59, "number-23 number-59"),
    ],
)
def test_a_time_is_said_as_people_say_it(hour: int, minute: int, said: str) -> None:
    assert spoken_time(hour, minute) == said.split()


def test_every_minute_of_a_day_can_be_said() -> None:
    prompts = Sounds().prompts
    for minute in range(24 * 60):
        assert prompts.keys() >= set(spoken_time(*divmod(minute, 60)))
