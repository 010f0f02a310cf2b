"""Calls whose media cannot be had: no ports, a broken engine, descriptions that make no sense."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.link.phones import describe
from tests.link.stage import HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.media.commands import CloseOwner, Link, OpenPort, SetRemote
from trunkline.ua.sessions import ServerSession


@pytest.mark.parametrize(("ports", "attempts"), [(0, []), (1, [(503, "media.ports_exhausted", "exchange")])])
@virtual
async def test_without_a_free_port_the_caller_gets_503(ports: int, attempts: list[Any]) -> None:
    stage = Stage(ports=ports)
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002")
    await alice.until("failed 503")
    await stage.settle()
    assert "invited" not in bob.said
    assert stage.outcome("in") == [(503, "media.ports_exhausted", "exchange")]
    assert stage.outcome("out") == attempts


@pytest.mark.parametrize("command", [SetRemote, Link])
@virtual
async def test_an_engine_that_cannot_join_the_parties_ends_the_call(command: type) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.engine.fault = lambda told: isinstance(told, command)
    stage.dial(alice, "1002")
    await alice.until("failed 503")
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(503, "media.refused", "exchange")]
    assert stage.outcome("out") == [(200, "media.refused", "exchange")]


@virtual
async def test_an_engine_that_fails_at_the_end_costs_no_record() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    stage.engine.fault = lambda told: isinstance(told, CloseOwner)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await asyncio.sleep(1)
    assert "media.fault" in stage.story
    stage.engine.owners.clear()
    await stage.settle()


@virtual
async def test_records_tell_what_the_ports_have_counted() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    alice.dialogue.hang_up()
    await stage.settle()
    assert [record.quality["packets_in"] for record in stage.records] == [50, 50]


@pytest.mark.rfc("3264", "6")
@pytest.mark.parametrize("answer", [b"", b"nonsense", describe("10.0.0.2", count=2)])
@virtual
async def test_an_answer_that_does_not_fit_fails_the_call_and_hangs_the_callee_up(answer: bytes) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.body = answer
    stage.dial(alice, "1002")
    await alice.until("failed 502")
    await bob.until("ended bye")
    assert "acknowledged" in bob.said
    await stage.settle()
    assert stage.outcome("in") == [(502, "call.bad_answer", "exchange")]
    assert stage.outcome("out") == [(200, "call.bad_answer", "exchange")]


@virtual
async def test_an_offer_that_cannot_be_read_is_refused_and_makes_no_call() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", b"v=1")
    await alice.until("failed 400")
    assert "invited" not in bob.said
    await stage.settle()
    assert not stage.records


@virtual
async def test_a_callee_that_leaves_while_ports_are_joined_fails_the_call() -> None:
    stage = Stage(media_delay_s=1.0)
    alice, bob = stage.party(), stage.party()

    def answer_and_leave(session: ServerSession) -> None:
        session.answer(bob.body)
        stage.loop.call_later(0.5, session.hang_up)

    bob.on_invite = answer_and_leave
    stage.dial(alice, "1002")
    await alice.until("failed 480")
    await stage.settle()
    assert stage.outcome("in") == [(480, "call.hangup", "callee")]
    assert stage.outcome("out") == [(200, "call.hangup", "callee")]


@virtual
async def test_a_caller_who_leaves_while_ports_are_joined_takes_the_callee_along() -> None:
    stage = Stage(media_delay_s=1.0)
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002")
    await bob.until("acknowledged")
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await alice.until("failed 487")
    await stage.settle()
    assert stage.outcome("in") == [(487, "call.cancelled", "caller")]
    assert stage.outcome("out") == [(200, "call.cancelled", "caller")]


@virtual
async def test_a_caller_who_leaves_while_its_ports_are_opened_is_never_rung_through() -> None:
    stage = Stage(media_delay_s=1.0)
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002")
    await stage.until_sent(alice.host, "INVITE", 2)
    await asyncio.sleep(1.5)
    alice.dialogue.hang_up()
    await alice.until("failed 487")
    await stage.settle()
    assert "invited" not in bob.said
    assert stage.sent(HOST, "SIP/2.0 487")


@virtual
async def test_a_port_that_was_asked_for_before_the_end_is_closed_with_the_others() -> None:
    stage = Stage(media_delay_s=0.3)
    alice = stage.party()
    stage.party()
    for hang_up_after in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95):
        stage.dial(alice, "1002", describe(alice.host, count=3))
        await asyncio.sleep(hang_up_after)
        alice.dialogue.hang_up()
        await asyncio.sleep(10)
    opened = sum(isinstance(command, OpenPort) for command in stage.engine.commands)
    assert opened > 3
    await stage.settle()
