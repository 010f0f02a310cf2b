"""What changes within calls whose legs are encrypted: holds, refreshes, transfers, late offers, forks, crashes."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.crash import Keeping
from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides, port_of, version_of, who
from tests.link.test_call_late_offers import answering, caller_of
from tests.link.test_encrypted_calls import KEY, OTHER_KEY, browser, keyed, port_for, row
from tests.link.test_session_timers import TIMED
from tests.link.transferring import refer, relays, until_told
from tests.link.virtual_time import virtual
from trunkline.call.recording import CallRecordings, RecordingLimits
from trunkline.call.target import Target
from trunkline.media.commands import SetPlain
from trunkline.media.encryption import MediaEncryption
from trunkline.media.leg_security import Encryption
from trunkline.ua.sessions import ServerSession

pytestmark = [pytest.mark.rule("T-24")]
BROWSER = browser("active").replace(b"BUNDLE 0 1", b"BUNDLE 0")
CALLING_BROWSER = browser("actpass").replace(b"BUNDLE 0 1", b"BUNDLE 0")


def stage_with(phones: Encryption) -> Stage:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones=phones)
    return stage


async def talking_by_keys() -> tuple[Stage, Party, Party]:
    """Two phones with keys in their descriptions."""
    stage = stage_with("required")
    alice, bob = stage.party(), stage.party()
    alice.body = alice.offer_answer = keyed(alice.host)
    bob.body = bob.offer_answer = keyed(bob.host, OTHER_KEY)
    await stage.connect(alice, bob)
    return stage, alice, bob


def held(body: bytes, how: str) -> bytes:
    """The description with a hold of a kind."""
    if how == "zero":
        at = body.index(b"c=IN IP4 ")
        return body[:at] + b"c=IN IP4 0.0.0.0" + body[body.index(b"\r\n", at) :]
    return body.replace(b"a=rtpmap", b"a=%s\r\na=rtpmap" % how.encode(), 1)


@pytest.mark.rule("T-21")
@pytest.mark.parametrize("how", ["sendonly", "inactive", "zero"])
@both_sides
@virtual
async def test_every_hold_and_its_end_keep_the_keys(side: str, how: str) -> None:
    stage, alice, _bob = await talking_by_keys()
    before, (one, other) = dict(stage.engine.keys), who(stage, side)
    for body, is_held in ((held(one.body, how), True), (one.body, False)):
        status, answer = await one.reoffer(body)
        assert (status, stage.is_held()) == (200, is_held)
        for told in (answer, other.heard[-1]):
            assert row(told, "m=audio").split(" ")[2] == "RTP/SAVP"
        assert stage.engine.keys == before
    await one.reoffer(held(one.body, how))
    await other.reoffer(held(other.body, how))
    await one.reoffer(b"")
    assert stage.engine.keys == before
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-08")
@virtual
async def test_two_changes_that_meet_keep_the_keys() -> None:
    stage, alice, bob = await talking_by_keys()
    before = dict(stage.engine.keys)
    outcomes = await asyncio.gather(*(one.reoffer(held(one.body, "sendonly")) for one in (alice, bob)))
    assert 491 in {status for status, _ in outcomes}
    assert (await bob.reoffer(bob.body))[0] == 200
    assert stage.engine.keys == before
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("4028", "7.4")
@pytest.mark.parametrize("kind", ["sdes", "dtls"])
@virtual
async def test_a_refresh_says_the_same_and_is_answered_by_the_same(kind: str) -> None:
    stage = stage_with("required" if kind == "sdes" else "dtls")
    stage.endpoint.set_session_timers(TIMED)
    alice, bob = stage.party(), stage.party()
    if kind == "sdes":
        alice.body, bob.body = keyed(alice.host), keyed(bob.host, OTHER_KEY)
    else:
        alice.body, bob.body = CALLING_BROWSER, BROWSER
    alice.offer_answer, bob.offer_answer = alice.body, bob.body
    stage.network.mangle = lambda data: data.replace(b", UPDATE", b"")
    await stage.connect(alice, bob)
    engine = stage.engine
    told, known = alice.heard[-1], (dict(engine.keys), dict(engine.ice), dict(engine.dtls))
    assert await alice.reoffer(alice.body) == (200, told)
    offered = [body for body in bob.heard if body][-1]
    await asyncio.sleep(1800)
    assert [body for body in bob.heard if body][-1] == offered
    assert [body for body in alice.heard if body][-1] == told
    assert len(bob.heard) > 1
    assert version_of(offered) == 1
    assert (engine.keys, engine.ice, engine.dtls) == known
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-19")
@pytest.mark.parametrize("phones", ["required", "dtls"])
@virtual
async def test_a_call_without_offer_is_offered_keys_on_both_sides(phones: Encryption) -> None:
    stage = stage_with(phones)
    alice, bob = stage.party(), stage.party()
    bob.body = keyed(bob.host, OTHER_KEY) if phones == "required" else CALLING_BROWSER
    answering(alice, keyed(alice.host) if phones == "required" else BROWSER)
    stage.dial(alice, "1002", b"")
    await bob.until("acknowledged")
    assert stage.engine.relays(port_of(alice.heard[-1]), port_of(bob.heard[-1]))
    if phones == "required":
        assert row(bob.heard[-1], "a=crypto:").startswith("a=crypto:1 ")
        assert bob.heard[-1].count(b"a=crypto:") == 1
        assert {one.receive_key for one in stage.engine.keys.values()} == {KEY, OTHER_KEY}
    else:
        assert row(alice.heard[-1], "a=setup:") == "a=setup:actpass"
        assert row(bob.heard[-1], "a=setup:") == "a=setup:passive"
        assert len(stage.engine.dtls) == len(stage.engine.ice) == 2
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-19")
@virtual
async def test_an_ack_without_keys_ends_a_call_that_requires_them() -> None:
    stage = stage_with("required")
    alice, bob = stage.party(), stage.party()
    bob.body = keyed(bob.host, OTHER_KEY)
    stage.dial(alice, "1002", b"")
    await alice.until("answered")
    caller_of(alice).acknowledge(describe(alice.host))
    await alice.until("ended bye")
    await bob.until("ended bye")
    await stage.settle()
    assert not stage.engine.links
    assert "sdp.not_secured" in stage.story


@pytest.mark.rule("T-12")
@virtual
async def test_early_media_of_a_plain_callee_and_the_answer_of_an_encrypted_one() -> None:
    stage = Stage()
    alice = stage.party()
    stage.extension("1500")
    bob, carol = stage.party("1500"), stage.party("1500", rings_s=3.0)
    for target in stage.contacts["1500"]:
        target.encryption = "preferred"
    bob.on_invite = lambda session: session.progress(183, bob.body)
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
    bob.body, carol.body = describe(bob.host), describe(carol.host, crypto)
    stage.dial(alice, "1500")
    await alice.until("183")
    assert not stage.engine.keys
    early = alice.heard[-1]
    await alice.until("answered")
    assert stage.engine.keys[port_for(stage, carol)].receive_key == KEY
    assert stage.engine.relays(port_of(alice.heard[-1]), port_of(carol.heard[0]))
    for told in (early, alice.heard[-1]):
        assert b"crypto" not in told
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-12")
@pytest.mark.parametrize("first", ["plain", "keyed"])
@virtual
async def test_two_phones_behind_one_proxy_answer_the_same_offer_each_in_its_way(first: str) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.contacts["1002"] = [Target(f"sip:1002@{bob.host}", label=bob.host, encryption="preferred")]
    crypto = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
    ways = [describe(bob.host), describe(bob.host, crypto, port=4100)]
    early, final = ways if first == "plain" else ways[::-1]

    def announce(session: ServerSession) -> None:
        session.progress(183, early)
        stage.loop.call_later(3.0, session.answer, final)

    bob.on_invite = announce
    stage.dial(alice, "1002")
    await alice.until("answered")
    await asyncio.sleep(1)
    port = port_for(stage, bob)
    if first == "plain":
        assert stage.engine.keys[port].receive_key == KEY
    else:
        assert port not in stage.engine.keys
        assert SetPlain(port) in stage.engine.commands
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-37")
@both_sides
@virtual
async def test_a_blind_transfer_between_encrypted_and_plain_parties(side: str) -> None:
    stage = Stage()
    alice, bob, carol = (stage.party() for _ in range(3))
    alice.body = alice.offer_answer = keyed(alice.host)
    bob.body = bob.offer_answer = describe(bob.host)
    carol.body = carol.offer_answer = describe(carol.host)
    await stage.connect(alice, bob)
    before = dict(stage.engine.keys)
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    assert (await refer(one, "1003")).status == 200
    await until_told(one, "200 terminated")
    await one.until("ended bye")
    await asyncio.sleep(1)
    assert relays(stage, other, carol)
    assert b"crypto" not in carol.heard[0]
    if other is alice:
        assert stage.engine.keys == before
        assert row(alice.heard[-1], "a=crypto:1 ").endswith(before[port_for(stage, alice)].send_key)
    else:
        assert b"crypto" not in bob.heard[-1]
    other.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("kind", ["sdes", "dtls"])
@pytest.mark.parametrize("scheme", ["call", "echo"])
@virtual
async def test_after_a_crash_both_parties_of_an_encrypted_call_are_hung_up_and_told_why(
    kind: str, scheme: str
) -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = stage.party(), stage.party()
    alice.body = keyed(alice.host) if kind == "sdes" else CALLING_BROWSER
    if scheme == "call":
        await stage.connect(alice, bob)
    else:
        stage.dial(alice, "*600")
        await alice.until("answered")
    await keeping.after(4)
    later = await keeping.crash()
    await alice.until("ended bye")
    if scheme == "call":
        await bob.until("ended bye")
    await later.stage.settle()
    assert later.stage.outcome("in")[0][1] == "call.lost_in_crash"
    told = [step for step in later.stage.over[-1].story if step["code"] == "call.lost_in_crash"]
    assert "encrypted" in told[0]["text"]


@virtual
async def test_the_recording_of_an_encrypted_call_ends_with_a_crash_once_and_for_all() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = stage.party(), stage.party()
    alice.body = keyed(alice.host)
    await stage.connect(alice, bob)
    recordings = CallRecordings(stage.engine, stage.calls, stage.wall)
    await recordings.start(stage.calls.all[0], "/rec/call.wav", "stereo", RecordingLimits())
    await keeping.after(4)
    later = await keeping.crash()
    recordings = CallRecordings(later.stage.engine, later.stage.calls, later.stage.wall)
    recordings.resume(list(later.stage.calls.active.values()))
    await alice.until("ended bye")
    await later.stage.settle()
    story = next(record.story for record in later.stage.over if record.story)
    told = [step for step in story if step["code"].startswith("call.recording")]
    assert [step["code"] for step in told] == ["call.recording_started", "call.recording_failed"]
    assert told[1]["text"] == "the exchange crashed: /rec/call.wav ends there"
    assert not recordings.active
    assert not later.stage.engine.recording


@virtual
async def test_an_audio_stream_that_is_refused_and_taken_up_again_has_its_keys() -> None:
    stage, alice, bob = await talking_by_keys()
    before = dict(stage.engine.keys)
    status, _ = await alice.reoffer(alice.body.replace(b"m=audio 4000", b"m=audio 0"))
    assert status in {200, 488}
    assert (await alice.reoffer(alice.body))[0] == 200
    assert stage.engine.keys == before
    assert stage.engine.links.get(port_for(stage, alice)) == port_for(stage, bob)
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_two_audio_streams_have_keys_of_their_own() -> None:
    stage = stage_with("required")
    alice, bob = stage.party(), stage.party()
    for party, key in ((alice, KEY), (bob, OTHER_KEY)):
        one = keyed(party.host, key)
        party.body = one + one[one.index(b"m=audio") :].replace(b"m=audio 4000", b"m=audio 4002")
    await stage.connect(alice, bob)
    assert len(stage.engine.keys) == 4
    assert len({one.send_key for one in stage.engine.keys.values()}) == 4
    assert alice.heard[-1].count(b"a=crypto:") == 2
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-29")
@pytest.mark.parametrize("caller", ["phone", "browser"])
@pytest.mark.parametrize("phones", ["off", "required"])
@virtual
async def test_what_is_added_to_an_offer_leaves_it_in_a_datagram(phones: Encryption, caller: str) -> None:
    stage = stage_with(phones)
    stage.context.converts = True
    alice, bob = stage.party(), stage.party()
    if caller == "browser":
        alice.body = CALLING_BROWSER
    else:
        alice.body = keyed(alice.host) if phones == "required" else describe(alice.host)
    stage.dial(alice, "1002")
    await bob.until("invited")
    (invite,) = stage.sent(HOST, "INVITE", bob.host)
    assert len(invite) < 1300
    stage.calls.all[-1].hang_up()
    await stage.settle()
