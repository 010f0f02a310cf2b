"""What the story and the records of a call say of its keys and codecs."""

from __future__ import annotations

import asyncio

from tests.link.stage import Stage
from tests.link.test_converted_calls import converting_stage
from tests.link.test_encrypted_calls import keyed, port_for
from tests.link.virtual_time import virtual
from trunkline.app.hearing import LOOK_S, Hearing
from trunkline.media.statistics import PortStatistics


@virtual
async def test_the_story_and_the_records_name_the_suite_and_the_codec() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body = keyed(alice.host)
    call = await stage.connect(alice, bob)
    told = {step.code: step.text for step in call.story.steps}
    assert told["media.secured"].endswith("in the descriptions: AES_CM_128_HMAC_SHA1_80")
    assert told["media.plain"].startswith(f"media of {call.legs[1].outcome.target} is not encrypted")
    port = port_for(stage, alice)
    stage.engine.figures[port] = PortStatistics(port, packets_in=10, payload_type=8)
    alice.dialogue.hang_up()
    await stage.settle()
    quality = next(one.quality for one in stage.records if one.direction == "in")
    assert (quality["codec"], quality["suite"]) == ("PCMA", "AES_CM_128_HMAC_SHA1_80")


@virtual
async def test_the_story_names_the_codec_of_each_party_once() -> None:
    stage, alice, _bob = await converting_stage((0,), (9,))
    call = stage.calls.all[-1]
    told = [step.text for step in call.story.steps if step.code == "media.converted"]
    assert len(told) == 1
    assert told[0].split(": ")[1].split(", ")[0].endswith(" PCMU")
    assert told[0].endswith(" G722")
    alice.dialogue.hang_up()
    await stage.settle()
    assert {record.quality["converted"] for record in stage.records} == {True}


@virtual
async def test_the_story_tells_that_the_kernel_forwards() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    call = await stage.connect(alice, bob)
    for leg in call.legs:
        port = leg.media.ports[0] or ""
        stage.engine.figures[port] = PortStatistics(port, packets_in=500, kernel=True, kernel_packets=400)
    hearing = Hearing(stage.context, stage.calls)
    for _ in range(4):
        hearing.step(asyncio.get_running_loop().time())
        await asyncio.sleep(LOOK_S)
    assert [step.code for step in call.story.steps].count("media.in_kernel") == 1
    for figures in stage.engine.figures.values():
        figures.kernel = False  # a port that is closed is in the kernel no more
    alice.dialogue.hang_up()
    await stage.settle()
    told = {(record.quality["kernel"], record.quality["kernel_packets"]) for record in stage.records}
    assert told == {(True, 400)}


@virtual
async def test_a_service_tells_the_keys_of_its_caller() -> None:
    stage = Stage()
    alice = stage.party()
    alice.body = keyed(alice.host)
    stage.dial(alice, "*600")
    await alice.until("answered")
    (told,) = [step.text for step in stage.calls.all[-1].story.steps if step.code == "media.secured"]
    assert told.endswith("AES_CM_128_HMAC_SHA1_80")
    alice.dialogue.hang_up()
    await stage.settle()
