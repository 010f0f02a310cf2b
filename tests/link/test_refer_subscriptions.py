"""SUBSCRIBE for the implicit subscription of a REFER: it prolongs it, or ends it (RFC 3515 §2.4.4, RFC 6665)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party
from tests.link.stage import HOST, Stage
from tests.link.transferring import notifies, refer, three, told, until_told
from tests.link.virtual_time import virtual
from trunkline.proto.sip.message import Response, parse_message


async def ringing(rings_s: float = 10.0) -> tuple[Stage, Party, Party, Party]:
    """Alice has asked for Bob to be handed on to Carol, who rings."""
    stage, alice, bob, carol = await three()
    carol.rings_s = rings_s
    assert (await refer(alice, "1003")).status == 200
    await until_told(alice, "180 active")
    return stage, alice, bob, carol


async def subscribe(party: Party, expires: int | None = None, event: str = "refer") -> Response:
    lines = f"Event: {event}\r\n" + ("" if expires is None else f"Expires: {expires}\r\n")
    dialogue = party.dialogue
    return await dialogue.request("SUBSCRIBE", contact=dialogue.contact, extra=lines)


async def over(stage: Stage, bob: Party, carol: Party) -> None:
    bob.dialogue.hang_up()
    await carol.until("ended bye")
    await stage.settle()
    assert not stage.endpoint.subscriptions


@pytest.mark.parametrize(("asked", "granted"), [(None, 300), (120, 120), (7200, 300)])
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.4")
@pytest.mark.rfc("6665", "4.2.1.1")
@virtual
async def test_a_refresh_is_granted_and_answered_with_how_things_stand(
    asked: int | None, granted: int
) -> None:
    stage, alice, bob, carol = await ringing()
    await asyncio.sleep(2)
    response = await subscribe(alice, asked)
    assert response.status == 200
    assert response.headers["Expires"] == str(granted)
    await asyncio.sleep(1)
    assert told(alice) == ["100 active", "180 active", "180 active"]
    assert notifies(alice)[-1].headers["Subscription-State"] == f"active;expires={granted}"
    await until_told(alice, "200 terminated")
    await alice.until("ended bye")
    await over(stage, bob, carol)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.4")
@pytest.mark.rfc("6665", "4.2.1.4")
@virtual
async def test_expires_0_ends_the_notifies_and_not_the_transfer() -> None:
    stage, alice, bob, carol = await ringing()
    response = await subscribe(alice, 0)
    assert (response.status, response.headers["Expires"]) == (200, "0")
    await until_told(alice, "180 terminated")
    assert notifies(alice)[-1].headers["Subscription-State"] == "terminated;reason=timeout"
    assert (await subscribe(alice, 60)).status == 403
    await alice.until("ended bye")
    assert told(alice)[-1] == "180 terminated"
    await over(stage, bob, carol)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("6665", "4.2.2")
@virtual
async def test_a_subscription_that_is_not_prolonged_again_runs_out() -> None:
    stage, alice, bob, carol = await ringing(rings_s=20)
    await subscribe(alice, 3)
    await until_told(alice, "180 terminated")
    assert "acknowledged" not in carol.said
    assert notifies(alice)[-1].headers["Subscription-State"] == "terminated;reason=timeout"
    await alice.until("ended bye")
    assert told(alice).count("200 terminated") == 0
    await over(stage, bob, carol)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("6665", "4.2.1.1")
@virtual
async def test_only_the_subscription_that_is_there_is_prolonged() -> None:
    stage, alice, bob, carol = await ringing()
    response = await subscribe(alice, event="dialog")
    assert (response.status, response.headers["Allow-Events"]) == (489, "refer")
    assert (await subscribe(alice, event="refer;id=4711")).status == 403
    assert (await subscribe(bob)).status == 403
    await until_told(alice, "200 terminated")
    await alice.until("ended bye")
    await over(stage, bob, carol)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.6")
@virtual
async def test_each_refer_of_a_dialog_has_its_own_subscription() -> None:
    stage, alice, bob, carol = await ringing(rings_s=1000)
    carol.incoming.refuse(486)
    await until_told(alice, "486 terminated")
    carol.rings_s = 5
    await refer(alice, "1003")
    await asyncio.sleep(1)
    number = parse_message(stage.sent(alice.host, "REFER", HOST)[-1]).headers["CSeq"].split()[0]
    assert (await subscribe(alice)).status == 403
    assert (await subscribe(alice, event=f"refer;id={number}")).status == 200
    await alice.until("ended bye")
    assert notifies(alice)[-1].headers["Event"] == f"refer;id={number}"
    await over(stage, bob, carol)
