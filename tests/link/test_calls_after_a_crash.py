"""Calls that were up when the exchange died go on with the next process; the parties notice nothing."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json

import pytest

from tests.link.crash import Keeping
from tests.link.memory_network import Weather
from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides, port_of, talking, version_of, who
from tests.link.virtual_time import virtual
from trunkline.call.call import Call
from trunkline.media.commands import Echo, Tone
from trunkline.media.encryption import MediaEncryption

ANSWERED = (200, "call.hangup")
LOST = "call.lost_in_crash"


async def crashed(weather: Weather | None = None, seed: int = 1) -> tuple[Keeping, Party, Party]:
    """The exchange after a crash, and the parties of a call that was up for some seconds."""
    stage = Stage(weather, seed)
    keeping = Keeping(stage)
    alice, bob = await talking(stage)
    await keeping.after(4)
    assert len(keeping.journal.rows) == 1
    return await keeping.crash(), alice, bob


# Endings


@both_sides
@virtual
async def test_a_party_hangs_up_and_the_other_is_told(side: str) -> None:
    keeping, *_ = await crashed()
    stage = keeping.stage
    one, other = who(stage, side)
    one.dialogue.hang_up('Reason: Q.850;cause=16;text="Bye"\r\n')
    await other.until("ended bye")
    assert other.reasons[-1] == 'Q.850;cause=16;text="Bye"'
    await stage.settle()
    keeping.sweep()
    assert one.said[-1] == "ended hangup"
    assert stage.outcome("in") == stage.outcome("out") == [(*ANSWERED, side)]
    assert not keeping.journal.rows


@pytest.mark.rule("T-34")
@virtual
async def test_a_caller_who_stays_unknown_stays_so() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", extra="Privacy: id\r\n")
    await bob.until("acknowledged")
    await alice.until("answered")
    await keeping.after(4)
    keeping = await keeping.crash()
    (call,) = keeping.stage.calls.active.values()
    assert (call.caller.number, call.caller.anonymous) == ("1001", True)
    alice.dialogue.hang_up()
    await keeping.stage.settle()


@virtual
async def test_the_record_tells_of_the_whole_call() -> None:
    keeping, alice, _bob = await crashed()
    stage = keeping.stage
    await asyncio.sleep(10)
    alice.dialogue.hang_up()
    await stage.settle()
    (record,) = (record for record in stage.records if record.direction == "in")
    assert record.answered_at is not None
    assert 14 <= record.ended_at - record.answered_at <= 15
    assert stage.story[:2] == ["auth.ok", "call.received"]
    assert stage.story[-2:] == ["call.restored", "call.ended"]
    times = [step["ms"] for step in record.story]
    assert times == sorted(times)


@virtual
async def test_an_operator_ends_it_for_both() -> None:
    keeping, alice, bob = await crashed()
    (call,) = keeping.stage.calls.active.values()
    call.hang_up(code="call.hung_up_by_operator")
    await alice.until("ended bye")
    await bob.until("ended bye")
    await keeping.stage.settle()


@virtual
async def test_a_party_that_left_meanwhile_is_found_out_by_the_others_hang_up() -> None:
    keeping, alice, bob = await crashed()
    bob.endpoint.sessions.clear()
    alice.dialogue.hang_up()
    await alice.until("ended hangup")
    bob.session = None
    await keeping.stage.settle()
    assert keeping.stage.outcome("in") == [(*ANSWERED, "caller")]


# What parties change


@both_sides
@pytest.mark.rfc("3264", "8")
@virtual
async def test_a_party_holds_and_resumes(side: str) -> None:
    keeping, *_ = await crashed()
    stage = keeping.stage
    one, other = who(stage, side)
    described, offered = one.heard[-1], other.heard[-1]
    status, answer = await one.reoffer(describe(one.host, "a=sendonly", version=2))
    assert status == 200
    assert b"a=sendonly" in other.heard[-1]
    assert port_of(answer) == port_of(described)
    assert version_of(answer) >= version_of(described)
    assert version_of(other.heard[-1]) == version_of(offered) + 1
    assert stage.is_held()
    await keeping.after(3)
    later = await keeping.crash()
    assert later.stage.is_held(), "who holds is kept as well"
    assert (await one.reoffer(describe(one.host, version=3)))[0] == 200
    assert not later.stage.is_held()
    other.dialogue.hang_up()
    await later.stage.settle()
    assert later.stage.story.count("call.restored") == 2


@both_sides
@pytest.mark.rfc("3261", "12.2.1.1")
@virtual
async def test_our_numbers_go_up_over_each_crash(side: str) -> None:
    keeping, *_ = await crashed()
    one, other = who(keeping.stage, side)
    for _ in range(3):
        assert (await one.dialogue.request("INFO", body=b"Signal=1", content_type="x/y")).status == 200
        assert [request.method for request in other.requests][-1] == "INFO"
        keeping = await keeping.crash()
    numbers = [request.cseq[0] for request in other.requests]
    assert numbers == sorted(set(numbers))
    one.dialogue.hang_up()
    await keeping.stage.settle()


@virtual
async def test_a_party_that_moved_is_reached_at_its_new_contact() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = await talking(stage)
    await keeping.after(4)
    alice.dialogue.contact = "<sip:elsewhere@10.0.0.1>"
    assert (await alice.reoffer(describe(alice.host, version=2)))[0] == 200
    await keeping.after(2)
    later = await keeping.crash()
    bob.dialogue.hang_up()
    await alice.until("ended bye")
    assert later.stage.sent(HOST, "BYE sip:elsewhere@10.0.0.1")
    await later.stage.settle()


# Media


def books_of(stage: Stage) -> list[dict[str, object]]:
    engine = stage.engine
    return [
        dict(each)
        for each in (engine.rtp_ports, engine.remotes, engine.links, engine.directions, engine.owners)
    ]


@virtual
async def test_ports_remotes_and_links_are_as_they_were() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, _bob = await talking(stage)
    await alice.reoffer(describe(alice.host, "a=sendonly", version=2))
    await keeping.after(4)
    before = copy.deepcopy(books_of(stage))
    later = await keeping.crash()
    assert books_of(later.stage) == before
    alice.dialogue.hang_up()
    await later.stage.settle()


@pytest.mark.parametrize(("number", "kind"), [("9196", Echo), ("9197", Tone)])
@virtual
async def test_a_service_goes_on(number: str, kind: type[Echo | Tone]) -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice = stage.party()
    stage.dial(alice, number)
    await alice.until("answered")
    await keeping.after(4)
    before = dict(stage.engine.doing)
    later = await keeping.crash()
    assert [type(doing) for doing in later.stage.engine.doing.values()] == [kind]
    assert later.stage.engine.doing == before
    assert (await alice.reoffer(describe(alice.host, "a=sendonly", version=2)))[0] == 200
    alice.dialogue.hang_up()
    await later.stage.settle()
    assert later.stage.outcome() == [(*ANSWERED, "caller")]


@virtual
async def test_a_call_whose_port_is_taken_is_ended_for_both() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = await talking(stage)
    await keeping.after(4)
    (row,) = keeping.journal.rows.values()
    keeping.journal.rows["other"] = dataclasses.replace(row, id="0")  # the same ports once more
    later = await keeping.crash()
    await alice.until("ended bye")
    await bob.until("ended bye")
    assert {code for _, code, _ in later.stage.outcome()} >= {LOST}


# What is not carried on


@virtual
async def test_a_call_that_rings_is_on_record_and_its_late_answer_is_hung_up() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = stage.party(), stage.party(rings_s=6.0)
    stage.dial(alice, "1002")
    await bob.until("invited")
    await keeping.after(4)
    later = await keeping.crash()
    assert not later.stage.calls.active
    await bob.until("ended bye")
    assert later.stage.outcome("in") == later.stage.outcome("out") == [(480, LOST, "exchange")]
    assert later.stage.story[-1] == LOST
    alice.dialogue.hang_up()
    await alice.until("failed 408", 400)
    await later.stage.settle()
    later.sweep()
    assert not keeping.journal.rows


@virtual
async def test_a_caller_at_something_that_cannot_go_on_is_hung_up() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice = stage.party()

    async def menu(call: Call) -> None:
        await call.answer()
        await call.over()

    stage.extension("1009", "sip:1009@10.9.9.9")
    stage.door.scripts["1009"] = menu
    stage.dial(alice, "1009")
    await alice.until("answered")
    await keeping.after(4)
    later = await keeping.crash()
    await alice.until("ended bye")
    await later.stage.settle()
    assert later.stage.outcome() == [(200, LOST, "exchange")]


@virtual
async def test_what_is_too_old_ended_when_it_was_last_seen() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    await talking(stage)
    await keeping.after(4)
    (row,) = keeping.journal.rows.values()
    later = await keeping.crash(down_s=301)
    assert not later.stage.calls.active
    assert later.stage.outcome("in") == later.stage.outcome("out") == [(200, LOST, "exchange")]
    assert {record.ended_at for record in later.stage.records} == {row.updated_at}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        '{"version": 1}',
        '{"version": 99}',
        '{"version": 1, "up": true, "legs": [1]}',
        (
            '{"version": 1, "up": true, "legs": [], "caller": ["1", "2", "3"], "callee": "4", "parties": [],'
            ' "started_at": 1, "story": [], "holds": null, "service": null}'
        ),
    ],
)
@virtual
async def test_what_cannot_be_read_is_dropped(body: str) -> None:
    stage = Stage()
    keeping = Keeping(stage)
    await talking(stage)
    await keeping.after(4)
    for key, row in list(keeping.journal.rows.items()):
        keeping.journal.rows[key] = dataclasses.replace(row, body=body)
    later = await keeping.crash()
    assert not later.stage.calls.active
    later.sweep()
    assert not keeping.journal.rows


@pytest.mark.parametrize("part", ["session", "media"])
@both_sides
@virtual
async def test_a_leg_that_cannot_be_read_ends_the_call_for_the_other(side: str, part: str) -> None:
    stage = Stage()
    keeping = Keeping(stage)
    await talking(stage)
    _, other = who(stage, side)
    await keeping.after(4)
    ((key, row),) = keeping.journal.rows.items()
    data = json.loads(row.body)
    broken = {"version": 1, "identity": {"address": "10.0.0.1"}, "profile": "transparent"}
    data["legs"][0 if side == "caller" else 1][part] = broken
    keeping.journal.rows[key] = dataclasses.replace(row, body=json.dumps(data))
    later = await keeping.crash()
    await other.until("ended bye")
    assert later.stage.outcome("in") == later.stage.outcome("out") == [(200, LOST, "exchange")]


@virtual
async def test_it_counts_for_those_for_whom_it_counted_before() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob, "10-02")
    await keeping.after(4)
    later = await keeping.crash()
    assert later.stage.calls._load == {("t1", "1001"): 1, ("t1", "1002"): 1}
    alice.dialogue.hang_up()
    await later.stage.settle()
    assert not later.stage.calls._load


# When calls are written


@virtual
async def test_short_calls_are_never_written() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, _bob = await talking(stage)
    await keeping.after(1)
    alice.dialogue.hang_up()
    await keeping.after(3)
    assert keeping.journal.writes == 0
    await stage.settle()


@virtual
async def test_a_call_is_written_once_and_again_when_it_changed() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, _bob = await talking(stage)
    await keeping.after(100)
    assert (keeping.journal.writes, keeping.journal.beats) == (1, 4)
    await alice.reoffer(describe(alice.host, "a=sendonly", version=2))
    await keeping.after(3)
    assert keeping.journal.writes == 2
    alice.dialogue.hang_up()
    await keeping.after(3)
    assert not keeping.journal.rows
    await stage.settle()


@virtual
async def test_a_call_is_not_written_while_it_changes() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = await talking(stage)
    await keeping.after(4)
    (before,) = keeping.journal.rows.values()
    bob.offer_answer = None
    change = asyncio.ensure_future(alice.reoffer(describe(alice.host, version=2)))
    await bob.until("offered")
    await keeping.after(3)
    assert list(keeping.journal.rows.values()) == [before]
    later = await keeping.crash()
    bob.dialogue.reoffer.answer(describe(bob.host, version=2))
    await change
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await later.stage.settle()


@virtual
async def test_a_full_writer_is_asked_again() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, _bob = await talking(stage)
    keeping.journal.full = True
    await keeping.after(4)
    assert keeping.checkpoints.written == 0
    keeping.journal.full = False
    await keeping.after(1)
    assert keeping.checkpoints.written == len(keeping.journal.rows) == 1
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_after_an_orderly_stop_nothing_is_kept() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, _bob = await talking(stage)
    await keeping.after(4)
    keeping.checkpoints.close()
    assert not keeping.journal.rows
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_neither_credentials_nor_media_keys_are_written() -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    keeping = Keeping(stage)
    alice, bob = stage.party(), stage.party()
    for party in (alice, bob):
        crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNl"
        party.body = describe(party.host, crypto).replace(b"RTP/AVP", b"RTP/SAVP")
    await stage.connect(alice, bob)
    await keeping.after(4)
    (row,) = keeping.journal.rows.values()
    for secret in ("inline:", "crypto", "Authorization", "Digest", "response="):
        assert secret not in row.body
    alice.dialogue.hang_up()
    await stage.settle()


# Under loss


@both_sides
@pytest.mark.parametrize("seed", range(20))
@virtual
async def test_under_loss_a_call_that_survived_ends_defined_on_all_sides(seed: int, side: str) -> None:
    stage = Stage(Weather(loss=0.1, duplicate=0.05, late=0.1, late_by_s=0.3), seed)
    keeping = Keeping(stage)
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002")
    await alice.until("answered")
    await keeping.after(40)
    later = await keeping.crash()
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    await one.reoffer(describe(one.host, version=2))
    one.dialogue.hang_up()
    await later.stage.settle(600)
    assert one.dialogue.ended
    assert other.dialogue.ended
