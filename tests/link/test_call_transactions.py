"""What the transactions of a call are for, seen at the exchange: losses, copies by other ways, answers that repeat."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import MemoryFlow
from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides, talking, who
from tests.link.virtual_time import virtual


def by_another_way(data: bytes, *, uri: bytes = b"") -> bytes:
    """A copy of a request as a second path brings it: with a branch of its own."""
    branch = data.split(b"branch=")[1].split(b";")[0]
    first, _, rest = data.replace(branch, branch + b"x").partition(b"\r\n")
    return (b"INVITE " + uri + b" SIP/2.0" if uri else first) + b"\r\n" + rest


@pytest.mark.rule("T-10")
@pytest.mark.rfc("3261", "17.1.1.2")
@pytest.mark.parametrize("method", [b"INVITE", b"BYE"])
@both_sides
@virtual
async def test_what_the_exchange_sends_by_udp_is_repeated_until_it_is_answered(
    side: str, method: bytes
) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    lost: list[bytes] = []

    def drop(data: bytes, _source: tuple[str, int], target: tuple[str, int]) -> bool:
        if data.startswith(method) and target[0] == other.host and len(lost) < 2:
            lost.append(data)
            return True
        return False

    stage.network.drop = drop
    assert (await one.reoffer(one.body))[0] == 200
    one.dialogue.hang_up()
    await other.until("ended bye")
    assert len(lost) == 2
    assert len(set(lost)) == 1, "the very same message"
    await stage.settle()


@pytest.mark.rule("T-07")
@pytest.mark.rfc("3261", "8.2.2.2")
@virtual
async def test_an_invite_that_also_comes_by_another_way_is_refused_there_and_the_call_goes_on() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(rings_s=2.0)
    stage.dial(alice, "1002")
    await alice.until("180")
    stage.endpoint.receive(
        by_another_way(stage.sent(alice.host, "INVITE")[-1]),
        MemoryFlow(stage.network.nodes[HOST, 5060], (alice.host, 5060)),
    )
    await bob.until("acknowledged")
    assert len(stage.sent(HOST, "SIP/2.0 482", alice.host)) == 1
    assert len(bob.invites) == 1
    assert len(stage.calls.all) == 1
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-07")
@pytest.mark.rfc("3261", "16.3")
@virtual
async def test_an_invite_that_comes_back_for_another_number_is_a_request_of_its_own() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party(rings_s=2.0)
    stage.dial(alice, "1002")
    await alice.until("180")
    spiral = by_another_way(stage.sent(alice.host, "INVITE")[-1], uri=f"sip:1003@{HOST}".encode())
    stage.endpoint.receive(spiral, MemoryFlow(stage.network.nodes[HOST, 5060], (alice.host, 5060)))
    await asyncio.sleep(0.5)
    assert not stage.sent(HOST, "SIP/2.0 482", alice.host)
    answers = stage.sent(HOST, "SIP/2.0 401", alice.host)
    assert len(answers) == 2, "it is judged by itself: what its writer proved was for another number"
    await bob.until("acknowledged")
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-01")
@pytest.mark.rfc("3261", "14.2")
@both_sides
@virtual
async def test_the_2xx_of_a_change_is_repeated_until_its_ack_comes(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, _other = who(stage, side)
    lost = 0

    def drop(data: bytes, source: tuple[str, int], _target: tuple[str, int]) -> bool:
        nonlocal lost
        if data.startswith(b"ACK") and source[0] == one.host and lost < 3:
            lost += 1
            return True
        return False

    before = len(stage.sent(HOST, "SIP/2.0 200", one.host))
    stage.network.drop = drop
    assert (await one.reoffer(one.body))[0] == 200
    await asyncio.sleep(10)
    answers = stage.sent(HOST, "SIP/2.0 200", one.host)[before:]
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert stage.calls.active
    one.dialogue.hang_up()
    await stage.settle()
