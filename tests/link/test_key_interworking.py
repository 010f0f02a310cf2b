"""Keys that come by INFO to who takes telephone events, and the reverse: told once, in the other's way."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import describe
from tests.link.stage import HOST, Stage
from tests.link.test_converted_calls import with_codecs
from tests.link.test_encrypted_calls import port_for
from tests.link.virtual_time import virtual
from trunkline.media.commands import SendDigits

pytestmark = [pytest.mark.rule("T-22")]
RELAY = {"body": b"Signal=5\r\nDuration=160\r\n", "content_type": "application/dtmf-relay"}
SHORT = {"body": b"#", "content_type": "application/dtmf"}


def silent_about_events(host: str) -> bytes:
    return describe(host).replace(b" 101\r\na=rtpmap:101 telephone-event/8000", b"")


def pressed(stage: Stage) -> list[tuple[str, str, int]]:
    return [
        (one.port, one.digits, one.payload_type)
        for one in stage.engine.commands
        if isinstance(one, SendDigits)
    ]


@pytest.mark.parametrize(("form", "digit"), [(RELAY, "5"), (SHORT, "#")])
@virtual
async def test_a_key_by_info_becomes_an_event_for_who_takes_those(form: dict[str, bytes], digit: str) -> None:
    stage = Stage()
    stage.context.translates_keys = True
    alice, bob = stage.party(), stage.party()
    bob.body = silent_about_events(bob.host)
    await stage.connect(alice, bob)
    assert (await bob.dialogue.request("INFO", **form)).status == 200
    assert pressed(stage) == [(port_for(stage, alice), digit, 101)]
    assert not stage.sent(HOST, "INFO")
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_phone_that_sends_both_is_heard_once() -> None:
    stage = Stage()
    stage.context.translates_keys = True
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    stage.engine.press(port_for(stage, alice), "5")
    assert (await alice.dialogue.request("INFO", **RELAY)).status == 200
    assert not pressed(stage)
    assert (await alice.dialogue.request("INFO", **SHORT)).status == 200
    assert pressed(stage) == [(port_for(stage, bob), "#", 101)]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_event_becomes_an_info_for_who_takes_none() -> None:
    stage = Stage()
    stage.context.translates_keys = stage.context.converts = True
    alice, bob = stage.party(), stage.party()
    alice.body, bob.body = with_codecs(alice.host, 9), with_codecs(bob.host, 8, events=None)
    await stage.connect(alice, bob)
    stage.engine.press(port_for(stage, alice), "7")
    assert b"Signal=7" in await stage.until_sent(HOST, "INFO")
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_what_is_no_key_passes_as_it_came() -> None:
    stage = Stage()
    stage.context.translates_keys = True
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    await alice.dialogue.request("INFO", body=b"x", content_type="text/plain")
    assert bob.requests[-1].body == b"x"
    assert not pressed(stage)
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("converts", [False, True])
@pytest.mark.parametrize("status", [405, 415, 501])
@virtual
async def test_who_takes_neither_events_nor_info_hears_the_key(status: int, converts: bool) -> None:
    stage = Stage()
    stage.context.translates_keys = True
    stage.context.converts = converts
    alice, bob = stage.party(), stage.party()
    if converts:
        alice.body, bob.body = with_codecs(alice.host, 9), with_codecs(bob.host, 8, events=None)
    else:
        bob.body = silent_about_events(bob.host)
    bob.answer_with = status
    await stage.connect(alice, bob)
    assert (await alice.dialogue.request("INFO", **RELAY)).status == 200
    port = port_for(stage, bob)
    assert pressed(stage) == [(port, "5", 0)]
    spoken = stage.engine.formats[port].send
    assert spoken is not None
    assert spoken.codec == ("PCMA" if converts else "PCMU")
    if converts:
        stage.engine.press(port_for(stage, alice), "7")
        await stage.until_sent(HOST, "INFO")
        async with asyncio.timeout(5):
            while len(pressed(stage)) < 2:  # noqa: ASYNC110  (virtual time, and the engine tells nobody)
                await asyncio.sleep(0.01)
        assert pressed(stage)[1:] == [(port, "7", 0)]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_who_takes_events_hears_no_tone_when_it_refuses_other_infos() -> None:
    stage = Stage()
    stage.context.translates_keys = True
    alice, bob = stage.party(), stage.party()
    bob.answer_with = 415
    await stage.connect(alice, bob)
    answer = await alice.dialogue.request("INFO", body=b"<x/>", content_type="application/x")
    assert answer.status == 415
    assert not pressed(stage)
    alice.dialogue.hang_up()
    await stage.settle()
