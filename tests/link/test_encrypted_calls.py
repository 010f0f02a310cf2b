"""Calls whose legs are secured each in its own way: keys in the description, DTLS-SRTP, or neither."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.fake_media import FakeEngine
from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.talking import both_sides, who
from tests.link.test_attended_transfers import TwoCalls
from tests.link.test_call_fax import fax
from tests.link.transferring import relays, until_told
from tests.link.virtual_time import virtual
from trunkline.app.media_story import MediaStory
from trunkline.media.encryption import MediaEncryption
from trunkline.media.events import ConsentLost, PathChosen, PortSecured, SecurityFailed
from trunkline.media.leg_security import Encryption

pytestmark = [pytest.mark.rule("T-24")]

KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
THIRD_KEY = "AAAA" + KEY[4:]
OTHER_KEY = "PS1uQCVeeCFCanVmcjkpPywjNWhcYVRyZ2Vq"[:36] + "abcd"
PRINT = "sha-256 " + ":".join(["0B"] * 32)
BROWSER = (
    "v=0\r\no=- 46117317 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n"
    "a=msid-semantic: WMS stream\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=ice-ufrag:F7gI\r\na=ice-pwd:x9cml/YzichV2+XlhiMu8gx9\r\na=ice-options:trickle\r\n"
    f"a=fingerprint:{PRINT}\r\na=setup:SETUP\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    "a=sendrecv\r\na=msid:stream track\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\n"
    "a=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n"
    "a=ssrc:3735928559 cname:x\r\n"
)
VIDEO = (
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:F7gI\r\na=ice-pwd:x9cml/YzichV2+XlhiMu8gx9\r\n"
    f"a=fingerprint:{PRINT}\r\na=setup:SETUP\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
)


def keyed(host: str, key: str = KEY, tag: int = 1, suite: str = "AES_CM_128_HMAC_SHA1_80") -> bytes:
    """A description over RTP/SAVP."""
    return describe(host, f"a=crypto:{tag} {suite} inline:{key}").replace(b"RTP/AVP", b"RTP/SAVP")


def browser(setup: str, video: bool = False) -> bytes:
    return (BROWSER + (VIDEO if video else "")).replace("SETUP", setup).encode()


def port_for(stage: Stage, party: Party) -> str:
    """The engine's port that a party was told last."""
    told = next(body for body in reversed(party.heard) if body)
    line = next(row for row in told.decode().split("\r\n") if row.startswith("m=audio"))
    number = int(line.split(" ")[1])
    return next(port for port, open_at in stage.engine.rtp_ports.items() if open_at == number)


def told_of(stage: Stage, code: str) -> list[str]:
    """What the story of the call says under a code."""
    return [step["text"] for step in stage.over[-1].story if step["code"] == code]


def row(body: bytes, start: str) -> str:
    return next((row for row in body.decode().split("\r\n") if row.startswith(start)), "")


def relayed(stage: Stage, one: Party, other: Party) -> bool:
    return stage.engine.links.get(port_for(stage, one)) == port_for(stage, other)


