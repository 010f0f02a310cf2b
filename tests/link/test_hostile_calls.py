"""Calls whose messages are mangled on the way: whatever a peer sends, no task fails and no call stays half open."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re

import pytest

from tests.link.memory_network import MemoryFlow
from tests.link.phones import Party, describe
from tests.link.reliable import SUPPORTED
from tests.link.stage import HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.ua.sessions import ServerSession
from trunkline.ua.sessions.session_timer import TimerPolicy

TORN = (b"\r\n", b":", b";", b"<", b">", b"=", b"SIP/2.0", b"m=audio", b"Contact", b"tag=", b"1", b" ")


class Mangler:
    """Spoils one datagram in so many, in one of the ways in which real ones are spoilt."""

    def __init__(self, seed: int, share: float) -> None:
        self.random = random.Random(seed)  # noqa: S311  (a test's repeatable dice)
        self.share = share

    def __call__(self, data: bytes) -> bytes:
        dice = self.random
        if dice.random() >= self.share:
            return data
        at = dice.randrange(len(data))
        match dice.randrange(5):
            case 0:
                return data[:at]
            case 1:
                return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
            case 2:
                return data[:at] + data[at + dice.randrange(1, 40) :]
            case 3:
                piece = dice.choice(TORN)
                return data.replace(piece, dice.choice(TORN), 1) if piece in data else data
            case _:
                lines = data.split(b"\r\n")
                del lines[dice.randrange(len(lines))]
                return b"\r\n".join(lines)


async def chat(stage: Stage, alice: Party, bob: Party) -> None:
    """Everything that parties do in a call."""
    dice = stage.network.random
    stage.dial(alice, "1002")
    await asyncio.sleep(5)
    for version in range(2, 6):
        one = dice.choice((alice, bob))
        if one.session is None or one.session.ended:
            break
        with contextlib.suppress(TimeoutError):
            await one.reoffer(describe(one.host, dice.choice(("a=sendonly", "a=sendrecv")), version=version))
        await asyncio.sleep(1)
        if one.session.dialog is not None and not one.session.ended:
            await one.session.request("INFO", body=b"Signal=1", content_type="application/dtmf-relay")


@pytest.mark.parametrize("seed", range(80))
@virtual
async def test_mangled_messages_end_no_task_and_leave_no_call(seed: int) -> None:
    stage = Stage(seed=seed)
    alice, bob = stage.party(), stage.party(rings_s=1.0)

    def announce(session: ServerSession) -> None:
        session.progress(183, bob.body)
        stage.loop.call_later(0.5, session.progress, 180)
        stage.loop.call_later(1.0, session.answer, bob.body)

    bob.on_invite = announce
    mangler = Mangler(seed, 0.15)
    stage.network.mangle = mangler
    await chat(stage, alice, bob)
    mangler.share = 0.0
    for party in (alice, bob):
        for session in {*party.endpoint.sessions.values(), party.session}:
            if session is not None:
                session.hang_up()
    await asyncio.sleep(100)
    for call in list(stage.calls.active.values()):
        call.hang_up(code="call.media_timeout")  # no BYE got through: its parties are silent
    await stage.settle(600)


@pytest.mark.parametrize("contact", ["<sip:", "*", "<sip:bob@10.0.0.2>, <", "<mailto:x@y>", ""])
@virtual
async def test_a_2xx_whose_contact_is_useless_fails_the_call_and_is_hung_up(contact: str) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()

    def spoil(data: bytes) -> bytes:
        if not (data.startswith(b"SIP/2.0 200") and f"{bob.host}:5060>".encode() in data):
            return data
        head, _, rest = data.partition(b"Contact: ")
        return head + f"Contact: {contact}\r\n".encode() + rest.partition(b"\r\n")[2]

    stage.network.mangle = spoil
    stage.dial(alice, "1002")
    await asyncio.sleep(10)
    stage.network.mangle = lambda data: data
    assert stage.sent(HOST, "ACK", bob.host), "it is acknowledged, or it would be repeated"
    if alice.said[-1] == "answered":
        alice.dialogue.hang_up()  # an empty Contact leaves the Request-URI as target
    else:
        assert alice.said[-1] == "failed 502"
        assert stage.outcome("out") == [(502, "call.refused", "callee")]
    await bob.until("ended bye")
    await stage.settle()


@virtual
async def test_a_2xx_whose_to_cannot_be_read_is_given_up_with_the_call() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.network.mangle = lambda data: (
        data.replace(b"To: <sip:", b"To: <<sip:") if data.startswith(b"SIP/2.0 200") else data
    )
    stage.dial(alice, "1002")
    await alice.until("failed 502")
    stage.network.mangle = lambda data: data
    await bob.until("ended bye")  # once it could be read, it was acknowledged and dismissed
    await stage.settle()


@virtual
async def test_a_180_whose_contact_is_useless_rings_all_the_same() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(rings_s=2.0)
    stage.network.mangle = lambda data: (
        data.replace(b"Contact: <sip:", b"Contact: <sip") if data.startswith(b"SIP/2.0 180") else data
    )
    stage.dial(alice, "1002")
    await bob.until("acknowledged")
    await alice.until("answered")
    assert "180" in [line.split(" ")[0] for line in alice.said] or stage.sent(HOST, "SIP/2.0 180", alice.host)
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_callee_that_leaves_the_early_dialog_by_bye_ends_the_attempt() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.dial(alice, "1002")
    await alice.until("180")
    assert bob.incoming.dialog is not None
    draft = bob.incoming.dialog.request("BYE")
    response = await bob.endpoint.request(draft, bob.incoming.flow)
    assert response.status == 200
    await alice.until("failed 480")
    await bob.until("cancelled")
    await stage.settle()
    assert stage.outcome("out") == [(480, "call.refused", "callee")]


@virtual
async def test_a_caller_that_leaves_the_early_dialog_by_bye_ends_the_call() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.dial(alice, "1002")
    await alice.until("180")
    assert alice.dialogue.dialog is not None
    bye = alice.dialogue.dialog.request("BYE")
    assert (await alice.endpoint.request(bye, alice.dialogue.flow)).status == 200
    await bob.until("cancelled")
    await alice.until("failed 487")
    await stage.settle()
    assert stage.outcome("in") == [(487, "call.cancelled", "caller")]


@virtual
async def test_a_reinvite_before_the_answer_is_to_be_tried_later() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(answers=False)
    stage.dial(alice, "1002")
    await alice.until("180")
    assert alice.dialogue.dialog is not None
    dialog = alice.dialogue.dialog
    dialog.local_seq = 2
    again = dialog.request("INVITE", body=alice.body, contact=alice.dialogue.contact)
    outcome: asyncio.Future[int] = stage.loop.create_future()

    class User:
        def on_response(self, _transaction: object, response: object, _now: float) -> None:
            status = getattr(response, "status", 0)
            if status >= 200:
                outcome.set_result(status)

        def on_failure(self, *_rest: object) -> None:
            outcome.set_result(408)

    alice.endpoint.send(again, alice.dialogue.flow, User(), stage.loop.time())
    assert await outcome == 500
    alice.dialogue.hang_up()
    await bob.until("cancelled")
    await stage.settle()


MALFORMED = (
    "", ";", "%", "<", '"', ",", "\x00", "*", ": :", "a;b=c;d", "sip:", "<sip:@>", "<sip:a@b>, <sip:c@d>", "-1", "0 0",
    "1 1 INVITE",
    "99999999999 1 INVITE", "4294967296", "1e9", "1;refresher", "a" * 4000, ";".join(["x=y"] * 500), "\u00fc",
    "a@b;to-tag;from-tag", "a@b;to-tag=1;from-tag=2;to-tag=3", "<sip:1003@pbx.test?Replaces=%>", "a.b.c;info=<x>",
)  # fmt: skip
NAMES = (
    "RAck", "RSeq", "Session-Expires", "Min-SE", "Replaces", "Refer-To", "Referred-By", "Target-Dialog", "Diversion",
    "History-Info", "Identity", "P-Asserted-Identity", "Remote-Party-ID", "Privacy", "P-Early-Media", "Refer-Sub",
    "Require", "Supported", "Allow", "Reason", "Max-Breadth",
)  # fmt: skip


async def _answered(stage: Stage, source: str, data: bytes) -> None:
    """The exchange gets it from a party; it must not break by it."""
    node = stage.network.nodes[source, 5060]
    stage.endpoint.receive(data, MemoryFlow(stage.network.nodes[HOST, 5060], node.address))
    await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.rule("T-40")
@pytest.mark.rfc("3261", "16.3")
@virtual
async def test_a_malformed_header_harms_no_call_in_whatever_request_or_response_it_stands(name: str) -> None:
    stage = Stage()
    stage.endpoint.set_session_timers(TimerPolicy("always", 1800, 90))
    stage.endpoint.set_reliable_provisionals("supported")
    alice, bob = stage.party(), stage.party()
    bob.endpoint.reliable_provisionals = "supported"
    bob.on_invite = lambda session: session.progress(183, bob.body)
    stage.dial(alice, "1002", extra=SUPPORTED)
    await alice.until("183")
    await asyncio.sleep(1)
    ringing = [data for _, _, target, data in stage.network.log if target == HOST]
    bob.incoming.answer(b"")
    await alice.until("answered")
    await bob.until("acknowledged")
    dialog = alice.dialogue.dialog
    assert dialog is not None
    requests = [
        dialog.request(method, contact=alice.dialogue.contact).render(
            "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK@"
        )
        for method in ("UPDATE", "PRACK", "REFER", "SUBSCRIBE", "INFO", "INVITE", "OPTIONS")
    ]
    number = 0
    for value in MALFORMED:
        for data in (*ringing, *requests):
            number += 1
            head, _, rest = data.partition(b"\r\n")
            spoilt = head + f"\r\n{name}: {value}\r\n".encode() + rest
            if b"z9hG4bK@" in data:
                high = 10_000 + number
                spoilt = spoilt.replace(b"z9hG4bK@", f"z9hG4bK{number}".encode())
                spoilt = re.sub(rb"CSeq: [0-9]+", f"CSeq: {high}".encode(), spoilt)
                await _answered(stage, alice.host, spoilt)
            else:
                await _answered(stage, alice.host if b" SIP/2.0\r\n" in spoilt else bob.host, spoilt)
    for call in list(stage.calls.active.values()):
        call.hang_up()
    for party in (alice, bob):
        for session in {*party.endpoint.sessions.values(), party.session}:
            if session is not None and not session.ended:
                session.hang_up()
    await stage.settle(700)
