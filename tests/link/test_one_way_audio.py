"""A party that is never heard while the other one is: named in the call's story, once."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.virtual_time import virtual
from trunkline.app.hearing import LOOK_S, Hearing
from trunkline.call.call import Call
from trunkline.call.quality import QualityCounts, band_of
from trunkline.media.statistics import PortStatistics


async def talking(stage: Stage) -> tuple[Party, Call]:
    alice, bob = stage.party(), stage.party()
    return alice, await stage.connect(alice, bob)


def steps(call: Call) -> list[str]:
    return [step.text for step in call.story.steps if step.code == "media.one_way"]


def hear(stage: Stage, call: Call, caller: int, callee: int, foreign: int = 0) -> None:
    """What the engine has counted of them."""
    counted = {
        port: PortStatistics(port, packets_in=packets, foreign=foreign if not packets else 0)
        for leg, packets in ((call.legs[0], caller), (call.legs[1], callee))
        for port in leg.media.live
    }
    stage.engine.figures = counted


@pytest.mark.parametrize(
    ("caller", "callee", "said"),
    [
        (
            500,
            0,
            [
                "nothing is heard of sip:1002@10.0.0.2, while the other party is; 7 packets came from elsewhere"
            ],
        ),
        (0, 500, ["nothing is heard of 1001, while the other party is; 7 packets came from elsewhere"]),
        (500, 500, []),
        (0, 0, []),
        (99, 0, []),
    ],
)
@virtual
async def test_it_is_noticed_while_they_talk_and_not_told_again(
    caller: int, callee: int, said: list[str]
) -> None:
    stage = Stage()
    alice, call = await talking(stage)
    hear(stage, call, caller, callee, foreign=7)
    hearing = Hearing(stage.context, stage.calls)
    for _ in range(4):
        now = asyncio.get_running_loop().time()
        assert hearing.step(now) == now + LOOK_S
        await asyncio.sleep(LOOK_S)
    assert [text.partition(" than")[0] for text in steps(call)] == said
    alice.dialogue.hang_up()
    await stage.settle()
    assert len(steps(call)) == len(said)
    assert stage.context.quality.one_way == len(said)


@virtual
async def test_whoever_is_on_hold_is_not_missed() -> None:
    stage = Stage()
    alice, call = await talking(stage)
    await alice.reoffer(describe(alice.host, "a=sendonly", version=2))
    hear(stage, call, 500, 0)
    alice.dialogue.hang_up()
    await stage.settle()
    assert not steps(call)


@virtual
async def test_a_short_call_is_judged_at_its_end() -> None:
    stage = Stage()
    alice, call = await talking(stage)
    hear(stage, call, 200, 0)
    alice.dialogue.hang_up()
    await stage.settle()
    assert len(steps(call)) == 1


def test_quality_is_counted_in_bands() -> None:
    counts = QualityCounts()
    counts.note([PortStatistics("a", 90, lost=10, mos=4.4), PortStatistics("b", 100, mos=3.2)])
    counts.note([PortStatistics("c")])
    assert (counts.packets, counts.lost, dict(counts.legs)) == (200, 10, {"good": 1, "poor": 1})
    assert [band_of(mos) for mos in (4.5, 4.03, 4.0, 3.6, 3.1, 1.0)] == [
        "good",
        "good",
        "fair",
        "fair",
        "poor",
        "bad",
    ]