@pytest.mark.rfc("4568", "5.1.2")
@virtual
async def test_a_caller_with_keys_talks_to_a_phone_without() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body = keyed(alice.host, tag=4)
    await stage.connect(alice, bob)
    assert b"m=audio" in bob.heard[0]
    assert b"RTP/AVP" in bob.heard[0]
    assert b"crypto" not in bob.heard[0]
    answer = alice.heard[-1]
    assert row(answer, "m=audio").split(" ")[2] == "RTP/SAVP"
    crypto = row(answer, "a=crypto:")
    assert crypto.startswith("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:")
    ours = crypto.partition("inline:")[2]
    assert ours != KEY
    told = stage.engine.keys[port_for(stage, alice)]
    assert (told.suite, told.send_key, told.receive_key) == ("AES_CM_128_HMAC_SHA1_80", ours, KEY)
    assert port_for(stage, bob) not in stage.engine.keys
    assert relayed(stage, alice, bob)
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_each_leg_has_keys_of_its_own() -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    alice, bob = stage.party(), stage.party()
    alice.body, bob.body = keyed(alice.host), keyed(bob.host, OTHER_KEY)
    await stage.connect(alice, bob)
    assert row(bob.heard[0], "m=audio").split(" ")[2] == "RTP/SAVP"
    offered = [one for one in bob.heard[0].decode().split("\r\n") if one.startswith("a=crypto:")]
    assert [one.split(" ")[1] for one in offered][:2] == [
        "AES_CM_128_HMAC_SHA1_80",
        "AES_256_CM_HMAC_SHA1_80",
    ]
    assert len({one.partition("inline:")[2] for one in offered}) == len(offered)
    assert KEY.encode() not in bob.heard[0]
    told = stage.engine.keys[port_for(stage, bob)]
    assert (told.send_key, told.receive_key) == (offered[0].partition("inline:")[2], OTHER_KEY)
    assert stage.engine.keys[port_for(stage, alice)].receive_key == KEY
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3264", "8")
@both_sides
@virtual
async def test_a_hold_keeps_the_keys(side: str) -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    alice, bob = stage.party(), stage.party()
    alice.body = alice.offer_answer = keyed(alice.host)
    bob.body = bob.offer_answer = keyed(bob.host, OTHER_KEY)
    await stage.connect(alice, bob)
    before = dict(stage.engine.keys)
    one, other = who(stage, side)
    await one.reoffer(one.body.replace(b"\r\nm=", b"\r\na=sendonly\r\nm=", 1))
    assert stage.is_held()
    assert (
        row(other.heard[-1], "a=crypto:1 ").partition("inline:")[2] == before[port_for(stage, other)].send_key
    )
    assert stage.engine.keys == before
    alice.dialogue.hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_a_party_that_changes_its_key_is_heard_by_the_new_one(side: str) -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    alice, bob = stage.party(), stage.party()
    alice.body = alice.offer_answer = keyed(alice.host)
    bob.body = bob.offer_answer = keyed(bob.host)
    await stage.connect(alice, bob)
    one, _ = who(stage, side)
    await one.reoffer(keyed(one.host, OTHER_KEY))
    assert stage.engine.keys[port_for(stage, one)].receive_key == OTHER_KEY
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_keys_beside_plain_rtp_are_for_who_takes_them() -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="preferred")
    alice, bob = stage.party(), stage.party()
    alice.body = describe(alice.host, f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")
    await stage.connect(alice, bob)
    assert b"crypto" not in bob.heard[0]  # it is reached by UDP, where everybody could read them
    assert port_for(stage, alice) not in stage.engine.keys
    assert b"crypto" not in alice.heard[-1]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_offer_that_cannot_be_decrypted_is_refused() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body = keyed(alice.host, suite="F8_128_HMAC_SHA1_80")
    stage.dial(alice, "1002")
    await alice.until("failed 488")
    assert not bob.heard
    await stage.settle()


@virtual
async def test_an_answer_without_keys_ends_a_call_that_requires_them() -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    alice, _ = stage.party(), stage.party()
    alice.body = keyed(alice.host)
    stage.dial(alice, "1002")
    await alice.until("failed 502")
    assert not stage.engine.links
    await stage.settle()


@pytest.mark.rfc("8842", "5.3")
@pytest.mark.rfc("8839", "5")
@virtual
async def test_a_browser_calls_a_phone() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body = browser("actpass", video=True)
    bob.body = describe(bob.host) + b"m=video 0 RTP/AVP 96\r\n"
    await stage.connect(alice, bob)
    offer = bob.heard[0]
    assert row(offer, "m=audio").split(" ")[2:] == ["RTP/AVP", "111", "0", "8", "110", "126"]
    assert row(offer, "m=video") == "m=video 0 RTP/AVP 96"
    for gone in (
        b"ssrc",
        b"extmap",
        b"rtcp-fb",
        b"msid",
        b"ice",
        b"BUNDLE",
        b"fingerprint",
        b"a=mid",
        b"setup",
    ):
        assert gone not in offer
    answer = alice.heard[-1]
    assert row(answer, "m=audio").split(" ")[2] == "UDP/TLS/RTP/SAVPF"
    assert row(answer, "a=group:") == "a=group:BUNDLE 0"
    assert row(answer, "a=setup:") == "a=setup:passive"
    assert row(answer, "a=fingerprint:") == f"a=fingerprint:{FakeEngine.FINGERPRINT}"
    assert "a=ice-lite" in answer.decode().split("\r\nm=")[0].split("\r\n")
    assert row(answer, "a=candidate:").endswith(
        f" {FakeEngine.ADDRESS} {row(answer, 'm=audio').split(' ')[1]} typ host"
    )
    assert b"a=rtcp-mux\r\n" in answer
    port = port_for(stage, alice)
    ice = stage.engine.ice[port]
    assert (ice.remote_ufrag, ice.remote_password) == ("F7gI", "x9cml/YzichV2+XlhiMu8gx9")
    assert row(answer, "a=ice-ufrag:") == f"a=ice-ufrag:{ice.local_ufrag}"
    assert row(answer, "a=ice-pwd:") == f"a=ice-pwd:{ice.local_password}"
    assert (stage.engine.dtls[port].setup, stage.engine.dtls[port].fingerprint) == ("passive", PRINT)
    assert stage.engine.remotes[port].rtcp_mux
    assert relayed(stage, alice, bob)
    assert not stage.is_held()
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize(("theirs", "ours"), [("active", "passive"), ("passive", "active")])
@virtual
async def test_a_phone_calls_a_browser(theirs: str, ours: str) -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="dtls")
    alice, bob = stage.party(), stage.party()
    bob.body = browser(theirs).replace(b"a=group:BUNDLE 0 1", b"a=group:BUNDLE 0")
    await stage.connect(alice, bob)
    offer = bob.heard[0]
    assert row(offer, "m=audio").split(" ")[2] == "UDP/TLS/RTP/SAVPF"
    assert row(offer, "a=setup:") == "a=setup:actpass"
    assert row(offer, "a=group:") == "a=group:BUNDLE 0"
    port = port_for(stage, bob)
    assert stage.engine.dtls[port].setup == ours
    assert stage.engine.ice[port].remote_ufrag == "F7gI"
    assert row(alice.heard[-1], "m=audio").split(" ")[2] == "RTP/AVP"
    assert b"fingerprint" not in alice.heard[-1]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_browser_that_restarts_ice_finds_a_new_path_and_keeps_its_role() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    alice.body = browser("actpass").replace(b"BUNDLE 0 1", b"BUNDLE 0")
    await stage.connect(alice, bob)
    port = port_for(stage, alice)
    before, role = stage.engine.ice[port], stage.engine.dtls[port]
    await alice.reoffer(alice.body)
    assert stage.engine.ice[port] == before
    await alice.reoffer(alice.body.replace(b"F7gI", b"G8hJ"))
    after = stage.engine.ice[port]
    assert after.remote_ufrag == "G8hJ"
    assert after.local_ufrag != before.local_ufrag
    assert stage.engine.dtls[port] == role
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("kind", ["sdes", "dtls"])
@virtual
async def test_a_service_answers_whoever_is_encrypted(kind: str) -> None:
    stage = Stage()
    alice = stage.party()
    alice.body = keyed(alice.host) if kind == "sdes" else browser("actpass", video=True)
    stage.dial(alice, "*600")
    await alice.until("answered")
    port = port_for(stage, alice)
    assert port in (stage.engine.keys if kind == "sdes" else stage.engine.dtls)
    assert port in stage.engine.doing
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_the_story_tells_how_keys_were_agreed_or_not() -> None:
    stage = Stage()
    stage.engine.subscribe(MediaStory(stage.calls, 0.0))
    alice, bob = stage.party(), stage.party()
    alice.body = browser("actpass").replace(b"BUNDLE 0 1", b"BUNDLE 0")
    call = await stage.connect(alice, bob)
    port = port_for(stage, alice)
    for event in (
        PathChosen(call.id, port, "192.0.2.7", 4000),
        PortSecured(call.id, port, "AEAD_AES_128_GCM"),
        SecurityFailed(call.id, port, "the certificate is not the one of the description"),
        ConsentLost(call.id, port),
    ):
        stage.engine.tell(event)
    told = [step.code for step in call.story.steps][-4:]
    assert told == ["media.path", "media.secured", "media.not_secured", "media.consent_lost"]
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize(
    ("encryption", "offer", "status", "why"),
    [
        ("off", keyed("192.0.2.1", suite="F8_128_HMAC_SHA1_80"), 488, "suite 'F8_128_HMAC_SHA1_80'"),
        ("off", keyed("192.0.2.1", key=KEY[:-4]), 488, "27 octets, expected 30"),
        ("off", browser("actpass").replace(b"sha-256", b"sha-1"), 488, "no a=fingerprint"),
        ("off", browser("actpass").replace(b"a=ice-pwd", b"a=ice-x"), 488, "a=ice-pwd"),
        ("required", describe("192.0.2.1"), 488, "RTP/AVP, where encryption is required"),
    ],
)
@virtual
async def test_the_story_says_what_is_wrong_with_an_offer(
    encryption: Encryption, offer: bytes, status: int, why: str
) -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones=encryption)
    alice, bob = stage.party(), stage.party()
    alice.body = offer
    stage.dial(alice, "1002")
    await alice.until(f"failed {status}")
    assert not bob.heard
    await stage.settle()
    (said,) = told_of(stage, "sdp.not_secured")
    assert said.startswith("SDP offer, media line 1: ")
    assert why in said
    assert KEY[:20] not in repr(stage.over[-1].story)


