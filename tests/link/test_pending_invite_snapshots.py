"""INVITEs that ring while their process dies, carried on by another, on either side."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import MemoryNetwork
from tests.link.phones import SDP, Party
from tests.link.takeover import BOB, carry_on, pair, settle
from tests.link.virtual_time import virtual
from trunkline.ua.sessions import ClientSession

# Ringing, on the side that was called


async def ringing() -> tuple[MemoryNetwork, Party, Party]:
    """A call that rings; the callee's process has died since."""
    network, alice, bob = pair(answers=False)
    alice.call(BOB)
    await alice.until("180")
    return network, alice, carry_on(bob)


@virtual
async def test_a_ringing_call_is_answered_by_who_carries_it_on() -> None:
    _network, alice, new = await ringing()
    new.incoming.answer(SDP)
    await new.until("acknowledged")
    assert (await new.reoffer(SDP))[0] == 200
    alice.dialogue.hang_up()
    await new.until("ended bye")
    await settle(alice, new)


@virtual
async def test_its_answer_is_repeated_until_the_ack() -> None:
    network, alice, new = await ringing()
    network.drop = lambda data, _src, _dst: data.startswith(b"ACK")
    new.incoming.answer(SDP)
    await asyncio.sleep(5)
    assert network.sent("SIP/2.0 200") == 4
    network.drop = lambda _data, _src, _dst: False
    await new.until("acknowledged")
    new.dialogue.hang_up()
    await settle(alice, new)


@virtual
async def test_a_ringing_call_is_refused_by_who_carries_it_on() -> None:
    _network, alice, new = await ringing()
    new.incoming.refuse(486)
    await alice.until("failed 486")
    await settle(alice, new)


@virtual
async def test_a_cancel_reaches_who_carries_the_call_on() -> None:
    _network, alice, new = await ringing()
    alice.dialogue.hang_up()
    await new.until("cancelled")
    await alice.until("failed 487")
    await settle(alice, new)


@virtual
async def test_a_repeated_invite_is_told_again_that_it_rings() -> None:
    network, alice, bob = pair(answers=False)
    network.drop = lambda data, _src, _dst: data.startswith(b"SIP/2.0 1")
    alice.call(BOB)
    await bob.until("invited")
    new = carry_on(bob)
    network.drop = lambda _data, _src, _dst: False
    await alice.until("180")
    assert new.said == [], "the same call, not a new one"
    new.incoming.refuse(486)
    await settle(alice, new)


@virtual
async def test_an_answer_on_its_way_is_repeated_by_who_carries_the_call_on() -> None:
    network, alice, bob = pair()
    network.drop = lambda data, _src, _dst: data.startswith(b"SIP/2.0 200")
    alice.call(BOB)
    await asyncio.sleep(3)
    new = carry_on(bob)
    network.drop = lambda _data, _src, _dst: False
    await new.until("acknowledged")
    new.dialogue.hang_up()
    await alice.until("ended bye")
    await settle(alice, new)


@pytest.mark.rule("T-01")
@virtual
async def test_an_answer_that_is_never_acknowledged_ends_when_it_would_have_ended() -> None:
    network, alice, bob = pair()
    network.drop = lambda data, _src, _dst: data.startswith(b"ACK")
    begun = network.loop.time()
    alice.call(BOB)
    await asyncio.sleep(20)
    new = carry_on(bob)
    await new.until("ended no-ack")
    assert 32.0 <= network.loop.time() - begun < 32.3
    await settle(alice, new)


@virtual
async def test_a_call_hung_up_before_its_ack_is_ended_by_who_carries_it_on() -> None:
    network, alice, bob = pair()
    network.drop = lambda data, _src, _dst: data.startswith(b"ACK")
    alice.call(BOB)
    await alice.until("answered")
    bob.dialogue.hang_up()
    new = carry_on(bob)
    network.drop = lambda _data, _src, _dst: False
    await alice.until("ended bye")
    await settle(alice, new)


# Ringing, on the side that called


async def calling(**bobs: float) -> tuple[MemoryNetwork, Party, Party]:
    """A call that rings; the caller's process has died since."""
    network, alice, bob = pair(**bobs)
    alice.call(BOB)
    await alice.until("180")
    return network, carry_on(alice), bob


@virtual
async def test_the_answer_is_acknowledged_by_who_carries_the_call_on() -> None:
    _network, new, bob = await calling(rings_s=2.0)
    await bob.until("acknowledged")
    assert new.said == ["answered"]
    assert (await bob.reoffer(SDP))[0] == 200
    new.dialogue.hang_up()
    await bob.until("ended bye")
    await settle(new, bob)


@virtual
async def test_a_refusal_reaches_who_carries_the_call_on() -> None:
    _network, new, bob = await calling(answers=False)
    bob.incoming.refuse(486)
    await new.until("failed 486")
    await settle(new, bob)


