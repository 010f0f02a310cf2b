"""REFER outside of the dialog that it is about: challenged, and taken from its owner (RFC 4538, RFC 5589 §7)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party
from tests.link.stage import DOMAIN, HOST, Stage
from tests.link.talking import both_sides
from tests.link.transferring import relays, three
from tests.link.virtual_time import virtual
from trunkline.proto.sip.digest_client import Account
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response, parse_message
from trunkline.proto.sip.transaction.incoming import Incoming


async def refer(
    party: Party, names: str, to: str = "1003", account: Account | None = None, extra: str = ""
) -> Response:
    """A REFER with a dialog of its own, by the account of the party or by another; a challenge is answered."""
    endpoint = party.endpoint
    flow = party.node.flow_to("UDP", HOST, 5060)
    draft = Draft(
        "REFER",
        f"sip:exchange@{DOMAIN}",
        f"<sip:me@{DOMAIN}>;tag={endpoint.ids.tag()}",
        f"<sip:exchange@{DOMAIN}>",
        endpoint.ids.call_id(),
        1,
        contact=endpoint.contact(flow),
        extra=f"Refer-To: <sip:{to}@{DOMAIN}>\r\n{names}{extra}",
    )
    if account is not None:
        party = Party(party.network, f"{party.host}9", account=account)
        flow, endpoint = party.node.flow_to("UDP", HOST, 5060), party.endpoint
        draft.contact = endpoint.contact(flow)
    return await endpoint.request(draft, flow, authorizer=party.authorizer())


def target_dialog(party: Party) -> str:
    """The header that names a party's dialog, as the exchange that receives it knows it."""
    dialog = party.dialogue.dialog
    assert dialog is not None
    return f"Target-Dialog: {dialog.call_id};local-tag={dialog.remote_tag};remote-tag={dialog.local_tag}\r\n"


class Listening:
    """A door that hears NOTIFYs of dialogs that are not calls."""

    methods = frozenset({"NOTIFY"})

    def __init__(self, party: Party) -> None:
        self.heard: list[Request] = []
        self._in_dialog = party.endpoint._in_dialog
        party.endpoint._in_dialog = self._take  # type: ignore[method-assign]

    def _take(self, incoming: Incoming) -> None:
        if incoming.request.method != "NOTIFY":
            self._in_dialog(incoming)
            return
        self.heard.append(incoming.request)
        incoming.respond(200)


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rfc("4538", "4")
@pytest.mark.rfc("3261", "22.2")
@virtual
async def test_it_is_challenged_and_transfers_the_call_that_it_names(side: str) -> None:
    stage, alice, bob, carol = await three()
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    listening = Listening(one)
    response = await refer(one, target_dialog(one), extra="Require: tdialog\r\n")
    assert response.status == 200
    answers = [parse_message(data) for data in stage.sent(HOST, "SIP/2.0 401", one.host)]
    assert answers[-1].cseq[1] == "REFER"
    await carol.until("acknowledged")
    await one.until("ended bye")
    await asyncio.sleep(1)
    assert [request.body.split()[1] for request in listening.heard] == [b"100", b"180", b"200"]
    assert {request.to_tag for request in listening.heard} == {response.from_tag}
    assert {request.from_tag for request in listening.heard} == {response.to_tag}
    assert relays(stage, other, carol)
    other.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.4")
@virtual
async def test_a_subscribe_in_its_own_dialog_ends_the_notifies() -> None:
    stage, alice, _, carol = await three()
    carol.rings_s = 10.0
    listening = Listening(alice)
    response = await refer(alice, target_dialog(alice))
    await carol.until("invited")

    async def subscribe(number: int) -> int:
        extra = "Event: refer\r\nExpires: 0\r\n"
        to, contact = response.headers["To"], alice.dialogue.contact
        draft = Draft(
            "SUBSCRIBE",
            f"sip:{HOST}",
            response.headers["From"],
            to,
            response.call_id,
            number,
            contact=contact,
            extra=extra,
        )
        return (await alice.endpoint.request(draft, alice.node.flow_to("UDP", HOST, 5060))).status

    assert await subscribe(5) == 200
    await alice.until("ended bye")
    assert listening.heard[-1].headers["Subscription-State"] == "terminated;reason=timeout"
    assert listening.heard[-1].body.split()[1] == b"180"
    assert await subscribe(6) == 481
    carol.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ("", 403),
        ("Target-Dialog: nobody;local-tag=a;remote-tag=b\r\n", 481),
        ("Target-Dialog: nobody\r\n", 400),
    ],
)
@pytest.mark.rule("T-37")
@pytest.mark.rfc("4538", "4")
@virtual
async def test_without_a_dialog_of_ours_it_is_refused(names: str, status: int) -> None:
    stage, alice, bob, _carol = await three()
    assert (await refer(alice, names)).status == status
    assert relays(stage, alice, bob)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-33")
@virtual
async def test_whoever_knows_a_dialog_of_somebody_else_does_not_transfer_it() -> None:
    stage, alice, bob, carol = await three()
    assert carol.account is not None
    response = await refer(carol, target_dialog(alice))
    assert response.status == 403
    assert relays(stage, alice, bob)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()


@pytest.mark.rule("T-37")
@virtual
async def test_a_wrong_password_transfers_nothing() -> None:
    stage = Stage()
    stage, alice, bob, _carol = await three(stage)
    response = await refer(alice, target_dialog(alice), account=Account("1001", "guessed"))
    assert response.status == 401
    assert relays(stage, alice, bob)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
