"""Transfers with somebody from outside: who is no extension hands nothing on, whatever its number looks like."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.peering import open_to_peer
from tests.link.phones import Party, describe
from tests.link.stage import DOMAIN, HOST, Stage
from tests.link.talking import talking
from tests.link.test_trunks import CARRIER, Exchange
from tests.link.transferring import consultation, refer, relays, until_told
from tests.link.virtual_time import virtual
from trunkline.pbx.peer_door import Peer
from trunkline.trunking.plan import TrunkPlan


async def called_from_outside(stage: Stage) -> tuple[Party, Party, Party]:
    """A peer, which says that it is 1003, has called Bob; Carol is the real 1003."""
    outside, bob, carol = stage.party(), stage.party(), stage.party()
    open_to_peer(stage, outside, Peer("carrier", "t1"))
    stage.endpoint.set_doors([*stage.endpoint.doors, stage.refer_door])
    outside.call(HOST, "1002", from_=f"<sip:1003@{DOMAIN}>")
    await bob.until("acknowledged")
    await outside.until("answered")
    return outside, bob, carol


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-14")
@virtual
async def test_a_caller_from_outside_may_not_transfer() -> None:
    stage = Stage()
    outside, bob, carol = await called_from_outside(stage)
    assert (await refer(outside, "1003")).status == 403
    stage.dial(carol, "9196")
    await carol.until("answered")
    assert (await refer(outside, consultation(carol, "1002"))).status == 403
    carol.dialogue.hang_up()
    assert relays(stage, outside, bob)
    outside.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()


@pytest.mark.rule("T-37")
@virtual
async def test_nobody_takes_the_place_of_a_caller_from_outside() -> None:
    stage = Stage()
    outside, bob, carol = await called_from_outside(stage)
    dialog = outside.dialogue.dialog
    assert dialog is not None
    header = f"Replaces: {dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}\r\n"
    stage.dial(carol, "1002", extra=header)
    await carol.until("failed 403")
    outside.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-34")
@pytest.mark.rfc("3325", "5")
@virtual
async def test_a_caller_from_outside_is_transferred_and_not_told_to_whom() -> None:
    stage = Stage()
    outside, bob, carol = await called_from_outside(stage)
    assert (await refer(bob, "1003")).status == 200
    await until_told(bob, "200 terminated")
    await asyncio.sleep(1)
    assert relays(stage, outside, carol)
    assert all(b"P-Asserted-Identity" not in data for data in stage.sent(HOST, "INVITE", outside.host))
    assert [stage.calls.load("t1", number) for number in ("1002", "1003")] == [0, 1]
    carol.dialogue.hang_up()
    await outside.until("ended bye")
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-36")
@virtual
async def test_a_call_is_transferred_out_by_a_trunk_that_learns_nothing_of_who_transfers() -> None:
    stage = Exchange()
    alice, bob = await talking(stage)
    carrier = stage.carrier()
    carrier.body = describe(carrier.host)
    stage.trunk(TrunkPlan("carrier", "t1", CARRIER, prefixes=("0",), ping_s=0.0))
    assert (await refer(alice, "00493012345")).status == 200
    await carrier.until("acknowledged")
    await alice.until("ended bye")
    assert relays(stage, bob, carrier)
    assert "Referred-By" not in carrier.invites[0].headers
    assert "sip:1001@" not in str(carrier.invites[0].headers)
    bob.dialogue.hang_up()
    await carrier.until("ended bye")
    stage.trunks.close()
    await stage.settle()


ELSEWHERE = "their-call@192.0.2.7;to-tag=theirs;from-tag=mine"
ASKS = "?Replaces=their-call%40192.0.2.7%3Bto-tag%3Dtheirs%3Bfrom-tag%3Dmine"


@pytest.mark.parametrize("early", ["", "%3Bearly-only"])
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "4")
@virtual
async def test_a_dialog_that_the_new_party_has_elsewhere_is_named_to_it(early: str) -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    carol = stage.party()
    assert (await refer(alice, f"sip:1003@{DOMAIN}{ASKS}{early}")).status == 200
    await carol.until("acknowledged")
    await alice.until("ended bye")
    headers = carol.invites[0].headers
    assert headers["Replaces"] == ELSEWHERE + (";early-only" if early else "")
    assert headers["Require"] == "replaces"
    assert relays(stage, bob, carol)
    bob.dialogue.hang_up()
    await carol.until("ended bye")
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_when_the_new_party_does_not_know_that_dialog_the_call_is_returned() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    carol = stage.party()
    carol.refuse_with = 481
    assert (await refer(alice, f"sip:1003@{DOMAIN}{ASKS}")).status == 200
    await until_told(alice, "480 terminated")
    assert relays(stage, alice, bob)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-36")
@virtual
async def test_a_dialog_at_the_carrier_is_named_to_the_carrier() -> None:
    stage = Exchange()
    alice, bob = await talking(stage)
    carrier = stage.carrier()
    carrier.body = describe(carrier.host)
    stage.trunk(TrunkPlan("carrier", "t1", CARRIER, prefixes=("0",), ping_s=0.0))
    assert (await refer(alice, f"sip:00493012345@{DOMAIN}{ASKS}")).status == 200
    await carrier.until("acknowledged")
    await alice.until("ended bye")
    assert carrier.invites[0].headers["Replaces"] == ELSEWHERE
    bob.dialogue.hang_up()
    await carrier.until("ended bye")
    stage.trunks.close()
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-36")
@virtual
async def test_a_call_with_the_carrier_is_joined_inside_and_never_named_to_it() -> None:
    stage = Exchange()
    alice, bob = await talking(stage)
    first = alice.dialogue
    carrier = stage.carrier()
    carrier.body = carrier.offer_answer = describe(carrier.host)
    stage.trunk(TrunkPlan("carrier", "t1", CARRIER, prefixes=("0",), ping_s=0.0))
    alice.said.clear()
    stage.dial(alice, "00493012345")
    await alice.until("answered")
    await carrier.until("acknowledged")
    named, second = consultation(alice, "00493012345"), alice.dialogue
    alice.session = first
    assert (await refer(alice, named)).status == 200
    await until_told(alice, "200 terminated")
    await asyncio.sleep(1)
    assert relays(stage, bob, carrier)
    assert second.ended
    assert len(stage.sent(HOST, "INVITE", carrier.host)) == 2, "the call, and a re-INVITE in it"
    assert not any(b"Replaces" in data for data in stage.sent(HOST, "INVITE", carrier.host))
    bob.dialogue.hang_up()
    await carrier.until("ended bye")
    stage.trunks.close()
    await stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-36")
@virtual
async def test_a_dialog_of_ours_that_is_over_is_named_to_nobody() -> None:
    stage = Exchange()
    alice, bob = await talking(stage)
    first = alice.dialogue
    carol = stage.party()
    carrier = stage.carrier()
    stage.trunk(TrunkPlan("carrier", "t1", CARRIER, prefixes=("0",), ping_s=0.0))
    stage.dial(alice, "1003")
    await carol.until("acknowledged")
    ids = [(alice, alice.dialogue.dialog), (carol, carol.dialogue.dialog)]  # as caller, and as callee
    carol.dialogue.hang_up()
    await asyncio.sleep(60)
    alice.session = first
    for _, dialog in ids:
        assert dialog is not None
        value = f"{dialog.call_id}%3Bto-tag%3D{dialog.remote_tag}%3Bfrom-tag%3D{dialog.local_tag}"
        response = await refer(alice, f"sip:00493012345@{DOMAIN}?Replaces={value}")
        assert response.status == 481
    assert not carrier.invites
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    stage.trunks.close()
    await stage.settle()
