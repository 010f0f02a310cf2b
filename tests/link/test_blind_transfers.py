"""Blind transfer: REFER within a call, whoever began it, and what becomes of the three (RFC 3515, RFC 5589)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.crash import Keeping
from tests.link.memory_network import Weather
from tests.link.phones import Party, describe
from tests.link.stage import DOMAIN, HOST, Stage
from tests.link.talking import both_sides, port_of
from tests.link.transferring import notifies, refer, relays, three, told, until_told
from tests.link.virtual_time import virtual
from trunkline.media.encryption import MediaEncryption
from trunkline.model.tenant import Tenant
from trunkline.proto.sip.message import parse_message
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.sessions import Session

OTHERS = Tenant("t2", "Others", ("others.test",))


def who(stage: Stage, side: str) -> tuple[Party, Party]:
    """The party that transfers, and the one that stays."""
    alice, bob = stage.parties[:2]
    return (alice, bob) if side == "caller" else (bob, alice)


async def over(stage: Stage, *parties: Party) -> None:
    """The first hangs up, the others hear of it, nothing is left."""
    parties[0].dialogue.hang_up()
    for party in parties[1:]:
        await party.until("ended bye")
    await stage.settle()


def transfer_codes(stage: Stage) -> list[str]:
    return [code for code in stage.story if code.startswith("transfer.")]


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.4")
@pytest.mark.rfc("3420", "2")
@pytest.mark.rfc("6665", "8.3.1")
@virtual
async def test_the_other_party_talks_to_the_new_one_and_the_transferor_is_told(side: str) -> None:
    stage, _, _, carol = await three()
    one, other = who(stage, side)
    response = await refer(one, "1003")
    assert response.status == 200
    await carol.until("acknowledged")
    await one.until("ended bye")
    assert told(one) == ["100 active", "180 active", "200 terminated"]
    last = notifies(one)[-1]
    assert last.headers["Content-Type"] == "message/sipfrag;version=2.0"
    assert last.headers["Subscription-State"] == "terminated;reason=noresource"
    assert last.headers["Event"] == "refer"
    assert relays(stage, other, carol)
    assert not other.dialogue.ended
    await over(stage, other, carol)
    assert sorted(record.code for record in stage.records) == [
        "call.hangup",
        "call.hangup",
        "call.transferred",
    ]
    assert transfer_codes(stage) == ["transfer.asked", "transfer.done"]


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3892", "2.1")
@virtual
async def test_the_new_party_learns_who_calls_and_who_transfers(side: str) -> None:
    stage, _, _, carol = await three()
    one, other = who(stage, side)
    numbers = {stage.parties[0]: "1001", stage.parties[1]: "1002"}
    await refer(one, "1003", "Referred-By: <sip:somebody-else@elsewhere.test>\r\n")
    await carol.until("acknowledged")
    invite = carol.invites[0]
    assert f"sip:{numbers[other]}@{DOMAIN}" in invite.headers["From"]
    assert invite.headers["Referred-By"] == f"<sip:{numbers[one]}@{DOMAIN}>"
    await one.until("ended bye")
    await over(stage, other, carol)
    record = next(record for record in stage.records if "10.0.0.3" in record.target)
    assert (record.caller, record.callee) == (numbers[other], "1003")


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-21")
@pytest.mark.rfc("3264", "8.4")
@virtual
async def test_a_party_on_hold_is_transferred_and_talks_again() -> None:
    stage, alice, bob, carol = await three()
    bob.offer_answer = describe(bob.host, "a=recvonly", version=2)
    await alice.reoffer(describe(alice.host, "a=sendonly", version=2))
    bob.offer_answer = describe(bob.host, version=3)
    assert stage.is_held()
    await refer(alice, "1003")
    await carol.until("acknowledged")
    await alice.until("ended bye")
    for body in (carol.heard[0], bob.heard[-1]):
        assert b"a=recvonly" not in body
        assert b"a=sendonly" not in body
    assert not stage.is_held()
    assert relays(stage, bob, carol)
    await over(stage, carol, bob)


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rfc("5589", "6.1")
@virtual
async def test_a_transferor_that_leaves_at_once_does_not_end_the_call_of_the_others(side: str) -> None:
    stage, _, _, carol = await three()
    one, other = who(stage, side)
    await refer(one, "1003")
    one.dialogue.hang_up()
    await one.until("ended hangup")
    await carol.until("acknowledged")
    await asyncio.sleep(1)
    assert not other.dialogue.ended
    assert relays(stage, other, carol)
    await over(stage, carol, other)
    assert sorted(record.code for record in stage.records) == ["call.hangup"] * 3


@both_sides
@pytest.mark.parametrize(("status", "passed"), [(486, 486), (603, 603), (404, 404)])
@pytest.mark.rule("T-37")
@pytest.mark.rfc("5589", "6.2")
@virtual
async def test_a_failed_transfer_leaves_the_call_as_it_was_and_says_why(
    side: str, status: int, passed: int
) -> None:
    stage, _, _, carol = await three()
    one, other = who(stage, side)
    carol.refuse_with = status
    await refer(one, "1003")
    await until_told(one, f"{passed} terminated")
    assert not one.dialogue.ended
    assert not other.dialogue.ended
    assert relays(stage, one, other)
    assert (await one.reoffer(one.body))[0] == 200
    await over(stage, one, other)
    assert transfer_codes(stage) == ["transfer.asked", "transfer.failed", "transfer.returned"]


@pytest.mark.rule("T-37")
@virtual
async def test_a_new_party_that_does_not_answer_is_given_up_and_the_call_returns() -> None:
    stage, alice, bob, carol = await three()
    carol.answers = False
    await refer(alice, "1003")
    await until_told(alice, "480 terminated")
    await carol.until("cancelled")
    await over(stage, alice, bob)


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_a_transferor_that_left_is_rung_again_when_its_transfer_fails(side: str) -> None:
    stage, _, _, carol = await three()
    one, other = who(stage, side)
    carol.refuse_with = 486
    await refer(one, "1003")
    one.dialogue.hang_up()
    await one.until("invited")
    await one.until("acknowledged")
    await asyncio.sleep(1)
    assert relays(stage, one, other)
    assert not other.dialogue.ended
    await over(stage, other, one)
    assert "transfer.recall" in stage.story


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3326", "2")
@virtual
async def test_where_nobody_is_rung_again_who_stays_is_hung_up_with_the_reason(side: str) -> None:
    stage, _, _, carol = await three()
    stage.door.handing_on.recalls = lambda: False
    one, other = who(stage, side)
    carol.refuse_with = 486
    await refer(one, "1003")
    one.dialogue.hang_up()
    await other.until("ended bye")
    assert other.reasons[-1] == 'SIP;cause=486;text="Busy Here"'
    await stage.settle()


@pytest.mark.rule("T-37")
@virtual
async def test_when_who_was_to_stay_leaves_the_new_party_stops_ringing() -> None:
    stage, alice, bob, carol = await three()
    carol.answers = False
    await refer(alice, "1003")
    await carol.until("invited")
    await asyncio.sleep(1)
    bob.dialogue.hang_up()
    await carol.until("cancelled")
    await alice.until("ended bye")
    assert b"SIP/2.0 487" in await stage.until_sent(HOST, "NOTIFY", 3)
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("4488", "4")
@virtual
async def test_refer_sub_false_brings_no_notify() -> None:
    stage, alice, bob, carol = await three()
    response = await refer(alice, "1003", "Refer-Sub: false\r\nRequire: norefersub\r\n")
    assert response.status == 200
    assert response.headers["Refer-Sub"] == "false"
    await carol.until("acknowledged")
    await alice.until("ended bye")
    assert not notifies(alice)
    await over(stage, bob, carol)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.6")
@virtual
async def test_a_second_refer_of_a_dialog_has_a_subscription_of_its_own() -> None:
    stage, alice, bob, carol = await three()
    carol.refuse_with = 486
    await refer(alice, "1003")
    await until_told(alice, "486 terminated")
    carol.refuse_with = 0
    await refer(alice, "1003")
    await until_told(alice, "200 terminated")
    dialog = alice.dialogue.dialog
    assert dialog is not None
    events = [request.headers["Event"] for request in notifies(alice)]
    second = {event for event in events if ";id=" in event}
    assert events[0] == "refer"
    assert len(second) == 1
    sent = [parse_message(data) for data in stage.sent(alice.host, "REFER")]
    assert second == {f"refer;id={sent[-1].cseq[0]}"}
    await over(stage, bob, carol)


@pytest.mark.rule("T-37")
@virtual
async def test_a_second_transfer_at_the_same_time_is_told_to_come_later() -> None:
    stage, alice, bob, carol = await three()
    carol.answers = False
    await refer(alice, "1003")
    assert (await refer(alice, "1003")).status == 491
    assert (await refer(bob, "1003")).status == 491
    await until_told(alice, "480 terminated")
    await over(stage, alice, bob)


@pytest.mark.parametrize(
    ("to", "status"),
    [
        ("4711", 404),  # nobody has the number
        ("sip:1003@elsewhere.test", 404),
        ("tel:+4930123456", 416),
        ("sip:1003@pbx.test;method=BYE", 501),
        ("sip:9196@pbx.test?Replaces=unknown%3Bto-tag%3Da%3Bfrom-tag%3Db", 481),
        ("sip:4711@pbx.test?Replaces=unknown%3Bto-tag%3Da%3Bfrom-tag%3Db", 404),
        ("sip:1003@pbx.test?Replaces=unknown%3Bto-tag%3Da", 400),
    ],
)
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.2")
@virtual
async def test_what_cannot_be_referred_to_is_refused_and_the_call_goes_on(to: str, status: int) -> None:
    stage, alice, bob, _carol = await three()
    stage.directory.put_tenant(stage.directory.entry_of(OTHERS))
    response = await alice.dialogue.request(
        "REFER",
        contact=alice.dialogue.contact,
        extra=f"Refer-To: <{to if ':' in to else f'sip:{to}@{DOMAIN}'}>\r\n",
    )
    assert response.status == status
    await asyncio.sleep(1)
    assert not notifies(alice)
    assert relays(stage, alice, bob)
    await over(stage, alice, bob)
    assert transfer_codes(stage) == ["transfer.refused"]


@pytest.mark.parametrize("lines", ["", "Refer-To: <sip:1003@pbx.test>\r\nRefer-To: <sip:1001@pbx.test>\r\n"])
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.1")
@virtual
async def test_a_refer_has_exactly_one_refer_to(lines: str) -> None:
    stage, alice, bob, _carol = await three()
    response = await alice.dialogue.request("REFER", contact=alice.dialogue.contact, extra=lines)
    assert response.status == 400
    await over(stage, alice, bob)


@pytest.mark.rule("T-37")
@virtual
async def test_the_transferors_limits_hold_for_the_call_it_makes_but_not_twice() -> None:
    stage = Stage()
    stage, alice, bob, carol = await three(stage)
    stage.calls_per_extension = 1
    await refer(alice, "1003")
    await carol.until("acknowledged")
    await alice.until("ended bye")
    assert [stage.calls.load("t1", number) for number in ("1001", "1002", "1003")] == [0, 1, 1]
    dave = stage.party()
    stage.dial(dave, "1003")
    await dave.until("failed 486")
    stage.dial(dave, "1001")
    await alice.until("invited")
    await dave.until("answered")
    dave.dialogue.hang_up()
    await over(stage, bob, carol)


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-13")
@virtual
async def test_a_new_party_that_cannot_be_understood_is_hung_up_and_the_call_returns() -> None:
    stage, alice, bob, carol = await three()
    bob.offer_answer = 488
    await refer(alice, "1003")
    await carol.until("ended bye")
    await until_told(alice, "488 terminated")
    assert relays(stage, alice, bob)
    await over(stage, alice, bob)


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-08")
@pytest.mark.rfc("3261", "14.1")
@virtual
async def test_a_reinvite_that_meets_one_of_theirs_is_sent_again() -> None:
    stage, alice, bob, carol = await three()
    answers: list[bytes | int] = [491, describe(bob.host, version=2)]
    bob.offer_answer = None
    bob_on_offer = bob.on_offer

    def on_offer(session: Session, incoming: Incoming) -> None:
        bob.offer_answer = answers.pop(0)
        bob_on_offer(session, incoming)

    bob.on_offer = on_offer  # type: ignore[method-assign]
    await refer(alice, "1003")
    await until_told(alice, "200 terminated")
    assert relays(stage, bob, carol)
    assert not answers
    await over(stage, bob, carol)


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_the_new_party_hands_the_call_on_again(side: str) -> None:
    stage, _, _, carol = await three()
    one, other = who(stage, side)
    await refer(one, "1003")
    await one.until("ended bye")
    dave = stage.party()
    assert (await refer(carol, "1004")).status == 200
    await dave.until("acknowledged")
    await carol.until("ended bye")
    assert relays(stage, other, dave)
    assert (await refer(other, "1001" if side == "caller" else "1002")).status == 200
    await other.until("ended bye")
    await asyncio.sleep(1)
    assert relays(stage, one, dave)
    await over(stage, dave, one)
    assert len(stage.records) == 5


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_a_transferred_call_outlives_a_crash(side: str) -> None:
    stage = Stage()
    keeping = Keeping(stage)
    stage, _, _, carol = await three(stage)
    one, other = who(stage, side)
    await keeping.after(4)
    await refer(one, "1003")
    await one.until("ended bye")
    await keeping.after(4)
    keeping = await keeping.crash()
    stage = keeping.stage
    port = port_of(carol.heard[0])
    carol.offer_answer = describe(carol.host, version=4)
    assert (await other.reoffer(describe(other.host, version=4)))[0] == 200
    assert port_of(carol.heard[-1]) == port
    assert (await refer(carol, "1002" if one is stage.parties[1] else "1001")).status == 200
    await carol.until("ended bye")
    other.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("seed", range(6))
@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_a_transfer_comes_through_loss_doubling_and_disorder(side: str, seed: int) -> None:
    stage = Stage(Weather(loss=0.15, duplicate=0.1, late=0.1), seed)
    stage, _, _, carol = await three(stage)
    one, other = who(stage, side)
    assert (await refer(one, "1003")).status == 200
    await carol.until("acknowledged")
    await one.until("ended bye")
    await asyncio.sleep(60)
    assert told(one)[-1] == "200 terminated"
    assert relays(stage, other, carol)
    other.dialogue.hang_up()
    await asyncio.sleep(120)
    assert carol.dialogue.ended
    await stage.settle()


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rule("T-17")
@pytest.mark.rfc("3262", "5")
@virtual
async def test_a_new_party_that_described_itself_reliably_before_it_answers(side: str) -> None:
    stage, _, _, carol = await three()
    one, other = who(stage, side)
    carol.answers = False
    carol.endpoint.set_reliable_provisionals("supported")
    await refer(one, "1003")
    await carol.until("invited")
    carol.incoming.progress(183, carol.body)
    await until_told(one, "183 active")
    await asyncio.sleep(1)
    carol.incoming.answer(b"")
    await carol.until("acknowledged")
    await one.until("ended bye")
    assert relays(stage, other, carol)
    await over(stage, other, carol)


KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rule("T-19")
@pytest.mark.rfc("4568", "6.1")
@virtual
async def test_keys_are_not_handed_on(side: str) -> None:
    stage = Stage()
    stage.context.encryption = MediaEncryption(phones="required")
    alice, bob, carol = (stage.party() for _ in range(3))
    for party in (alice, bob, carol):
        secured = describe(party.host, KEY).replace(b"RTP/AVP", b"RTP/SAVP")
        party.body = party.offer_answer = secured
    await stage.connect(alice, bob)
    one, other = who(stage, side)
    await refer(one, "1003")
    await carol.until("acknowledged")
    await one.until("ended bye")
    assert b"a=crypto" in carol.heard[0]
    assert KEY.partition("inline:")[2].encode() not in carol.heard[0]
    assert relays(stage, other, carol)
    await over(stage, other, carol)


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "8")
@virtual
async def test_who_had_more_streams_keeps_their_lines(side: str) -> None:
    stage = Stage()
    alice, bob, carol = (stage.party() for _ in range(3))
    video = b"m=video 5000 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n"
    for party in (alice, bob):
        party.body = party.offer_answer = describe(party.host) + video
    await stage.connect(alice, bob)
    one, other = who(stage, side)
    carol.body = describe(carol.host) + b"m=video 0 RTP/AVP 99\r\n"
    other.offer_answer = describe(other.host) + b"m=video 0 RTP/AVP 99\r\n"
    await refer(one, "1003")
    await carol.until("acknowledged")
    await one.until("ended bye")
    assert [body.count(b"m=") for body in (carol.heard[0], other.heard[-1])] == [2, 2]
    assert b"m=video 0 " in other.heard[-1]
    assert relays(stage, other, carol)
    dave = stage.party()
    dave.body = describe(dave.host) + b"m=video 0 RTP/AVP 99\r\n"
    await refer(carol, "1004")
    await carol.until("ended bye")
    assert relays(stage, other, dave)
    await over(stage, other, dave)
