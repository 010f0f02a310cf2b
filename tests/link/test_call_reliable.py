"""Calls whose provisional responses arrive for certain, on one side or on both (RFC 3262, RFC 3311)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party, describe
from tests.link.reliable import REQUIRED, SUPPORTED, sent
from tests.link.stage import HOST, Stage
from tests.link.talking import port_of
from tests.link.virtual_time import virtual
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.sessions import ClientSession, ServerSession, Session
from trunkline.ua.sessions.update import send_update

pytestmark = pytest.mark.rule("T-17")

NO_UPDATE = "Allow: ACK, BYE, CANCEL, INVITE, PRACK\r\n"


def ringing(party: Party, *, reliable: bool = True, answers_s: float | None = None) -> None:
    """Let a callee send early media, reliably or not, and perhaps answer without a word more."""
    party.endpoint.reliable_provisionals = "supported" if reliable else "never"

    def announce(session: ServerSession) -> None:
        session.progress(183, party.body)
        if answers_s is not None:
            stage_loop = party.endpoint.loop
            stage_loop.call_later(answers_s, session.answer, b"" if reliable else party.body)

    party.on_invite = announce


def to_caller(stage: Stage, start: str) -> list[Request | Response]:
    """What the exchange sent to the first party."""
    return [
        one
        for one, (_, source, target, data) in zip(
            sent(stage.network, HOST, ""), [row for row in stage.network.log if row[1] == HOST], strict=True
        )
        if target == "10.0.0.1" and source == HOST and data.startswith(start.encode())
    ]


@pytest.mark.rfc("3262", "3")
@virtual
async def test_100rel_of_the_callee_ends_at_us() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob, answers_s=2.0)
    stage.dial(alice, "1002")
    await bob.until("acknowledged")
    await alice.until("answered")
    (early,) = to_caller(stage, "SIP/2.0 183")
    assert not {"Require", "RSeq"} & set(early.headers)
    assert len(sent(stage.network, HOST, "PRACK")) == 1
    assert alice.heard[-1] == alice.heard[0] != b"", "the callee's 2xx has none, ours has"
    assert stage.engine.relays(port_of(alice.heard[-1]), port_of(bob.heard[0]))
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]


@pytest.mark.rfc("3262", "3")
@virtual
async def test_100rel_of_the_caller_ends_at_us() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob, reliable=False, answers_s=2.0)
    stage.dial(alice, "1002", extra=REQUIRED)
    await bob.until("acknowledged")
    await alice.until("answered")
    (early,) = to_caller(stage, "SIP/2.0 183")
    assert "RSeq" in early.headers
    assert len(sent(stage.network, alice.host, "PRACK")) == 1
    assert not sent(stage.network, HOST, "PRACK")
    invite = sent(stage.network, HOST, "INVITE")[0]
    assert "Require" not in invite.headers
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3262", "3")
@virtual
async def test_what_came_reliably_goes_on_reliably_to_a_caller_that_supports_it() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob, answers_s=2.0)
    stage.dial(alice, "1002", extra=SUPPORTED)
    await alice.until("answered")
    assert len(sent(stage.network, HOST, "PRACK")) == len(sent(stage.network, alice.host, "PRACK")) == 1
    assert alice.heard[1:] == [b""], "the 2xx repeats no description"
    assert stage.engine.relays(port_of(alice.heard[0]), port_of(bob.heard[0]))
    bob.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3262", "3")
@virtual
async def test_a_caller_that_never_acknowledges_ends_its_call() -> None:
    stage = Stage(ring_timeout_s=60.0)
    alice, bob = stage.party(), stage.party()
    ringing(bob)
    stage.network.drop = lambda data, src, _dst: data.startswith(b"PRACK") and src[0] == alice.host
    stage.dial(alice, "1002", extra=SUPPORTED)
    await alice.until("failed 504")
    await bob.until("cancelled")
    await stage.settle()
    assert stage.outcome("in") == [(504, "call.no_prack", "exchange")]
    assert stage.outcome("out") == [(487, "call.no_prack", "exchange")]


@virtual
async def test_an_answer_that_waits_for_the_prack_is_no_answer_if_the_caller_leaves() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob, answers_s=1.0)
    stage.network.drop = lambda data, src, _dst: data.startswith(b"PRACK") and src[0] == alice.host
    stage.dial(alice, "1002", extra=SUPPORTED)
    await bob.until("acknowledged")
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(487, "call.cancelled", "caller")]
    assert stage.records[0].answered_at is None or stage.records[0].direction == "out"


@pytest.mark.rfc("3261", "8.2.2.3")
@virtual
async def test_never_means_neither_side() -> None:
    stage = Stage()
    stage.endpoint.set_reliable_provisionals("never")
    alice, bob = stage.party(), stage.party()
    ringing(bob)
    stage.dial(alice, "1002", extra=REQUIRED)
    await alice.until("failed 420")
    stage.dial(alice, "1002")
    await alice.until("183")
    invite = sent(stage.network, HOST, "INVITE")[0]
    assert "Supported" not in invite.headers or "100rel" not in invite.headers["Supported"]
    alice.dialogue.hang_up()
    await stage.settle()


# Offers that come early


def answers_early(party: Party, answer: bytes) -> None:
    """Let a caller without offer answer that of a reliable provisional."""
    tell = party.on_provisional

    def on_provisional(session: Session, response: Response) -> None:
        tell(session, response)
        assert isinstance(session, ClientSession)
        if response.body:
            session.answer_early(answer)

    party.on_provisional = on_provisional  # type: ignore[method-assign]


@pytest.mark.rule("T-19")
@pytest.mark.rfc("3262", "5")
@virtual
async def test_an_offer_that_comes_reliably_is_answered_by_the_callers_prack() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob, answers_s=3.0)
    answers_early(alice, describe(alice.host, "a=ptime:30"))
    stage.dial(alice, "1002", b"", extra=SUPPORTED)
    await alice.until("answered")
    (prack,) = sent(stage.network, HOST, "PRACK")
    assert b"a=ptime:30" in prack.body
    assert stage.engine.relays(port_of(alice.heard[0]), port_of(prack.body))
    assert not any(ack.body for ack in sent(stage.network, HOST, "ACK"))
    await asyncio.sleep(1)
    assert (await alice.reoffer(describe(alice.host, version=3)))[0] == 200
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-19")
@pytest.mark.rfc("3262", "5")
@virtual
async def test_a_callee_is_asked_for_no_early_offer_that_the_caller_could_not_answer() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002", b"")
    await bob.until("invited")
    assert "100rel" not in bob.invites[0].headers.get("Supported", "")
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3262", "5")
@virtual
async def test_the_offer_of_a_callers_prack_is_answered() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob)
    stage.network.drop = lambda data, src, _dst: data.startswith(b"PRACK") and src[0] == alice.host
    stage.dial(alice, "1002", extra=SUPPORTED)
    await alice.until("183")
    stage.network.drop = lambda _data, _src, _dst: False
    (early,) = to_caller(stage, "SIP/2.0 183")
    rack = f"RAck: {early.headers['RSeq']} {early.cseq[0]} INVITE\r\n"
    response = await alice.dialogue.request("PRACK", extra=rack, body=describe(alice.host, version=2))
    assert response.status == 200
    assert port_of(response.body) == port_of(alice.heard[0])
    alice.dialogue.hang_up()
    await stage.settle()


# Several callees, one early dialog


async def two_with_early_media(stage: Stage, extra: str) -> tuple[Party, Party, Party]:
    """A caller of two phones, the second of which sends its own early media a second later."""
    alice = stage.party()
    stage.extension("1500")
    bob, carol = stage.party("1500"), stage.party("1500")
    carol.body = describe(carol.host, "a=ptime:30")
    ringing(bob)
    carol.endpoint.reliable_provisionals = "supported"
    carol.on_invite = lambda session: stage.loop.call_later(1.0, session.progress, 183, carol.body)  # type: ignore[assignment]
    stage.dial(alice, "1500", extra=extra)
    await alice.until("183")
    return alice, bob, carol


@pytest.mark.rule("T-12")
@pytest.mark.rfc("3311", "5.1")
@virtual
async def test_a_caller_is_told_of_another_callees_media_by_update() -> None:
    stage = Stage()
    alice, _bob, carol = await two_with_early_media(stage, SUPPORTED)
    await alice.until("offered")
    assert b"a=ptime:30" in alice.heard[-1]
    assert port_of(alice.heard[-1]) == port_of(alice.heard[0])
    await asyncio.sleep(0.5)
    assert stage.engine.relays(port_of(alice.heard[0]), port_of(carol.heard[0]))
    carol.incoming.answer(b"")
    await alice.until("answered")
    assert len(sent(stage.network, HOST, "UPDATE")) == 1, "nothing new in the answer"
    tags = {one.headers["To"] for one in to_caller(stage, "SIP/2.0 18")}
    assert len(tags) == 1, "one early dialog"
    alice.dialogue.hang_up()
    await stage.settle()
    assert "media.early_changed" in stage.story


@pytest.mark.rule("T-12")
@virtual
async def test_a_caller_that_takes_no_update_still_hears_the_right_party() -> None:
    stage = Stage()
    alice = stage.party()
    stage.extension("1500")
    bob, carol = stage.party("1500"), stage.party("1500")
    alice.endpoint.capabilities = NO_UPDATE
    carol.body = describe(carol.host, "a=ptime:30")
    ringing(bob)
    ringing(carol, answers_s=2.0)
    stage.dial(alice, "1500", extra=SUPPORTED)
    await alice.until("answered")
    assert not sent(stage.network, HOST, "UPDATE")
    assert stage.engine.relays(port_of(alice.heard[0]), port_of(carol.heard[0]))
    await asyncio.sleep(1)
    alice.dialogue.hang_up()
    await stage.settle()
    assert "media.early_switched" in stage.story


@pytest.mark.rule("T-12")
@pytest.mark.rfc("3261", "13.2.1")
@virtual
async def test_another_callees_answer_is_offered_before_the_2xx() -> None:
    stage = Stage()
    alice = stage.party()
    stage.extension("1500")
    bob, carol = stage.party("1500"), stage.party("1500", rings_s=2.0)
    carol.body = describe(carol.host, "a=ptime:30")
    ringing(bob)
    stage.dial(alice, "1500", extra=SUPPORTED)
    await alice.until("answered")
    assert alice.said.index("offered") < alice.said.index("answered")
    assert b"a=ptime:30" in alice.heard[-2]
    assert alice.heard[-1] == b""
    assert stage.engine.relays(port_of(alice.heard[0]), port_of(carol.heard[0]))
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-12")
@virtual
async def test_the_answer_of_one_of_several_early_dialogs_of_a_callee_brings_its_own_description() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob)
    stage.dial(alice, "1002")
    await alice.until("183")
    raw = next(
        data for _, by, _, data in stage.network.log if by == bob.host and data.startswith(b"SIP/2.0 183")
    )
    (early,) = sent(stage.network, bob.host, "SIP/2.0 183")
    # Behind a forking proxy another phone sends media too; its body is as long as the first one's.
    forked = raw.replace(f";tag={bob.incoming.local_tag}".encode(), b";tag=other").replace(
        b"m=audio 4000", b"m=audio 4444"
    )
    assert early.body in raw
    stage.endpoint.receive(forked, stage.network.nodes[HOST, 5060].flow_to("UDP", bob.host, 5060))
    await asyncio.sleep(1)
    assert {remote.rtp_port for remote in stage.engine.remotes.values()} >= {4444}
    bob.incoming.answer(b"")
    await alice.until("answered")
    await asyncio.sleep(1)
    port = next(port for port, number in stage.engine.rtp_ports.items() if number == port_of(bob.heard[0]))
    assert stage.engine.remotes[port].rtp_port == 4000, "that of the dialog that answered"
    alice.dialogue.hang_up()
    await stage.settle()


# UPDATE through the exchange


class Outcome:
    """What became of an UPDATE."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""

    def __call__(self, status: int, response: Response | None) -> None:
        self.status = status
        self.body = response.body if response is not None else b""


