"""Ringback of our own for parties that wait in silence: they have a description, and only ringing to hear."""

from __future__ import annotations

import pytest

from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides
from tests.link.test_encrypted_calls import port_for
from tests.link.transferring import refer
from tests.link.virtual_time import virtual
from trunkline.media.commands import Link, PlaySignal
from trunkline.media.signals import signal_of
from trunkline.ua.sessions import ServerSession

pytestmark = [pytest.mark.rule("T-13")]


def ringing_stage() -> Stage:
    stage = Stage()
    stage.context.ringback = signal_of("DE", "ringback")
    return stage


def rung(stage: Stage) -> list[str]:
    return [one.port for one in stage.engine.commands if isinstance(one, PlaySignal)]


@both_sides
@virtual
async def test_who_is_handed_on_hears_it_ring_until_somebody_answers(side: str) -> None:
    stage = ringing_stage()
    alice, bob = stage.party(), stage.party()
    carol = stage.party()
    carol.rings_s = 5.0
    await stage.connect(alice, bob)
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    await refer(one, "1003")
    await carol.until("acknowledged")
    assert rung(stage) == [port_for(stage, other)]
    formats = stage.engine.formats[port_for(stage, other)]
    assert formats.send is not None
    assert formats.send.codec == "PCMU"
    kinds = [type(command) for command in stage.engine.commands]
    assert kinds.index(PlaySignal) < len(kinds) - 1 - kinds[::-1].index(Link)
    await one.until("ended bye")
    other.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_who_heard_a_callee_that_left_hears_the_next_one_ring() -> None:
    stage = ringing_stage()
    alice, bob = stage.party(), stage.party()
    carol = stage.party("1002")

    def speak(session: ServerSession) -> None:
        session.progress(183, bob.body)

    def wait(session: ServerSession) -> None:
        pass

    bob.on_invite, carol.on_invite = speak, wait
    stage.dial(alice, "1002")
    await alice.until("183")
    await stage.until_sent(HOST, "INVITE", 2)
    assert not rung(stage)
    bob.incoming.refuse(486, "Busy Here")
    await stage.until_sent(HOST, "ACK")
    carol.incoming.progress(180)
    await alice.until("180")
    carol.incoming.answer(carol.body)
    await alice.until("answered")
    assert len(rung(stage)) == 1
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_caller_without_a_description_plays_its_own() -> None:
    stage = ringing_stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    assert not rung(stage)
    alice.dialogue.hang_up()
    await stage.settle()
