"""A call of which no party is heard any more is ended; one whose parties are silent in turns goes on."""

from __future__ import annotations

from tests.link.crash import Keeping
from tests.link.phones import Party
from tests.link.stage import Stage
from tests.link.talking import talking
from tests.link.virtual_time import virtual
from trunkline.app.media_story import MediaStory
from trunkline.call.call import Call
from trunkline.media.events import EngineLost, PortActive, PortInactive

TIMED_OUT = (200, "call.media_timeout", "exchange")


def listening(stage: Stage) -> MediaStory:
    """The story of the stage's media, told by its engine."""
    story = MediaStory(stage.calls, 120.0)
    stage.engine.subscribe(story)
    return story


def ports_of(stage: Stage) -> tuple[Call, list[str]]:
    """The one call that is up, and the ports of its parties, the caller's first."""
    (call,) = stage.calls.active.values()
    return call, [port for leg in call.legs for port in leg.media.ports if port is not None]


def falls_silent(stage: Stage, call: Call, port: str) -> None:
    stage.engine.tell(PortInactive(call.id, port, 120.0))


def vanish(stage: Stage, *parties: Party) -> None:
    """Neither their media nor their signalling is there any more."""
    for party in parties:
        stage.network.nodes.pop((party.host, 5060)).receive = None
        party.endpoint.close()
        stage.parties.remove(party)


@virtual
async def test_a_call_whose_parties_are_both_silent_is_ended_for_both() -> None:
    stage = Stage()
    listening(stage)
    alice, bob = await talking(stage)
    call, ports = ports_of(stage)
    falls_silent(stage, call, ports[0])
    assert not call.legs[0].done
    falls_silent(stage, call, ports[1])
    await alice.until("ended bye")
    await bob.until("ended bye")
    await stage.settle()
    assert stage.story[-3:] == ["media.silent", "media.silent", "call.media_timeout"]
    assert stage.outcome("in") == stage.outcome("out") == [TIMED_OUT]


@virtual
async def test_parties_that_are_silent_in_turns_talk_on() -> None:
    stage = Stage()
    listening(stage)
    alice, _bob = await talking(stage)
    call, ports = ports_of(stage)
    for port in ports * 2:
        falls_silent(stage, call, port)
        stage.engine.tell(PortActive(call.id, port))
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]


@virtual
async def test_nothing_is_remembered_of_a_silent_party_whose_call_is_over() -> None:
    stage = Stage()
    story = listening(stage)
    alice, _bob = await talking(stage)
    call, ports = ports_of(stage)
    falls_silent(stage, call, ports[0])
    alice.dialogue.hang_up()
    await stage.settle()
    assert call.id not in str(vars(story))


@virtual
async def test_a_call_that_survived_a_crash_ends_when_both_its_phones_did_not() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = await talking(stage)
    await keeping.after(4)
    vanish(stage, alice, bob)
    later = await keeping.crash()
    listening(later.stage)
    call, ports = ports_of(later.stage)
    assert len(ports) == 2
    for port in ports:
        falls_silent(later.stage, call, port)
    await later.stage.settle()
    later.sweep()
    assert later.stage.outcome("in") == later.stage.outcome("out") == [TIMED_OUT]
    assert not keeping.journal.rows


@virtual
async def test_a_call_whose_engine_is_lost_says_so_and_is_ended_when_it_stays_silent() -> None:
    stage = Stage()
    listening(stage)
    alice, bob = await talking(stage)
    call, ports = ports_of(stage)
    stage.engine.tell(EngineLost(call.id, ports[0], "udp:192.0.2.10:2223", "it does not answer"))
    assert not call.legs[0].done
    for port in ports:
        falls_silent(stage, call, port)
    await alice.until("ended bye")
    await bob.until("ended bye")
    await stage.settle()
    assert stage.story[-4:] == ["media.engine_lost", "media.silent", "media.silent", "call.media_timeout"]
    assert stage.outcome("in") == [TIMED_OUT]