async def update(party: Party, body: bytes) -> Outcome:
    outcome = Outcome()
    send_update(party.dialogue, body, outcome)
    await asyncio.sleep(2)
    return outcome


@pytest.mark.rfc("3311", "5.1")
@pytest.mark.parametrize("by_caller", [True, False])
@virtual
async def test_an_update_before_the_answer_goes_through(*, by_caller: bool) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob, answers_s=9.0)
    stage.dial(alice, "1002", extra=SUPPORTED)
    await alice.until("183")
    await asyncio.sleep(1)
    one, other = (alice, bob) if by_caller else (bob, alice)
    outcome = await update(one, describe(one.host, "a=ptime:40", version=2))
    assert outcome.status == 200
    assert b"a=ptime:40" in other.heard[-1]
    assert HOST.encode() not in outcome.body
    await alice.until("answered")
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3311", "5.2")
@pytest.mark.parametrize(("codecs", "status"), [("8", 200), ("18", 488)])
@virtual
async def test_an_early_update_is_answered_for_a_party_that_takes_none_if_it_suits(
    codecs: str, status: int
) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.endpoint.capabilities = NO_UPDATE
    ringing(bob, answers_s=9.0)
    stage.dial(alice, "1002", extra=REQUIRED)
    await alice.until("183")
    await asyncio.sleep(1)
    offer = describe(alice.host, version=2, port=4100).replace(b"AVP 0 8 101", f"AVP {codecs}".encode())
    outcome = await update(alice, offer)
    assert outcome.status == status
    assert "offered" not in bob.said
    port = next(port for port, number in stage.engine.rtp_ports.items() if number == port_of(alice.heard[0]))
    assert stage.engine.remotes[port].rtp_port == (4100 if status == 200 else 4000)
    await alice.until("answered")
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3311", "5.2")
@pytest.mark.parametrize("allowed", [True, False])
@virtual
async def test_an_update_in_a_call_is_passed_on_as_the_other_side_takes_it(*, allowed: bool) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    if not allowed:
        bob.endpoint.capabilities = NO_UPDATE
    await stage.connect(alice, bob)
    outcome = await update(alice, describe(alice.host, "a=sendonly", version=2))
    assert outcome.status == 200
    assert stage.is_held()
    updates = sent(stage.network, HOST, "UPDATE")
    assert len(updates) == (1 if allowed else 0)
    assert b"a=sendonly" in bob.heard[-1]
    bob.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3311", "5.2")
@virtual
async def test_a_party_that_refuses_the_update_that_it_allows_is_asked_by_reinvite() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    receive = bob.endpoint.on_request

    def no_update(incoming: Incoming) -> None:
        if incoming.request.method == "UPDATE":
            incoming.respond(501)
        else:
            receive(incoming)

    bob.endpoint.on_request = no_update  # type: ignore[method-assign]
    outcome = await update(alice, describe(alice.host, "a=sendonly", version=2))
    assert outcome.status == 200
    assert "offered" in bob.said
    bob.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_callee_that_leaves_while_its_answer_waits_for_the_prack_was_not_answered() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    ringing(bob, answers_s=1.0)
    stage.network.drop = lambda data, src, _dst: data.startswith(b"PRACK") and src[0] == alice.host
    stage.dial(alice, "1002", extra=SUPPORTED)
    await bob.until("acknowledged")
    bob.dialogue.hang_up()
    await alice.until("failed 480")
    await stage.settle()
    assert [(r.status, r.answered_at) for r in stage.records if r.direction == "in"] == [(480, None)]
