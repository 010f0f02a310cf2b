"""Parties that share no codec: each is offered what can be converted, and spoken to in its own."""

from __future__ import annotations

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.talking import both_sides, who
from tests.link.test_call_fax import fax
from tests.link.test_encrypted_calls import port_for, row
from tests.link.virtual_time import virtual
from trunkline.media.commands import SetFormats

NAMES = {
    0: "PCMU/8000",
    8: "PCMA/8000",
    9: "G722/8000",
    18: "G729/8000",
    111: "opus/48000/2",
    96: "opus/48000/2",
}


def with_codecs(host: str, *numbers: int, events: int | None = 101, **rest: int) -> bytes:
    rows = [f"a=rtpmap:{number} {NAMES[number]}" for number in numbers]
    formats = [str(number) for number in numbers] + ([str(events)] if events is not None else [])
    body = describe(host, *rows, **rest).decode().replace("RTP/AVP 0 8 101", "RTP/AVP " + " ".join(formats))
    if events is None:
        body = body.replace("a=rtpmap:101 telephone-event/8000\r\n", "")
    return body.replace("a=rtpmap:101 ", f"a=rtpmap:{events} ").encode()


def formats_in(body: bytes) -> list[str]:
    return row(body, "m=audio").split(" ")[3:]


def spoken(formats: SetFormats) -> tuple[str, int]:
    assert formats.send is not None
    return formats.send.codec, formats.send.payload_type


async def converting_stage(*codecs: tuple[int, ...]) -> tuple[Stage, Party, Party]:
    stage = Stage()
    stage.context.converts = True
    alice, bob = stage.party(), stage.party()
    for party, numbers in zip((alice, bob), codecs, strict=True):
        party.body = party.offer_answer = with_codecs(party.host, *numbers)
    await stage.connect(alice, bob)
    return stage, alice, bob


@virtual
async def test_who_is_called_is_offered_the_callers_codecs_first_and_then_those_we_convert() -> None:
    stage, _alice, bob = await converting_stage((9,), (9,))
    assert formats_in(bob.heard[0]) == ["9", "101", "8", "0", "107"]
    assert row(bob.heard[0], "a=rtpmap:107") == "a=rtpmap:107 opus/48000/2"
    assert not stage.engine.converting
    stage.calls.all[-1].hang_up()
    await stage.settle()


@virtual
async def test_a_shared_codec_is_relayed_as_it_is_and_the_only_one_that_is_told() -> None:
    stage, alice, bob = await converting_stage((0,), (0, 8))
    assert formats_in(alice.heard[-1]) == ["0", "101"]
    assert b"PCMA" not in alice.heard[-1]
    assert not stage.engine.converting
    assert not stage.engine.formats
    assert port_for(stage, bob) in stage.engine.links
    stage.calls.all[-1].hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_without_a_shared_codec_each_hears_its_own(side: str) -> None:
    codecs = ((9,), (8,)) if side == "caller" else ((8,), (9,))
    stage, alice, bob = await converting_stage(*codecs)
    assert formats_in(alice.heard[-1]) == [str(codecs[0][0]), "101"]
    ports = [port_for(stage, party) for party in (alice, bob)]
    assert stage.engine.converting == set(ports)
    mine, theirs = (stage.engine.formats[port] for port in ports)
    names = {8: "PCMA", 9: "G722"}
    assert [spoken(mine), spoken(theirs)] == [(names[one], one) for (one,) in codecs]
    assert [one.codec for one in mine.receive] == [names[codecs[0][0]], "telephone-event"]
    assert mine.send_events is not None
    assert mine.send_events.payload_type == 101
    stage.calls.all[-1].hang_up()
    await stage.settle()


@virtual
async def test_numbers_are_each_partys_own() -> None:
    stage, alice, bob = await converting_stage((111,), (0,))
    assert formats_in(bob.heard[0])[0] == "111"
    assert "107" not in formats_in(bob.heard[0])
    mine = stage.engine.formats[port_for(stage, alice)]
    assert spoken(mine) == ("opus", 111)
    assert row(alice.heard[-1], "a=rtpmap:111") == "a=rtpmap:111 opus/48000/2"
    await alice.reoffer(with_codecs(alice.host, 111, version=2).replace(b"m=", b"a=sendonly\r\nm=", 1))
    assert stage.is_held()
    assert stage.engine.formats[port_for(stage, alice)] == mine
    stage.calls.all[-1].hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_a_change_within_the_call_keeps_on_converting(side: str) -> None:
    stage, alice, bob = await converting_stage((9,), (8,))
    one, other = who(stage, side)
    answer = await one.reoffer(one.body.replace(b"a=rtpmap", b"a=sendonly\r\na=rtpmap", 1))
    assert stage.is_held()
    assert formats_in(answer[1])[0] == formats_in(one.body)[0]
    assert set(formats_in(other.heard[-1])) >= set(formats_in(other.body))
    assert stage.engine.converting == {port_for(stage, alice), port_for(stage, bob)}
    stage.calls.all[-1].hang_up()
    await stage.settle()


