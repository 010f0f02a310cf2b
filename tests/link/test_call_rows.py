"""What a list of calls tells of their media."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.link.stage import Stage
from tests.link.test_call_recording import LIMITS, Book
from tests.link.test_converted_calls import converting_stage
from tests.link.test_encrypted_calls import keyed
from tests.link.virtual_time import virtual
from trunkline.app.call_rows import rows_of
from trunkline.base.messages import CallParty, CallRow
from trunkline.call.conference import Member
from trunkline.media.commands import ReadStatistics
from trunkline.media.statistics import PortStatistics


async def only_row(stage: Stage, recordings: Any = None) -> CallRow:
    exchange = SimpleNamespace(
        context=stage.context,
        engine=stage.engine,
        recordings=recordings if recordings is not None else SimpleNamespace(active={}),
    )
    (row,) = await rows_of(cast("Any", exchange), list(stage.calls.active.values()))
    return row


async def over(stage: Stage) -> None:
    stage.parties[0].dialogue.hang_up()
    await stage.settle()


@virtual
async def test_who_is_encrypted_and_how() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body = keyed(alice.host)
    call = await stage.connect(alice, bob)
    caller, callee = (leg.outcome.number for leg in call.legs)
    assert (await only_row(stage)).parties == (
        CallParty(caller, "sdes", "AES_CM_128_HMAC_SHA1_80"),
        CallParty(callee),
    )
    await over(stage)


@virtual
async def test_what_is_spoken_with_whom() -> None:
    stage, _alice, _bob = await converting_stage((0,), (9,))
    assert [(one.codec, one.converted) for one in (await only_row(stage)).parties] == [
        ("PCMU", True),
        ("G722", True),
    ]
    await over(stage)


@virtual
async def test_who_is_heard_in_the_kernel_and_in_what_codec() -> None:
    stage = Stage()
    stage.engine.kernel = "on: eth0"
    call = await stage.connect(stage.party(), stage.party())
    port = call.legs[0].media.ports[0] or ""
    stage.engine.figures[port] = PortStatistics(port, packets_in=500, payload_type=8, kernel=True)
    one, other = (await only_row(stage)).parties
    assert (one.codec, one.kernel, other.kernel) == ("PCMA", True, False)
    stage.engine.fault = lambda told: isinstance(told, ReadStatistics)
    assert not (await only_row(stage)).parties[0].kernel
    stage.engine.fault = lambda _told: False
    await over(stage)


@virtual
async def test_an_engine_elsewhere_is_not_asked_for_each_call() -> None:
    stage = Stage()
    await stage.connect(stage.party(), stage.party())
    await only_row(stage)
    assert not [one for one in stage.engine.commands if isinstance(one, ReadStatistics)]
    await over(stage)


@virtual
@pytest.mark.parametrize("room_is_recorded", [False, True])
async def test_a_recording_and_a_conference(room_is_recorded: bool) -> None:
    stage = Stage()
    call = await stage.connect(stage.party(), stage.party())
    book = Book(stage)
    conferences = stage.context.conferences
    room, _ = await conferences.enter(call, "42")
    assert isinstance(room.members[call.id], Member)
    if room_is_recorded:
        room.file = "room.wav"
    else:
        await book.recordings.start(call, "call.wav", "stereo", LIMITS)
    row = await only_row(stage, book.recordings)
    assert (row.conference, row.recording) == ("42", "room.wav" if room_is_recorded else "call.wav")
    room.file = ""
    await conferences.leave(room, call)
    await over(stage)
