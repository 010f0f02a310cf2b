"""Sessions that are written down in one process and carried on by another at the same address."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import MemoryNetwork
from tests.link.phones import SDP, Party
from tests.link.takeover import BOB, carry_on, pair, settle
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError
from trunkline.ua.sessions import ServerSession, restore, snapshot


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