@virtual
async def test_the_story_says_what_is_wrong_with_an_answer() -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    alice, bob = stage.party(), stage.party()
    alice.body, bob.body = keyed(alice.host), keyed(bob.host, tag=2)
    stage.dial(alice, "1002")
    await alice.until("failed 502")
    await stage.settle()
    (why,) = told_of(stage, "sdp.not_secured")
    assert why.endswith("a=crypto:2 AES_CM_128_HMAC_SHA1_80, which was not offered under that tag")
    assert not stage.engine.links


@both_sides
@virtual
async def test_a_call_that_asks_for_plain_rtp_where_it_is_required_goes_on_encrypted(side: str) -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    alice, bob = stage.party(), stage.party()
    alice.body = alice.offer_answer = keyed(alice.host)
    bob.body = bob.offer_answer = keyed(bob.host, OTHER_KEY)
    await stage.connect(alice, bob)
    before, (one, other) = dict(stage.engine.keys), who(stage, side)
    asked = len(other.heard)
    assert (await one.reoffer(describe(one.host, version=2)))[0] == 488
    assert (stage.engine.keys, len(other.heard)) == (before, asked)
    status, answer = await one.reoffer(one.body)
    assert (status, row(answer, "m=audio").split(" ")[2]) == (200, "RTP/SAVP")
    assert stage.engine.keys == before
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-23")
@pytest.mark.parametrize("refused", [False, True])
@both_sides
@virtual
async def test_a_fax_is_not_encrypted_and_the_sound_after_it_is(side: str, refused: bool) -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    alice, bob = stage.party(), stage.party()
    alice.body = alice.offer_answer = keyed(alice.host)
    bob.body = bob.offer_answer = keyed(bob.host, OTHER_KEY)
    await stage.connect(alice, bob)
    ports, before = {port_for(stage, alice), port_for(stage, bob)}, dict(stage.engine.keys)
    assert set(before) == ports
    one, other = who(stage, side)
    body, other.offer_answer = other.offer_answer, 488 if refused else fax(other.host)
    status, answer = await one.reoffer(fax(one.host))
    assert b"crypto" not in other.heard[-1]
    assert b"crypto" not in answer
    if refused:
        assert (status, stage.engine.keys) == (488, before)
    else:
        assert (status, stage.engine.keys) == (200, {})
    other.offer_answer = body
    status, answer = await one.reoffer(one.body)
    assert (status, row(answer, "m=audio").split(" ")[2]) == (200, "RTP/SAVP")
    assert row(other.heard[-1], "m=audio").split(" ")[2] == "RTP/SAVP"
    assert set(stage.engine.keys) == ports
    fresh = {port for port in ports if stage.engine.keys[port].send_key != before[port].send_key}
    assert fresh == (set() if refused else ports)
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_party_that_moves_to_another_call_is_heard_by_the_key_that_it_names_then() -> None:
    calls = TwoCalls()
    stage = calls.stage
    for party in (calls.one, calls.middle, calls.two):
        party.body = party.offer_answer = keyed(party.host)
    stage.context.encryption = MediaEncryption(phones="required")
    await calls.connect("made", "made")
    calls.one.offer_answer = keyed(calls.one.host, OTHER_KEY)
    calls.two.offer_answer = keyed(calls.two.host, THIRD_KEY)
    assert await calls.join() == 200
    await until_told(calls.middle, "200 terminated")
    await calls.middle.until("ended bye")
    assert relays(stage, calls.one, calls.two)
    for party, key in ((calls.one, OTHER_KEY), (calls.two, THIRD_KEY)):
        told = stage.engine.keys[port_for(stage, party)]
        assert told.receive_key == key
        assert row(party.heard[-1], "a=crypto:1 ").endswith(told.send_key)
    await calls.over()


