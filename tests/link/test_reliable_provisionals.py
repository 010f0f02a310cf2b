"""Provisional responses that arrive for certain (RFC 3262), on both sides of one dialog."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.link.phones import Party, describe
from tests.link.reliable import BOB, REQUIRED, SUPPORTED, pair, sent, settle
from tests.link.virtual_time import virtual
from trunkline.proto.sip.message import Response
from trunkline.ua.sessions import ClientSession

pytestmark = pytest.mark.rule("T-17")


async def ringing(extra: str = SUPPORTED, body: bytes | None = None) -> tuple[Party, Party]:
    """A call that has come to Bob."""
    _network, alice, bob = pair()
    alice.call(BOB, body=body, extra=extra)
    await bob.until("invited")
    return alice, bob


@pytest.mark.rfc("3262", "3")
@pytest.mark.rfc("3262", "7.1")
@pytest.mark.rfc("3262", "7.2")
@virtual
async def test_a_reliable_provisional_gets_a_prack_that_names_it() -> None:
    alice, bob = await ringing()
    bob.incoming.progress(183, bob.body)
    await alice.until("183")
    await asyncio.sleep(5)
    (response,), (prack,) = sent(bob.network, BOB, "SIP/2.0 183"), sent(bob.network, alice.host, "PRACK")
    assert response.headers["Require"] == "100rel"
    assert 1 <= int(response.headers["RSeq"]) < 2**31
    assert prack.headers["RAck"] == f"{response.headers['RSeq']} 1 INVITE"
    assert prack.headers["To"] == response.headers["To"]
    assert prack.cseq == (2, "PRACK")
    bob.incoming.answer(bob.body)
    await bob.until("acknowledged")
    assert alice.heard == [bob.body, b""], "the description that came reliably counts, and comes once"
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await settle(alice, bob)


@pytest.mark.rfc("3262", "3")
@virtual
async def test_it_is_repeated_ever_more_slowly_until_its_prack() -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, _src, _dst: data.startswith(b"PRACK")
    bob.incoming.progress(180)
    begun = bob.network.loop.time()
    await asyncio.sleep(10)
    times = [at for at, source, _, data in bob.network.log if source == BOB and b"SIP/2.0 180" in data]
    assert [round(b - a, 1) for a, b in pairwise(times)] == [0.5, 1.0, 2.0, 4.0]
    bob.network.drop = lambda _data, _src, _dst: False
    await asyncio.sleep(8)
    count = len(sent(bob.network, BOB, "SIP/2.0 180"))
    await asyncio.sleep(60)
    assert len(sent(bob.network, BOB, "SIP/2.0 180")) == count
    assert alice.said == ["180"], "repeated ones say nothing new"
    assert bob.network.loop.time() - begun > 64
    bob.incoming.refuse(486)
    await settle(alice, bob)


@pytest.mark.rfc("3262", "4")
@virtual
async def test_a_repeated_response_gets_no_second_prack() -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, src, _dst: data.startswith(b"SIP/2.0 200") and src[0] == BOB
    bob.incoming.progress(180)
    await alice.until("180")
    (response,) = sent(bob.network, BOB, "SIP/2.0 180")
    raw = next(data for _, _, _, data in bob.network.log if data.startswith(b"SIP/2.0 180"))
    alice.endpoint.receive(raw, alice.node.flow_to("UDP", BOB, 5060))
    pracks = sent(bob.network, alice.host, "PRACK")
    assert len({prack.headers["CSeq"] for prack in pracks}) == 1
    assert isinstance(response, Response)
    bob.network.drop = lambda _data, _src, _dst: False
    bob.incoming.refuse(486)
    await settle(alice, bob)


@pytest.mark.rfc("3262", "4")
@virtual
async def test_a_response_out_of_order_is_neither_acknowledged_nor_heard() -> None:
    alice, bob = await ringing()
    bob.incoming.progress(180)
    await alice.until("180")
    await asyncio.sleep(1)
    raw = next(data for _, _, _, data in bob.network.log if data.startswith(b"SIP/2.0 180"))
    (response,) = sent(bob.network, BOB, "SIP/2.0 180")
    number = int(response.headers["RSeq"])
    early = raw.replace(b"SIP/2.0 180 Ringing", b"SIP/2.0 181 Forwarded")
    alice.endpoint.receive(
        early.replace(f"RSeq: {number}".encode(), f"RSeq: {number + 2}".encode()),
        alice.node.flow_to("UDP", BOB, 5060),
    )
    await asyncio.sleep(1)
    assert alice.said == ["180"]
    assert len(sent(bob.network, alice.host, "PRACK")) == 1
    bob.incoming.refuse(486)
    await settle(alice, bob)


@pytest.mark.rfc("3262", "3")
@virtual
async def test_without_a_prack_the_call_is_refused_after_64_t1() -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, _src, _dst: data.startswith(b"PRACK")
    bob.incoming.progress(180)
    begun = bob.network.loop.time()
    await alice.until("failed 504")
    assert 32.0 <= bob.network.loop.time() - begun < 32.2
    assert bob.said[-1] == "ended no-prack"
    await settle(alice, bob)


@pytest.mark.rfc("3262", "3")
@virtual
async def test_the_next_one_waits_for_the_prack_of_the_one_before() -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, _src, _dst: data.startswith(b"PRACK")
    bob.incoming.progress(183, bob.body)
    bob.incoming.progress(180)
    await asyncio.sleep(3)
    assert not sent(bob.network, BOB, "SIP/2.0 180")
    bob.network.drop = lambda _data, _src, _dst: False
    await alice.until("180")
    await asyncio.sleep(5)
    first, second = sent(bob.network, BOB, "SIP/2.0 183")[0], sent(bob.network, BOB, "SIP/2.0 180")[0]
    assert int(second.headers["RSeq"]) == int(first.headers["RSeq"]) + 1
    bob.incoming.refuse(486)
    await settle(alice, bob)


@pytest.mark.rfc("3262", "3")
@virtual
async def test_the_2xx_waits_for_the_prack_of_a_description() -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, _src, _dst: data.startswith(b"PRACK")
    bob.incoming.progress(183, bob.body)
    bob.incoming.answer(bob.body)
    await asyncio.sleep(3)
    assert "answered" not in alice.said
    bob.network.drop = lambda _data, _src, _dst: False
    await bob.until("acknowledged")
    bob.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3262", "3")
@virtual
async def test_a_call_cancelled_while_its_2xx_waits_is_over() -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, _src, _dst: data.startswith(b"PRACK")
    bob.incoming.progress(183, bob.body)
    bob.incoming.answer(bob.body)
    await alice.until("183")
    alice.dialogue.hang_up()
    await alice.until("failed 487")
    assert bob.said[-1] == "cancelled"
    await settle(alice, bob)


@pytest.mark.rfc("3262", "3")
@virtual
async def test_a_2xx_does_not_wait_for_the_prack_of_a_ringing_without_description() -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, _src, _dst: data.startswith(b"PRACK")
    bob.incoming.progress(180)
    bob.incoming.answer(bob.body)
    await bob.until("acknowledged")
    bob.network.drop = lambda _data, _src, _dst: False
    await asyncio.sleep(5)
    assert [r.status for r in responses_to(bob, "PRACK")] == [200], "late, but known"
    alice.dialogue.hang_up()
    await settle(alice, bob)


def responses_to(party: Party, method: str) -> list[Response]:
    """What a party answered to requests of a method."""
    responses = sent(party.network, party.host, "SIP/2.0 ")
    return [one for one in responses if isinstance(one, Response) and one.cseq[1] == method]


@pytest.mark.rfc("3262", "3")
@pytest.mark.parametrize(("rack", "status"), [("1 1 INVITE", 481), ("nonsense", 400), ("", 400)])
@virtual
async def test_a_prack_that_names_nothing_is_refused(rack: str, status: int) -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, _src, _dst: data.startswith(b"PRACK") and b"RSeq" not in data
    bob.incoming.progress(180)
    await alice.until("180")
    bob.network.drop = lambda _data, _src, _dst: False
    response = await alice.dialogue.request("PRACK", extra=f"RAck: {rack}\r\n" if rack else "")
    assert response.status == status
    bob.incoming.refuse(486)
    await settle(alice, bob)


@pytest.mark.rfc("3262", "3")
@virtual
async def test_a_prack_where_nothing_is_reliable_gets_481() -> None:
    _network, alice, bob = pair("never")
    alice.call(BOB)
    await bob.until("invited")
    bob.incoming.progress(180)
    await alice.until("180")
    assert (await alice.dialogue.request("PRACK", extra="RAck: 1 1 INVITE\r\n")).status == 481
    bob.incoming.refuse(486)
    await settle(alice, bob)


@pytest.mark.rfc("3262", "3")
@pytest.mark.parametrize(
    ("policy", "extra", "followed", "reliable"),
    [
        ("never", SUPPORTED, True, False),
        ("required", SUPPORTED, True, False),
        ("required", REQUIRED, False, True),
        ("follow", SUPPORTED, False, False),
        ("follow", SUPPORTED, True, True),
        ("follow", "", True, False),
        ("supported", SUPPORTED, False, True),
        ("supported", "", True, False),
    ],
)
@virtual
async def test_when_provisionals_are_sent_reliably(
    policy: str, extra: str, followed: bool, reliable: bool
) -> None:
    network, alice, bob = pair(policy)
    alice.call(BOB, extra=extra)
    await bob.until("invited")
    bob.incoming.progress(180, followed=followed)
    await alice.until("180")
    assert ("RSeq" in sent(network, BOB, "SIP/2.0 180")[0].headers) == reliable
    bob.incoming.refuse(486)
    await settle(alice, bob)


# Offers and answers that come early


@pytest.mark.rfc("3262", "5")
@pytest.mark.rule("T-19")
@virtual
async def test_the_offer_of_a_reliable_provisional_is_answered_in_its_prack() -> None:
    alice, bob = await ringing(body=b"")
    bob.incoming.progress(183, bob.body)
    await alice.until("183")
    await asyncio.sleep(2)
    assert not sent(bob.network, alice.host, "PRACK"), "the answer is still to come"
    session = alice.session
    assert isinstance(session, ClientSession)
    assert session.answer_early(alice.body)
    await bob.until("acknowledged")
    assert bob.heard[-1] == alice.body
    bob.incoming.answer(b"")
    await alice.until("answered")
    await asyncio.sleep(1)
    assert len(sent(bob.network, alice.host, "ACK")) == 1
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3262", "5")
@virtual
async def test_who_offers_nothing_gets_no_reliable_ringing_before_our_offer() -> None:
    alice, bob = await ringing(REQUIRED, body=b"")
    bob.incoming.progress(180)
    await asyncio.sleep(1)
    assert alice.said == []
    bob.incoming.answer(bob.body)
    await alice.until("answered")
    session = alice.session
    assert isinstance(session, ClientSession)
    session.acknowledge(alice.body)
    await bob.until("acknowledged")
    bob.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3262", "5")
@virtual
async def test_the_offer_of_a_prack_is_answered_in_its_2xx() -> None:
    alice, bob = await ringing()
    bob.network.drop = lambda data, _src, _dst: data.startswith(b"PRACK")
    bob.incoming.progress(183, bob.body)
    await alice.until("183")
    (response,) = sent(bob.network, BOB, "SIP/2.0 183")
    bob.network.drop = lambda _data, _src, _dst: False
    rack = f"RAck: {response.headers['RSeq']} 1 INVITE\r\n"
    answer = await alice.dialogue.request("PRACK", extra=rack, body=describe(alice.host, version=2))
    assert (answer.status, answer.body) == (200, bob.offer_answer)
    bob.incoming.answer(bob.body)
    await bob.until("acknowledged")
    alice.dialogue.hang_up()
    await settle(alice, bob)


# Several early dialogs


@pytest.mark.rule("T-12")
@pytest.mark.rfc("3262", "4")
@pytest.mark.rfc("3261", "12.1.2")
@virtual
async def test_each_early_dialog_is_acknowledged_for_itself() -> None:
    alice, bob = await ringing()
    bob.incoming.progress(183, bob.body)
    await alice.until("183")
    await asyncio.sleep(1)
    raw = next(data for _, _, _, data in bob.network.log if data.startswith(b"SIP/2.0 183"))
    (response,) = sent(bob.network, BOB, "SIP/2.0 183")
    tag, number = bob.incoming.local_tag, response.headers["RSeq"]
    forked = raw.replace(f";tag={tag}".encode(), b";tag=other")
    forked = forked.replace(f"RSeq: {number}".encode(), b"RSeq: 77")
    forked = forked.replace(b"Contact: <sip:", b"Record-Route: <sip:10.0.0.2;lr>\r\nContact: <sip:carol-")
    alice.endpoint.receive(forked, alice.node.flow_to("UDP", BOB, 5060))
    await asyncio.sleep(0.1)
    mine, other = sent(bob.network, alice.host, "PRACK")[0], sent(bob.network, alice.host, "PRACK")[-1]
    assert mine.headers["RAck"] == f"{number} 1 INVITE"
    assert other.headers["RAck"] == "77 1 INVITE"
    assert other.headers["To"].endswith(";tag=other")
    assert other.headers["Route"] == "<sip:10.0.0.2;lr>"
    assert getattr(other, "uri", "").startswith("sip:carol-")
    assert mine.cseq == other.cseq == (2, "PRACK"), "each dialog counts for itself"
    bob.incoming.answer(b"")
    await alice.until("answered")
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rule("T-04")
@pytest.mark.rule("T-12")
@virtual
async def test_the_bye_for_a_fork_that_answered_too_late_counts_on_from_its_pracks() -> None:
    alice, bob = await ringing()
    bob.incoming.progress(183, bob.body)
    await alice.until("183")
    bob.incoming.answer(b"")
    await bob.until("acknowledged")
    raw = next(
        data for _, _, _, data in bob.network.log if data.startswith(b"SIP/2.0 200") and b" INVITE" in data
    )
    late = raw.replace(f";tag={bob.incoming.local_tag}".encode(), b";tag=late")
    alice.endpoint.receive(late, alice.node.flow_to("UDP", BOB, 5060))
    await asyncio.sleep(0.1)
    (bye,) = sent(bob.network, alice.host, "BYE")
    ack = sent(bob.network, alice.host, "ACK")[-1]
    assert bye.headers["To"].endswith(";tag=late")
    assert ack.headers["To"].endswith(";tag=late")
    assert bye.cseq[0] > 2, "above the PRACK's"
    assert "ended bye" not in bob.said
    alice.dialogue.hang_up()
    await settle(alice, bob)


# A callee that insists


@pytest.mark.rfc("3261", "21.4.15")
@virtual
async def test_a_callee_that_requires_100rel_gets_it_at_the_second_try() -> None:
    _network, alice, bob = pair()
    asked: list[str] = []

    def insist(session: object) -> None:
        supported = bob.invites[-1].headers.get("Supported", "")
        asked.append(supported)
        if "100rel" not in supported:
            bob.incoming.refuse(421, extra="Require: 100rel\r\n")
        else:
            bob.incoming.progress(183, bob.body)
            bob.incoming.answer(bob.body)

    bob.on_invite = insist
    alice.call(BOB)
    await bob.until("acknowledged")
    assert asked == ["", "100rel"]
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rfc("3261", "21.4.15")
@virtual
async def test_an_extension_that_we_do_not_have_ends_the_attempt() -> None:
    _network, alice, bob = pair()
    bob.on_invite = lambda session: session.refuse(421, extra="Require: 100rel, replaces\r\n")
    alice.call(BOB)
    await alice.until("failed 421")
    assert len(bob.invites) == 1
    await settle(alice, bob)
