"""What one side of a call learns of the other: nothing but who calls, and what they agreed on (rule T-36)."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.link.phones import Party
from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides
from tests.link.transferring import refer, until_told
from tests.link.virtual_time import virtual
from trunkline.proto.sip.transaction.incoming import Incoming

# Everything that a phone may say of its network, its dialogs and itself.
TELLTALE = (
    "In-Reply-To: secret-call@inside.example\r\n"
    "Target-Dialog: secret-call@inside.example;local-tag=a;remote-tag=b\r\n"
    "Session-ID: secret0123456789secret0123456789\r\n"
    "User-Agent: SecretPhone/1.0\r\n"
    "Server: SecretPhone/1.0\r\n"
    "Organization: secret\r\n"
    "Call-Info: <http://secret.inside.example/>;purpose=icon\r\n"
    "Alert-Info: <http://secret.inside.example/>\r\n"
    "Error-Info: <http://secret.inside.example/>\r\n"
    "Reply-To: <sip:secret@inside.example>\r\n"
    'Warning: 399 secret.inside.example "secret"\r\n'
    "P-Access-Network-Info: secret\r\n"
    "P-Charging-Vector: icid-value=secret\r\n"
    "Path: <sip:secret.inside.example;lr>\r\n"
    "Service-Route: <sip:secret.inside.example;lr>\r\n"
    "Geolocation: <cid:secret@inside.example>\r\n"
    "X-Secret: secret\r\n"
)


def describe_telltale(host: str) -> bytes:
    """A description that says more than where to send."""
    return (
        f"v=0\r\no=secretuser 4711471147 1 IN IP4 secret.inside.example\r\ns=secret name\r\ni=secret\r\n"
        f"u=http://secret.inside.example/\r\ne=secret@inside.example\r\np=+49 30 123456\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        "a=tool:secret\r\n"
        f"m=audio 4000 RTP/AVP 0 8\r\na=rtcp:4001 IN IP4 {host}\r\n"
        f"a=candidate:1 1 UDP 2130706431 {host} 4000 typ host\r\n"
    ).encode()


def told(stage: Stage, party: Party) -> bytes:
    """All that a party was sent."""
    return b"\r\n".join(stage.sent(HOST, "", party.host))


def names_of(party: Party) -> list[bytes]:
    """What identifies the party's own dialog with the exchange, and where it is."""
    dialog = party.dialogue.dialog
    assert dialog is not None
    return [
        text.encode()
        for text in (dialog.call_id, dialog.local_tag, dialog.remote_tag, party.host, party.dialogue.contact)
    ]


def assert_hidden(stage: Stage, of: list[bytes], towards: Party) -> None:
    text = told(stage, towards)
    shown = [name for name in of if re.search(rb"(?<![0-9.])" + re.escape(name) + rb"(?![0-9])", text)]
    assert not shown
    leaks = [line for line in text.split(b"\r\n") if b"secret" in line.lower() or b"inside.example" in line]
    assert not leaks


async def telltale_call(stage: Stage) -> tuple[Party, Party]:
    """A call whose parties say all that they can in INVITE and 200."""
    alice, bob = stage.party(), stage.party()
    alice.body, bob.body = describe_telltale(alice.host), describe_telltale(bob.host)
    bob.answers = False
    stage.dial(alice, "1002", extra=TELLTALE)
    await alice.until("180")
    bob.incoming.progress(183, bob.body, TELLTALE)
    await alice.until("183")
    bob.incoming.answer(bob.body, TELLTALE)
    await bob.until("acknowledged")
    await alice.until("answered")
    await asyncio.sleep(1)
    return alice, bob


@pytest.mark.rule("T-36")
@pytest.mark.rfc("5853", "3.1")
@virtual
async def test_neither_side_shows_to_the_other() -> None:
    stage = Stage()
    alice, bob = await telltale_call(stage)
    names = {party: names_of(party) for party in (alice, bob)}
    for party, other in ((alice, bob), (bob, alice)):
        assert (await party.reoffer(party.body))[0] == 200
        await asyncio.sleep(1)
        assert_hidden(stage, names[party], other)
    alice.dialogue.hang_up(TELLTALE)
    await bob.until("ended bye")
    await stage.settle()
    for party, other in ((alice, bob), (bob, alice)):
        assert_hidden(stage, names[party], other)


@pytest.mark.parametrize("status", [302, 404, 486, 500, 603])
@pytest.mark.rule("T-36")
@virtual
async def test_a_refusal_says_nothing_of_who_refused(status: int) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    contact = "Contact: <sip:secret@inside.example>\r\n" if status == 302 else ""
    bob.on_invite = lambda session: session.refuse(status, "", TELLTALE + contact)
    stage.dial(alice, "1002")
    await alice.until(f"failed {480 if status == 302 else status}")
    assert_hidden(stage, [bob.host.encode()], alice)
    await stage.settle()


@both_sides
@pytest.mark.rule("T-36")
@virtual
async def test_what_passes_within_a_call_carries_nothing_of_its_dialog(side: str) -> None:
    stage = Stage()
    alice, bob = await telltale_call(stage)
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    names = names_of(one)
    await one.dialogue.request(
        "INFO", body=b"Signal=1\r\n", content_type="application/dtmf-relay", extra=TELLTALE
    )
    assert [request.method for request in other.requests] == ["INFO"]
    assert_hidden(stage, names, other)
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rule("T-36")
@pytest.mark.rule("T-37")
@virtual
async def test_a_transfer_shows_nobody_the_dialogs_of_the_others(side: str) -> None:
    stage = Stage()
    alice, bob = await telltale_call(stage)
    carol = stage.party()
    carol.body = describe_telltale(carol.host)
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    other.offer_answer = other.body
    names = {party: names_of(party) for party in (alice, bob)}
    await refer(
        one,
        "1003",
        TELLTALE.replace("Target-Dialog: secret-call@inside.example;local-tag=a;remote-tag=b\r\n", ""),
    )
    await until_told(one, "200 terminated")
    await asyncio.sleep(1)
    names[carol] = names_of(carol)
    for party in (alice, bob, carol):
        for towards in (alice, bob, carol):
            if party is not towards:
                assert_hidden(stage, names[party], towards)
    other.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-36")
@virtual
async def test_a_request_that_the_exchange_answers_itself_does_not_reach_the_other_side() -> None:
    stage = Stage()
    alice, bob = await telltale_call(stage)
    seen: list[Incoming] = []
    bob.on_request = lambda session, incoming: seen.append(incoming)  # type: ignore[method-assign]
    for method in ("OPTIONS", "REFER"):
        await alice.dialogue.request(method, contact=alice.dialogue.contact, extra=TELLTALE)
    assert not seen
    alice.dialogue.hang_up()
    await stage.settle()
