"""Conference rooms: who comes, who leaves, what their keys do, and that a room ends with its last member."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party
from tests.link.stage import Stage
from tests.link.virtual_time import virtual
from trunkline.call.conference import Conferences, Room
from trunkline.media.commands import Join

GREETING_S = 4.0


def joins(stage: Stage) -> list[Join]:
    return [command for command in stage.engine.doing.values() if isinstance(command, Join)]


def rooms(stage: Stage) -> dict[str, Room]:
    conferences: Conferences = stage.context.conferences
    return {name: room for (_, name), room in conferences.rooms.items()}


async def joined(stage: Stage, number: str) -> Party:
    party = stage.party()
    stage.dial(party, number)
    await party.until("answered")
    await asyncio.sleep(GREETING_S)
    return party


@virtual
async def test_members_meet_in_a_room_of_their_number_and_it_ends_with_the_last() -> None:
    stage = Stage()
    alice, carol = await joined(stage, "*6100"), await joined(stage, "*6100")
    eve = await joined(stage, "*6200")
    assert {name: len(room.members) for name, room in rooms(stage).items()} == {"100": 2, "200": 1}
    assert len(joins(stage)) == 3
    assert len({command.room for command in joins(stage)}) == 2
    greeted = [command.files[0].rpartition("/")[2] for command in stage.engine.played if command.files]
    assert [name for name in greeted if "conference" in name] == [
        "conference-first.wav",
        "conference-one-other.wav",
        "conference-first.wav",
    ]
    for party in (alice, carol, eve):
        party.dialogue.hang_up()
        await asyncio.sleep(1)
    await stage.settle()
    assert not stage.engine.rooms
    assert not rooms(stage)


@virtual
async def test_keys_mute_and_change_how_loud_one_is_and_leave() -> None:
    stage = Stage()
    await joined(stage, "*6100")
    (port,) = [port for port, command in stage.engine.doing.items() if isinstance(command, Join)]

    async def press(key: str) -> Join | None:
        stage.engine.press(port, key)
        await asyncio.sleep(2)
        return next(iter(joins(stage)), None)

    seen = [(one.muted, one.gain_db) for one in [await press(key) for key in "16614"] if one]
    assert seen == [(True, 0.0), (True, 3.0), (True, 6.0), (False, 6.0), (False, 3.0)]
    assert await press("9") == joins(stage)[0]
    await press("#")
    await stage.settle()
    assert stage.outcome("in")[0][0] == 200
    assert not stage.engine.rooms


@virtual
async def test_who_leaves_while_greeted_leaves_nothing_behind() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "*67")
    await alice.until("answered")
    await asyncio.sleep(0.1)
    alice.dialogue.hang_up()
    await stage.settle()
    assert not stage.engine.rooms
    assert not rooms(stage)


@pytest.mark.parametrize("number", ["*6", "*6abc", "*61234567890123"])
@virtual
async def test_what_is_no_room_is_not_found(number: str) -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, number)
    await alice.until("failed 404")
    await stage.settle()
    assert stage.outcome("in")[0][0] == 404
