"""Which codec a caller and we talk in when we answer ourselves, and what the engine is told of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.link.crash import Keeping
from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.virtual_time import virtual
from trunkline.media.commands import SetFormats
from trunkline.media.offer_answer import streams_of

BROWSER = (
    "111 9 0 8 110 126",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:110 telephone-event/48000",
    "a=rtpmap:126 telephone-event/8000",
)


def said(party: Party, formats: str, *rows: str, version: int = 1) -> bytes:
    plain = describe(party.host, *rows, version=version).replace(b"0 8 101", formats.encode())
    return plain.replace(b"a=rtpmap:101 telephone-event/8000\r\n", b"", 1)


def told(stage: Stage) -> SetFormats:
    (formats,) = stage.engine.formats.values()
    return formats


async def answered(stage: Stage, number: str, formats: str, *rows: str) -> Party:
    alice = stage.party()
    stage.dial(alice, number, said(alice, formats, *rows))
    await alice.until("answered")
    await asyncio.sleep(0.1)
    return alice


@pytest.mark.parametrize(
    ("offer", "codec", "number"),
    [
        (BROWSER, "opus", 111),
        (("9 0 8",), "G722", 9),
        (("18 8 0",), "PCMA", 8),
        (("97 0", "a=rtpmap:97 L16/16000"), "L16", 97),
        (("96 97", "a=rtpmap:96 AMR-WB/16000", "a=rtpmap:97 opus/48000/2"), "opus", 97),
        (("98 0", "a=rtpmap:98 L16/44100/2"), "PCMU", 0),
    ],
)
@virtual
async def test_the_first_codec_of_the_caller_that_we_speak_is_taken(
    offer: tuple[str, ...], codec: str, number: int
) -> None:
    stage = Stage()
    alice = await answered(stage, "9196", *offer)
    assert streams_of(alice.heard[-1])[0].formats[0] == str(number)
    formats = told(stage)
    assert formats.send is not None
    assert (formats.send.codec, formats.send.payload_type) == (codec, number)
    assert [one.codec for one in formats.receive if one.codec != "telephone-event"] == [codec]
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-22")
@pytest.mark.rfc("4733", "2.1")
@virtual
async def test_telephone_events_have_the_clock_of_the_codec() -> None:
    stage = Stage()
    alice = await answered(stage, "9197", *BROWSER)
    text = alice.heard[-1].decode()
    assert "RTP/AVP 111 110\r\n" in text
    assert "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n" in text
    assert "a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-16\r\n" in text
    (remote,) = stage.engine.remotes.values()
    assert (remote.dtmf_payload_type, remote.clock_hz) == (110, 48_000)
    assert told(stage).send_events is not None
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_telephone_events_at_another_clock_are_better_than_none() -> None:
    stage = Stage()
    rows = "a=rtpmap:97 opus/48000/2", "a=rtpmap:101 telephone-event/8000"
    alice = await answered(stage, "9197", "97 101", *rows)
    assert [one.codec for one in told(stage).receive] == ["opus", "telephone-event"]
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-21")
@virtual
async def test_a_change_of_codec_goes_on_with_what_is_done() -> None:
    stage = Stage()
    alice = await answered(stage, "9197", *BROWSER)
    assert (await alice.reoffer(said(alice, "0", version=2)))[0] == 200
    send = told(stage).send
    assert send is not None
    assert (send.codec, send.payload_type, send.clock_hz) == ("PCMU", 0, 8000)
    assert (await alice.reoffer(said(alice, "18", version=3)))[0] == 488
    assert told(stage).send == send
    assert len([one for one in stage.engine.commands if one.kind == "tone"]) == 1
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-19")
@virtual
async def test_who_offers_nothing_is_offered_what_phones_have() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9197", b"")
    await alice.until("answered")
    assert streams_of(alice.heard[-1])[0].formats == ("9", "8", "0", "101")
    session: Any = alice.session
    rows = "a=rtpmap:96 telephone-event/8000"
    session.acknowledge(said(alice, "8 9 96", rows))
    await asyncio.sleep(0.1)
    formats = told(stage)
    assert formats.send is not None
    assert formats.send.codec == "PCMA"
    # It sends under the numbers of our offer, and we under those of its answer.
    assert [(one.codec, one.payload_type) for one in formats.receive] == [
        ("PCMA", 8),
        ("G722", 9),
        ("telephone-event", 101),
    ]
    assert formats.send_events is not None
    assert formats.send_events.payload_type == 96
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_service_goes_on_in_its_codec_after_a_crash() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice = await answered(stage, "9197", *BROWSER)
    await keeping.after(4)
    before = told(stage)
    later = await keeping.crash()
    assert told(later.stage) == before
    assert [command.kind for command in later.stage.engine.doing.values()] == ["tone"]
    alice.dialogue.hang_up()
    await later.stage.settle()