@pytest.mark.rfc("8842", "5.1")
@pytest.mark.parametrize("fails", [False, True])
@virtual
async def test_a_browser_that_moves_to_another_call_stays_at_its_port(fails: bool) -> None:
    calls = TwoCalls()
    stage = calls.stage
    stage.context.encryption = MediaEncryption(phones="dtls")
    for party in (calls.one, calls.middle, calls.two):
        party.body = party.offer_answer = browser("active").replace(b"BUNDLE 0 1", b"BUNDLE 0")
    await calls.connect("made", "made")
    ports = {party: port_for(stage, party) for party in (calls.one, calls.two)}
    paths, roles = dict(stage.engine.ice), dict(stage.engine.dtls)
    if fails:
        calls.one.offer_answer = calls.two.offer_answer = 488
    assert await calls.join() == 200
    await until_told(calls.middle, "488 terminated" if fails else "200 terminated")
    assert {party: port_for(stage, party) for party in ports} == ports
    for port in ports.values():
        assert (stage.engine.ice[port], stage.engine.dtls[port]) == (paths[port], roles[port])
    if fails:
        assert set(stage.engine.owners) >= set(ports.values())
        assert len({stage.engine.owners[port] for port in ports.values()}) == 2
        calls.one.dialogue.hang_up()
        calls.two.dialogue.hang_up()
        await stage.settle()
    else:
        await calls.middle.until("ended bye")
        await asyncio.sleep(1)
        assert stage.engine.links[ports[calls.one]] == ports[calls.two]
        assert {stage.engine.owners[port] for port in ports.values()} == {next(iter(stage.calls.active))}
        assert set(stage.engine.owners) == set(ports.values())
        await calls.over()
    assert not stage.engine.owners
