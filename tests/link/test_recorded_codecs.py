"""Recording parties that are relayed in a codec with a number of its own: the engine is told what it means."""

from __future__ import annotations

from tests.link.stage import Stage
from tests.link.test_call_recording import LIMITS, Book
from tests.link.test_converted_calls import spoken, with_codecs
from tests.link.virtual_time import virtual
from trunkline.media.commands import SetFormats


@virtual
async def test_what_a_recording_hears_is_named_by_the_numbers_that_each_party_was_told() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body = alice.offer_answer = with_codecs(alice.host, 111)
    bob.body = bob.offer_answer = with_codecs(bob.host, 96)
    call = await stage.connect(alice, bob)
    assert not stage.engine.formats
    await Book(stage).recordings.start(call, "call.wav", "stereo", LIMITS)
    told = [stage.engine.formats[leg.media.ports[0] or ""] for leg in call.legs]
    assert all(isinstance(one, SetFormats) for one in told)
    assert [one.receive[0].payload_type for one in told] == [96, 111]
    assert [spoken(one) for one in told] == [("opus", 111), ("opus", 96)]
    alice.dialogue.hang_up()
    await stage.settle()
