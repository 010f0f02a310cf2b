"""What a caller sees and hears before the answer."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import describe
from tests.link.stage import HOST, Stage
from tests.link.talking import port_of, version_of
from tests.link.virtual_time import virtual
from trunkline.ua.sessions import ServerSession


@pytest.mark.rfc("3960", "3.2")
@pytest.mark.rule("T-13")
@virtual
async def test_early_media_is_relayed_and_a_180_after_it_passed_on() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()

    def announce(session: ServerSession) -> None:
        session.progress(183, bob.body)
        stage.loop.call_later(1.0, session.progress, 180)
        stage.loop.call_later(3.0, session.answer, bob.body)

    bob.on_invite = announce
    stage.dial(alice, "1002")
    await alice.until("183")
    early, offered = alice.heard[0], bob.heard[0]
    assert stage.engine.relays(port_of(early), port_of(offered))
    await alice.until("answered")
    assert alice.said == ["183", "180", "answered"]
    assert alice.heard[1] == early, "the same description, the same version"
    await asyncio.sleep(1)
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-13")
@pytest.mark.parametrize("delay_s", [0.0, 0.05])
@virtual
async def test_progress_keeps_its_order_while_ports_are_being_joined(delay_s: float) -> None:
    stage = Stage(media_delay_s=delay_s)
    alice, bob = stage.party(), stage.party()

    def announce(session: ServerSession) -> None:
        session.progress(183, bob.body)
        session.progress(180)
        stage.loop.call_later(5.0, session.refuse, 486)

    bob.on_invite = announce
    stage.dial(alice, "1002")
    await alice.until("failed 486")
    assert alice.said == ["183", "180", "failed 486"]
    await stage.settle()


@pytest.mark.rule("T-13")
@virtual
async def test_a_183_without_description_is_no_early_media() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()

    def announce(session: ServerSession) -> None:
        session.progress(183)
        stage.loop.call_later(1.0, session.refuse, 486)

    bob.on_invite = announce
    stage.dial(alice, "1002")
    await alice.until("183")
    assert not stage.engine.links
    await alice.until("failed 486")
    await stage.settle()


@pytest.mark.rule("T-12")
@virtual
async def test_early_media_of_one_branch_and_the_answer_of_another() -> None:
    stage = Stage()
    alice = stage.party()
    stage.extension("1500")
    bob, carol = stage.party("1500"), stage.party("1500", rings_s=3.0)
    bob.on_invite = lambda session: session.progress(183, bob.body)
    carol.body = describe(carol.host, "a=ptime:30")
    stage.dial(alice, "1500")
    await alice.until("183")
    await alice.until("answered")
    await bob.until("cancelled")
    early, final = alice.heard
    assert port_of(early) == port_of(final)
    assert version_of(final) == version_of(early) + 1
    assert stage.engine.relays(port_of(final), port_of(carol.heard[0]))
    tags = {line for data in stage.sent(HOST, "SIP/2.0", alice.host) for line in to_tags(data)}
    assert len(tags) == 1, "the caller has one early dialog, whoever rings"
    alice.dialogue.hang_up()
    await stage.settle()


def to_tags(data: bytes) -> list[str]:
    """The To tag of a response to the INVITE with credentials."""
    head = data.decode().split("\r\n")
    if not head[0].startswith(("SIP/2.0 18", "SIP/2.0 200")) or "CSeq: 2 INVITE" not in head:
        return []
    return [line.partition(";tag=")[2] for line in head if line.startswith("To:")]


@virtual
async def test_a_bad_description_in_a_183_costs_the_early_media_only() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()

    def announce(session: ServerSession) -> None:
        session.progress(183, describe(bob.host, count=2))
        stage.loop.call_later(1.0, session.answer, bob.body)

    bob.on_invite = announce
    await stage.connect(alice, bob)
    assert alice.said == ["183", "answered"]
    assert "media.early_refused" in stage.calls.all[0].story.steps[-2].code
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_199_of_one_callee_says_nothing_to_the_caller() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()

    def announce(session: ServerSession) -> None:
        session.progress(180)
        session.progress(199)
        stage.loop.call_later(1.0, session.answer, bob.body)

    bob.on_invite = announce
    await stage.connect(alice, bob)
    assert alice.said == ["180", "answered"]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_caller_who_leaves_while_ports_are_joined_leaves_nothing() -> None:
    stage = Stage(media_delay_s=1.0)
    alice, bob = stage.party(), stage.party(answers=False)
    bob.on_invite = lambda session: session.progress(183, bob.body)
    stage.dial(alice, "1002")
    await bob.until("invited")
    await asyncio.sleep(0.5)
    alice.dialogue.hang_up()
    await bob.until("cancelled")
    await stage.settle()
    assert alice.said == ["failed 487"]