@virtual
async def test_who_carries_a_ringing_call_on_may_cancel_it() -> None:
    _network, new, bob = await calling(answers=False)
    new.dialogue.hang_up()
    await bob.until("cancelled")
    await new.until("failed 487")
    await settle(new, bob)


@virtual
async def test_a_cancel_on_its_way_is_repeated() -> None:
    network, alice, bob = pair(answers=False)
    alice.call(BOB)
    await alice.until("180")
    network.drop = lambda data, _src, _dst: data.startswith(b"CANCEL")
    alice.dialogue.hang_up('Reason: SIP;cause=200;text="Call completed elsewhere"\r\n')
    new = carry_on(alice)
    network.drop = lambda _data, _src, _dst: False
    await bob.until("cancelled")
    assert bob.reasons == ['SIP;cause=200;text="Call completed elsewhere"']
    await settle(new, bob)


@pytest.mark.rfc("3261", "9.1")
@virtual
async def test_a_cancel_that_waits_for_a_provisional_goes_on_waiting() -> None:
    network, alice, bob = pair(answers=False)
    network.drop = lambda data, _src, _dst: data.startswith(b"SIP/2.0 1")
    alice.call(BOB).hang_up()
    new = carry_on(alice)
    await asyncio.sleep(1)
    assert network.sent("CANCEL") == 0
    network.drop = lambda _data, _src, _dst: False
    await bob.until("cancelled")
    await settle(new, bob)


@virtual
async def test_an_invite_that_nobody_has_heard_is_repeated_and_given_up_in_time() -> None:
    network, alice, _bob = pair()
    network.drop = lambda data, _src, _dst: data.startswith(b"INVITE")
    begun = network.loop.time()
    alice.call(BOB)
    await asyncio.sleep(10)
    new = carry_on(alice)
    await new.until("failed 408")
    assert 32.0 <= network.loop.time() - begun < 32.3
    assert network.sent("INVITE") == 6, "it waits anew for the interval it was at"
    await settle(new)


@pytest.mark.rule("T-19")
@virtual
async def test_an_offer_that_still_wants_its_answer_gets_it() -> None:
    _network, alice, bob = pair()
    alice.call(BOB, body=b"")
    await alice.until("answered")
    new = carry_on(alice)
    assert isinstance(new.session, ClientSession)
    new.session.acknowledge(SDP)
    await bob.until("acknowledged")
    assert bob.heard[-1] == SDP
    bob.dialogue.hang_up()
    await settle(new, bob)


@pytest.mark.rule("T-12")
@virtual
async def test_early_dialogs_of_several_forks_are_kept() -> None:
    network, alice, bob = pair(answers=False)
    session = alice.call(BOB)
    await alice.until("180")
    ringing = next(data for _, _, _, data in network.log if data.startswith(b"SIP/2.0 180"))
    tag = bob.incoming.local_tag.encode()
    flow = alice.node.flow_to("UDP", BOB, 5060)
    for other in (b"second", b"third"):
        alice.endpoint.receive(ringing.replace(b";tag=" + tag, b";tag=" + other), flow)
    assert len(session.forks or {}) == 2
    new = carry_on(alice)
    assert isinstance(new.session, ClientSession)
    assert sorted(new.session.forks or {}) == ["second", "third"]
    bob.incoming.answer(SDP)
    await new.until("answered")
    assert len(new.endpoint.sessions) == 1
    new.dialogue.hang_up()
    await settle(new, bob)


# Provisionals that arrive for certain


@pytest.mark.rule("T-17")
@pytest.mark.rfc("3262", "3")
@virtual
async def test_a_reliable_provisional_is_repeated_by_who_carries_the_call_on() -> None:
    network, alice, bob = pair()
    bob.on_invite = lambda session: session.progress(183, SDP)
    network.drop = lambda data, _src, _dst: data.startswith(b"PRACK")
    alice.call(BOB, extra="Require: 100rel\r\n")
    await alice.until("183")
    bob.incoming.answer(SDP)
    new = carry_on(bob)
    network.drop = lambda _data, _src, _dst: False
    await new.until("acknowledged")
    new.dialogue.hang_up()
    await settle(alice, new)


@pytest.mark.rule("T-12")
@pytest.mark.rfc("3262", "4")
@virtual
async def test_what_an_early_dialog_said_reliably_is_kept() -> None:
    network, alice, bob = pair()
    bob.on_invite = lambda session: session.progress(183, SDP)
    alice.call(BOB, extra="Require: 100rel\r\n")
    await alice.until("183")
    await asyncio.sleep(1)
    new = carry_on(alice)
    bob.incoming.progress(180)
    await new.until("180")
    assert network.sent("PRACK") == 2
    assert new.dialogue.takes_update
    assert isinstance(new.session, ClientSession)
    assert new.session.speaking_dialog() is new.session.dialog
    bob.incoming.answer(SDP)
    await new.until("answered")
    assert new.session.description(b"") == SDP
    new.dialogue.hang_up()
    await settle(new, bob)
