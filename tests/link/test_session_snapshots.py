"""Sessions that are written down in one process and carried on by another at the same address."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.link.memory_network import MemoryNetwork
from tests.link.phones import SDP, Party, is_silent
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError
from trunkline.ua.sessions import ClientSession, ServerSession, restore, snapshot

ALICE, BOB = "10.0.0.1", "10.0.0.2"


def pair(**bobs: float) -> tuple[MemoryNetwork, Party, Party]:
    network = MemoryNetwork(asyncio.get_running_loop())
    return network, Party(network, ALICE), Party(network, BOB, **bobs)  # type: ignore[arg-type]


def carry_on(old: Party) -> Party:
    """The process of a party dies; another, on the same address, takes up its session from JSON."""
    kept = json.dumps(snapshot(old.dialogue))
    old.endpoint.close()
    new = Party(old.network, old.host, answers=False, node_id=7)
    new.session = restore(json.loads(kept), new.endpoint, new)
    return new


async def settle(*parties: Party) -> None:
    await asyncio.sleep(200)
    for party in parties:
        layer, sessions = party.endpoint.layer, party.endpoint.sessions
        assert is_silent(party.endpoint), (party.said, layer.clients, layer.servers, sessions)
        assert party.dialogue.ended


async def talking() -> tuple[MemoryNetwork, Party, Party]:
    network, alice, bob = pair()
    alice.call(BOB)
    await bob.until("acknowledged")
    return network, alice, bob


moves = pytest.mark.parametrize("moves", ["caller", "callee"])


async def moved(moves: str) -> tuple[MemoryNetwork, Party, Party]:
    """A call one party of which has moved: the network, that party, the other."""
    network, alice, bob = await talking()
    assert (await alice.reoffer(SDP))[0] == 200
    await asyncio.sleep(1)
    assert (await bob.reoffer(SDP))[0] == 200
    await asyncio.sleep(40)
    return (network, carry_on(alice), bob) if moves == "caller" else (network, carry_on(bob), alice)


# Established


@moves
@virtual
async def test_an_established_call_is_hung_up_by_who_carries_it_on(moves: str) -> None:
    _network, new, other = await moved(moves)
    new.dialogue.hang_up()
    await other.until("ended bye")
    await settle(new, other)
    assert new.said == ["ended hangup"]


@moves
@virtual
async def test_an_established_call_is_hung_up_by_the_other(moves: str) -> None:
    _network, new, other = await moved(moves)
    other.dialogue.hang_up()
    await new.until("ended bye")
    await settle(new, other)


@moves
@virtual
async def test_an_established_call_is_changed_from_either_side(moves: str) -> None:
    network, new, other = await moved(moves)
    assert (await new.reoffer(SDP))[0] == 200
    await asyncio.sleep(1)
    assert (await other.reoffer(SDP))[0] == 200
    assert (await new.dialogue.request("INFO")).status == 200
    assert (await other.dialogue.request("INFO")).status == 200
    numbers = [
        int(data.split(b"CSeq: ")[1].split(b" ")[0])
        for _, source, _, data in network.log
        if source == new.host and data.startswith((b"INVITE", b"INFO"))
    ]
    assert numbers == sorted(set(numbers)), "the numbers of the dead process are not used again"
    new.dialogue.hang_up()
    await settle(new, other)


@moves
@virtual
async def test_a_new_connection_is_made_when_the_old_one_died_with_its_process(moves: str) -> None:
    network, alice, bob = await talking()
    old, other = (alice, bob) if moves == "caller" else (bob, alice)
    kept = snapshot(old.dialogue)
    old.endpoint.close()
    new = Party(network, old.host)
    new.node.flow_from_token = lambda token: None  # type: ignore[method-assign]
    new.session = restore(kept, new.endpoint, new)
    new.dialogue.hang_up()
    await other.until("ended bye")
    await settle(new, other)


@virtual
async def test_the_route_of_the_call_is_kept() -> None:
    network, alice, bob = pair()
    route = f"Record-Route: <sip:{BOB};lr>\r\n"
    bob.on_invite = lambda session: session.answer(SDP, route)
    alice.call(BOB)
    await bob.until("acknowledged")
    new = carry_on(alice)
    new.dialogue.hang_up()
    await bob.until("ended bye")
    byes = [data for _, _, _, data in network.log if data.startswith(b"BYE")]
    assert f"\r\nRoute: <sip:{BOB};lr>\r\n".encode() in byes[0]
    await settle(new, bob)


@pytest.mark.rfc("3261", "13.2.2.4")
@virtual
async def test_a_2xx_whose_ack_was_lost_is_acknowledged_by_the_new_process() -> None:
    network, alice, bob = pair()
    network.drop = lambda data, _src, _dst: data.startswith(b"ACK")
    alice.call(BOB)
    await alice.until("answered")
    new = carry_on(alice)
    network.drop = lambda _data, _src, _dst: False
    await bob.until("acknowledged")
    new.dialogue.hang_up()
    await settle(new, bob)


@moves
@virtual
async def test_a_hang_up_on_its_way_is_repeated(moves: str) -> None:
    network, alice, bob = await talking()
    old, other = (alice, bob) if moves == "caller" else (bob, alice)
    network.drop = lambda data, _src, _dst: data.startswith(b"BYE")
    old.dialogue.hang_up()
    new = carry_on(old)
    network.drop = lambda _data, _src, _dst: False
    await other.until("ended bye")
    await settle(new, other)


@moves
@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_a_change_under_way_is_to_be_tried_again(moves: str) -> None:
    _network, alice, bob = await talking()
    old, other = (alice, bob) if moves == "caller" else (bob, alice)
    old.offer_answer = None
    change = asyncio.ensure_future(other.reoffer(SDP))
    await old.until("offered")
    new = carry_on(old)
    assert (await change)[0] == 500
    assert (await other.reoffer(SDP))[0] == 200
    new.dialogue.hang_up()
    await settle(new, other)


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


# What cannot be


@virtual
async def test_an_ended_session_has_no_snapshot() -> None:
    _network, alice, bob = await talking()
    alice.dialogue.hang_up()
    await settle(alice, bob)
    with pytest.raises(LocalProtocolError, match="ended"):
        snapshot(alice.dialogue)


@virtual
async def test_a_snapshot_of_another_version_is_refused() -> None:
    _network, alice, bob = await talking()
    kept = snapshot(alice.dialogue)
    with pytest.raises(LocalProtocolError, match="version 99, expected 1"):
        restore(kept | {"version": 99}, alice.endpoint, alice)
    bob.dialogue.hang_up()
    await settle(alice, bob)


@virtual
async def test_odd_bytes_of_the_peer_survive() -> None:
    network, alice, bob = pair(answers=False)
    alice.call(BOB, from_='"J\udcf6rg \u017d" <sip:alice@a.test>', extra="Subject: \udcff\r\n")
    await alice.until("180")
    new = carry_on(bob)
    assert isinstance(new.session, ServerSession)
    new.session.answer(SDP)
    await new.until("acknowledged")
    answer = next(data for _, _, _, data in network.log if data.startswith(b"SIP/2.0 200"))
    assert b'"J\xf6rg \xc5\xbd"' in answer
    new.dialogue.hang_up()
    await settle(alice, new)