@virtual
async def test_a_carrier_is_offered_its_own_few() -> None:
    stage = Stage()
    stage.context.converts = True
    alice, bob = stage.party(), stage.party()
    stage.contacts["1002"][0].profile = "conservative"
    alice.body, bob.body = with_codecs(alice.host, 111), with_codecs(bob.host, 8)
    await stage.connect(alice, bob)
    assert formats_in(bob.heard[0]) == ["8", "0", "9", "101"]
    assert spoken(stage.engine.formats[port_for(stage, bob)]) == ("PCMA", 8)
    stage.calls.all[-1].hang_up()
    await stage.settle()


@virtual
async def test_what_nobody_here_can_convert_passes_as_before() -> None:
    stage, alice, bob = await converting_stage((18,), (18,))
    assert formats_in(bob.heard[0]) == ["18", "101"]
    assert formats_in(alice.heard[-1]) == ["18", "101"]
    assert not stage.engine.converting
    stage.calls.all[-1].hang_up()
    await stage.settle()


@pytest.mark.rule("T-24")
@virtual
async def test_a_converted_call_goes_on_after_a_hold_by_the_other_side() -> None:
    stage, alice, bob = await converting_stage((9,), (8,))
    for body in (bob.body.replace(b"a=rtpmap", b"a=sendonly\r\na=rtpmap", 1), bob.body):
        await bob.reoffer(body)
    assert not stage.is_held()
    assert stage.engine.converting == {port_for(stage, alice), port_for(stage, bob)}
    stage.calls.all[-1].hang_up()
    await stage.settle()


@pytest.mark.rule("T-22")
@pytest.mark.rfc("3264", "6.1")
@both_sides
@virtual
async def test_key_presses_are_looked_for_under_the_number_that_each_was_told(side: str) -> None:
    stage = Stage()
    stage.context.converts = True
    alice, bob = stage.party(), stage.party()
    alice.body = alice.offer_answer = with_codecs(alice.host, 9, events=97)
    bob.body = bob.offer_answer = with_codecs(bob.host, 8, events=101)
    await stage.connect(alice, bob)
    ports = [port_for(stage, party) for party in (alice, bob)]
    assert [stage.engine.remotes[port].dtmf_payload_type for port in ports] == [97, 97]
    one, _ = who(stage, side)
    for direction in (b"sendonly", b"sendrecv", b"sendrecv"):
        await one.reoffer(one.body.replace(b"a=rtpmap", b"a=%s\r\na=rtpmap" % direction, 1))
        own = (
            97 if side == "caller" else 101
        )  # who offers numbers its own, and the other one sends under those
        assert [stage.engine.remotes[port].dtmf_payload_type for port in ports] == [own, own]
    stage.calls.all[-1].hang_up()
    await stage.settle()


@virtual
async def test_a_call_that_shares_a_codec_at_times_is_converted_at_times() -> None:
    stage, alice, bob = await converting_stage((9,), (8,))
    ports = {port_for(stage, alice), port_for(stage, bob)}
    assert stage.engine.converting == ports
    for numbers, converting in (((8,), set()), ((9,), ports), ((8, 9), set()), ((9,), ports)):
        status, answer = await alice.reoffer(with_codecs(alice.host, *numbers, version=2))
        assert (status, formats_in(answer)[0]) == (200, str(numbers[0]))
        assert stage.engine.converting == converting
    stage.calls.all[-1].hang_up()
    await stage.settle()


@pytest.mark.rule("T-23")
@pytest.mark.parametrize("refused", [False, True])
@both_sides
@virtual
async def test_a_fax_is_not_converted_and_the_sound_after_it_is(side: str, refused: bool) -> None:
    codecs = ((9,), (8,)) if side == "caller" else ((8,), (9,))
    stage, alice, bob = await converting_stage(*codecs)
    ports = {port_for(stage, alice), port_for(stage, bob)}
    one, other = who(stage, side)
    audio, other.offer_answer = other.offer_answer, 488 if refused else fax(other.host)
    status, _ = await one.reoffer(fax(one.host))
    assert status == (488 if refused else 200)
    assert stage.engine.converting == (ports if refused else set())
    assert stage.engine.links
    other.offer_answer = audio
    told = len(stage.engine.commands)
    status, answer = await one.reoffer(one.body)
    assert (status, formats_in(answer)) == (200, formats_in(one.body))
    assert stage.engine.converting == ports
    anew = {one.port for one in stage.engine.commands[told:] if isinstance(one, SetFormats)}
    assert anew == (set() if refused else ports)
    stage.calls.all[-1].hang_up()
    await stage.settle()
