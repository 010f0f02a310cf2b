"""What was changed before the answer stands after it (RFC 3311), and what meets such a change."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party, describe
from tests.link.reliable import BOB, REQUIRED, SUPPORTED, pair, sent, settle
from tests.link.stage import HOST, Stage
from tests.link.talking import port_of
from tests.link.test_call_reliable import NO_UPDATE, answers_early, ringing, to_caller, update
from tests.link.virtual_time import virtual
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.sessions.update import send_update

pytestmark = [pytest.mark.rule("T-12"), pytest.mark.rule("T-17"), pytest.mark.rfc("3311", "5.1")]


def sends_to(stage: Stage, party: Party) -> set[int]:
    """Where the engine sends what is meant for a party."""
    return {remote.rtp_port for remote in stage.engine.remotes.values() if remote.address == party.host}


@pytest.mark.parametrize("by_caller", [True, False])
@pytest.mark.parametrize("asked", [SUPPORTED, REQUIRED, ""])
@virtual
async def test_media_goes_where_the_last_update_said_also_after_the_answer(
    *, by_caller: bool, asked: str
) -> None:
    if by_caller and not asked:
        return
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob, answers_s=9.0)
    stage.dial(alice, "1002", extra=asked)
    await alice.until("183")
    await asyncio.sleep(1)
    one = alice if by_caller else bob
    outcome = await update(one, describe(one.host, version=2, port=4100))
    assert outcome.status == 200
    assert 4100 in sends_to(stage, one)
    sent_before = len(sent(stage.network, HOST, "UPDATE"))
    await alice.until("answered")
    await asyncio.sleep(3)
    assert sends_to(stage, one) == {4100}
    assert len(sent(stage.network, HOST, "UPDATE")) == sent_before, "they have agreed already"
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_another_callee_that_answers_hears_the_caller_where_it_is_now() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    carol = stage.party("1002")
    ringing(bob)
    carol.rings_s = 9.0
    stage.dial(alice, "1002", extra=SUPPORTED)
    await alice.until("183")
    await asyncio.sleep(1)
    outcome = await update(alice, describe(alice.host, version=2, port=4100))
    assert outcome.status == 200
    await alice.until("answered")
    await asyncio.sleep(3)
    assert sends_to(stage, alice) == {4100}
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3311", "5.2")
@virtual
async def test_who_would_have_to_ask_its_user_gets_a_reinvite_from_who_asked() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    receive = bob.endpoint.on_request

    def not_at_once(incoming: Incoming) -> None:
        if incoming.request.method == "UPDATE":
            incoming.respond(504)
        else:
            receive(incoming)

    bob.endpoint.on_request = not_at_once  # type: ignore[method-assign]
    outcome = await update(alice, describe(alice.host, "a=sendonly", version=2))
    assert outcome.status == 504
    status, _ = await alice.reoffer(describe(alice.host, "a=sendonly", version=3))
    assert status == 200
    assert stage.is_held()
    bob.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3262", "5")
@pytest.mark.parametrize("policy", ["follow", "supported"])
@virtual
async def test_a_caller_without_offer_hears_that_it_rings_though_that_cannot_be_said_reliably(
    policy: str,
) -> None:
    stage = Stage()
    stage.endpoint.set_reliable_provisionals(policy)  # type: ignore[arg-type]
    alice, bob = stage.party(), stage.party()
    bob.endpoint.capabilities = NO_UPDATE
    bob.on_invite = lambda session: session.progress(180)
    stage.dial(alice, "1002", b"", extra=SUPPORTED)
    await alice.until("180")
    assert all("RSeq" not in one.headers for one in to_caller(stage, "SIP/2.0 180"))
    bob.incoming.answer(bob.body)
    await alice.until("answered")
    alice.session.acknowledge(describe(alice.host))  # type: ignore[union-attr]
    await bob.until("acknowledged")
    assert port_of(bob.heard[-1])
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-19")
@pytest.mark.rfc("3261", "13.2.2.4")
@pytest.mark.parametrize(("codecs", "suits"), [("0 8 101", True), ("18", False)])
@virtual
async def test_another_early_dialog_that_answers_an_invite_without_offer_gets_its_ack(
    codecs: str, *, suits: bool
) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob)
    answers_early(alice, describe(alice.host))
    stage.dial(alice, "1002", b"", extra=SUPPORTED)
    await stage.until_sent(HOST, "PRACK")
    await asyncio.sleep(1)
    # Behind a forking proxy another phone answers, with an offer of its own.
    raw = stage.sent(bob.host, "SIP/2.0 183")[0].replace(b"183 Session Progress", b"200 OK")
    raw = raw.replace(f";tag={bob.incoming.local_tag}".encode(), b";tag=other")
    raw = raw.replace(b"m=audio 4000 RTP/AVP 0 8 101", f"m=audio 4444 RTP/AVP {codecs}".encode())
    rows = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    head = b"\r\n".join(row for row in rows if not row.startswith((b"RSeq", b"Require", b"Content-Length")))
    body = raw.partition(b"\r\n\r\n")[2]
    answer = head + f"\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    stage.endpoint.receive(answer, stage.network.nodes[HOST, 5060].flow_to("UDP", bob.host, 5060))
    await stage.until_sent(HOST, "ACK")
    if suits:
        await alice.until("answered")
        assert 4444 in sends_to(stage, bob)
        (ack,) = sent(stage.network, HOST, "ACK")
        assert ack.body
        alice.dialogue.hang_up()
    else:
        await alice.until("failed 502")
    await stage.until_sent(HOST, "BYE")
    bob.incoming.refuse(487)
    await stage.settle()


@pytest.mark.rfc("3262", "5")
@virtual
async def test_the_offer_of_a_prack_that_meets_an_update_of_ours_is_refused_and_the_response_acknowledged() -> (
    None
):
    network, alice, bob = pair()
    alice.offer_answer = None  # it does not answer our UPDATE yet
    alice.call(BOB, extra=SUPPORTED)
    await bob.until("invited")
    bob.incoming.progress(183, bob.body)
    await alice.until("183")
    await asyncio.sleep(1)
    statuses: list[int] = []
    send_update(bob.dialogue, describe(BOB, version=2), lambda status, _response: statuses.append(status))
    await alice.until("offered")
    offer = describe(alice.host, version=3)
    rows = f"Content-Type: application/sdp\r\nContent-Length: {len(offer)}\r\n\r\n".encode() + offer
    network.mangle = lambda data: (
        data.replace(b"Content-Length: 0\r\n\r\n", rows) if data.startswith(b"PRACK") else data
    )
    bob.incoming.progress(180)
    await asyncio.sleep(1)
    (refused,) = [one for one in sent(network, BOB, "SIP/2.0 491") if isinstance(one, Response)]
    assert refused.cseq[1] == "PRACK"
    assert "offered" not in bob.said
    alice.dialogue.reoffer.answer(describe(alice.host, version=2))
    await asyncio.sleep(60)
    assert statuses == [200]
    assert len(sent(network, BOB, "SIP/2.0 180")) == 1, "it is not repeated: it was acknowledged"
    bob.incoming.answer(b"")
    await alice.until("answered")
    alice.dialogue.hang_up()
    await settle(alice, bob)
