"""Conference rooms: who comes, who leaves, what their keys do, and that a room ends with its last member."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.link.crash import Keeping
from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.transferring import refer
from tests.link.virtual_time import virtual
from trunkline.call import conference
from trunkline.call.conference import Conferences, Member, Room
from trunkline.media.commands import Join, OpenRoom
from trunkline.media.events import RecordFailed

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
async def test_one_beep_tells_who_comes_and_two_who_goes() -> None:
    stage = Stage()

    def beeps() -> list[int]:
        played = [command.files for command in stage.engine.played if command.port.startswith("room-")]
        return [len(files) for files in played if all(file.endswith("/beep.wav") for file in files)]

    alice, carol = await joined(stage, "*6100"), await joined(stage, "*6100")
    assert beeps() == [1, 1]
    alice.dialogue.hang_up()
    await asyncio.sleep(1)
    assert beeps() == [1, 1, 2]
    carol.dialogue.hang_up()
    await asyncio.sleep(1)
    await stage.settle()
    assert beeps() == [1, 1, 2]


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


@virtual
async def test_a_full_room_refuses_before_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conference, "MAX_MEMBERS", 1)
    stage = Stage()
    alice, carol = await joined(stage, "*6100"), stage.party()
    stage.dial(carol, "*6100")
    await carol.until("failed 486")
    assert {name: len(room.members) for name, room in rooms(stage).items()} == {"100": 1}
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_who_comes_while_the_room_is_made_waits_for_it_and_outlives_the_first() -> None:
    stage = Stage(media_delay_s=2.0)
    alice, carol = stage.party(), stage.party()
    stage.dial(alice, "*6100")
    stage.dial(carol, "*6100")
    await asyncio.sleep(1)
    assert len(rooms(stage)["100"].members) == 2
    alice.dialogue.hang_up()
    await carol.until("answered")
    await asyncio.sleep(30)
    assert [len(room.members) for room in rooms(stage).values()] == [1]
    assert [command.room for command in joins(stage)] == list(stage.engine.rooms)
    carol.dialogue.hang_up()
    await stage.settle()
    assert not stage.engine.rooms


@virtual
async def test_a_room_that_cannot_be_made_is_nobodys() -> None:
    stage = Stage()
    stage.engine.fault = lambda command: isinstance(command, OpenRoom)
    alice = stage.party()
    stage.dial(alice, "*6100")
    await alice.until("failed 503")
    await stage.settle()
    assert not rooms(stage)


@pytest.mark.rule("T-21")
@virtual
async def test_who_holds_the_call_is_not_heard_in_the_room() -> None:
    stage = Stage()
    alice = await joined(stage, "*6100")
    seen: list[bool] = []
    for version, row in enumerate(("a=sendonly", "a=inactive", "a=sendrecv"), 2):
        assert (await alice.reoffer(describe(alice.host, row, version=version)))[0] == 200
        (command,) = joins(stage)
        seen.append(command.muted)
    assert seen == [True, True, False]
    await stage.context.conferences.mute(*member_of(stage), muted=True)
    await alice.reoffer(describe(alice.host, "a=sendonly", version=5))
    await alice.reoffer(describe(alice.host, version=6))
    assert [command.muted for command in joins(stage)] == [True]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_who_is_muted_while_greeted_hears_the_greeting_to_its_end() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "*6100")
    await alice.until("answered")
    await asyncio.sleep(0.1)
    await stage.context.conferences.mute(*member_of(stage), muted=True)
    assert not joins(stage)
    await asyncio.sleep(GREETING_S)
    assert [command.muted for command in joins(stage)] == [True]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_recording_that_ends_by_itself_is_over() -> None:
    stage = Stage()
    alice = await joined(stage, "*6100")
    (room,) = rooms(stage).values()
    key = await stage.context.conferences.record(room, Path("meeting.wav"))
    stage.engine.tell(
        RecordFailed(room.id, room.id, key, room.file, 0, "media.disk_full", "no space is left")
    )
    assert not room.recording
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_party_is_transferred_into_a_room() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    await refer(alice, "*6100")
    await asyncio.sleep(GREETING_S + 2)
    room, member = member_of(stage)
    assert (room.name, member.number) == ("100", "1002")
    await stage.context.conferences.mute(room, member, muted=True)
    assert [command.muted for command in joins(stage)] == [True]
    bob.dialogue.hang_up()
    await stage.settle()
    assert not stage.engine.rooms


@virtual
async def test_rooms_of_two_tenants_with_one_number_are_apart() -> None:
    stage = Stage()
    alice, carol = await joined(stage, "*6100"), await joined(stage, "*6100")
    conferences = stage.context.conferences
    other = stage.calls.all[1]
    room = rooms(stage)["100"]
    await conferences.leave(room, other)
    other.tenant = "t2"
    apart, _ = await conferences.enter(other, "100")
    assert apart.id != room.id
    assert len(stage.engine.rooms) == 2
    await conferences.leave(apart, other)
    other.tenant = "t1"
    for party in (alice, carol):
        party.dialogue.hang_up()
    await stage.settle()


def member_of(stage: Stage) -> tuple[Room, Member]:
    (room,) = rooms(stage).values()
    (member,) = room.members.values()
    return room, member


@virtual
async def test_a_member_is_let_go_after_a_crash() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice = await joined(stage, "*6100")
    await keeping.after(4)
    later = await keeping.crash()
    await alice.until("ended bye")
    await later.stage.settle()
    assert [code for _, code, _ in later.stage.outcome()] == ["call.lost_in_crash"]
    assert not later.stage.engine.rooms


@virtual
async def test_after_a_crash_each_member_has_on_record_where_the_recording_ends() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, carol = await joined(stage, "*6100"), await joined(stage, "*6100")
    eve, dave = await joined(stage, "*6200"), await joined(stage, "*6100")
    await stage.context.conferences.record(rooms(stage)["100"], Path("/rec/room.wav"))
    dave.dialogue.hang_up()
    bob = await joined(stage, "*6100")
    await keeping.after(4)
    later = await keeping.crash()
    for party in (alice, carol, eve, bob):
        await party.until("ended bye")
    await later.stage.settle()
    told = [
        step["text"]
        for record in later.stage.over
        for step in record.story
        if step.get("why") == "recording.crash"
    ]
    assert told == ["the exchange crashed: /rec/room.wav ends there"] * 3
    assert not later.stage.engine.recording


@virtual
async def test_a_recording_that_was_ended_is_not_cut_by_a_crash() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice = await joined(stage, "*6100")
    room, _ = member_of(stage)
    await stage.context.conferences.record(room, Path("/rec/room.wav"))
    await keeping.after(4)
    await stage.context.conferences.stop_recording(room)
    await keeping.after(2)
    later = await keeping.crash()
    await alice.until("ended bye")
    await later.stage.settle()
    assert "recording.crash" not in [step.get("why") for step in later.stage.over[-1].story]
