"""Two endpoints over a network that behaves and one that does not, in virtual time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.link.memory_network import MemoryNetwork, Weather
from tests.link.phones import SDP, Party, is_silent
from tests.link.virtual_time import run


def network(**weather: float) -> MemoryNetwork:
    return MemoryNetwork(asyncio.get_running_loop(), Weather(**weather))


async def settle(*parties: Party, seconds: float = 200.0) -> None:
    """Longer than any timer of RFC 3261."""
    await asyncio.sleep(seconds)
    for party in parties:
        assert is_silent(party.endpoint), (
            party.said,
            party.endpoint.layer.clients,
            party.endpoint.layer.servers,
        )


@pytest.mark.rfc("3261", "13")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_is_made_answered_and_hung_up(transport: str) -> None:
    async def story() -> None:
        net = network()
        alice, bob = Party(net, "10.0.0.1", transport=transport), Party(net, "10.0.0.2", transport=transport)
        alice.call("10.0.0.2")
        await bob.until("acknowledged")
        assert alice.said == ["180", "answered"]
        assert alice.session is not None
        alice.session.hang_up()
        await bob.until("ended bye")
        await settle(alice, bob)
        assert alice.said == ["180", "answered", "ended hangup"]
        assert bob.said == ["invited", "acknowledged", "ended bye"]
        assert net.sent("INVITE") == net.sent("ACK") == net.sent("BYE") == 1

    run(story())


@pytest.mark.rfc("3261", "15")
def test_the_callee_may_hang_up() -> None:
    async def story() -> None:
        net = network()
        alice, bob = Party(net, "10.0.0.1"), Party(net, "10.0.0.2")
        alice.call("10.0.0.2")
        await bob.until("acknowledged")
        assert bob.session is not None
        bob.session.hang_up()
        await alice.until("ended bye")
        await settle(alice, bob)

    run(story())


@pytest.mark.rfc("3261", "9.1")
@pytest.mark.rule("T-06")
def test_a_cancel_before_any_provisional_waits_for_one() -> None:
    async def story() -> None:
        net = network()
        alice, bob = Party(net, "10.0.0.1"), Party(net, "10.0.0.2", answers=False)
        session = alice.call("10.0.0.2")
        session.hang_up()
        assert net.sent("CANCEL") == 0
        await alice.until("failed 487")
        assert bob.said == ["invited", "cancelled"]
        await settle(alice, bob)

    run(story())


@pytest.mark.rfc("5407", "3.1.2")
@pytest.mark.rule("T-03")
def test_a_2xx_that_crosses_the_cancel_is_acknowledged_and_hung_up() -> None:
    async def story() -> None:
        net = network()
        alice, bob = Party(net, "10.0.0.1"), Party(net, "10.0.0.2", rings_s=0.1)
        session = alice.call("10.0.0.2")
        await alice.until("180")
        # Bob answers at 0.11 s; Alice's CANCEL of 0.115 s meets the 2xx on the way.
        await asyncio.sleep(0.095)
        session.hang_up()
        await bob.until("ended bye")
        assert "answered" not in alice.said
        await settle(alice, bob)

    run(story())


@pytest.mark.rfc("3261", "13.3.1.4")
@pytest.mark.rule("T-01")
def test_the_2xx_is_repeated_until_64_t1_and_then_the_call_is_ended() -> None:
    async def story() -> None:
        net = network()
        net.drop = lambda data, _src, _dst: data.startswith(b"ACK")
        alice, bob = Party(net, "10.0.0.1"), Party(net, "10.0.0.2")
        alice.call("10.0.0.2")
        await bob.until("ended no-ack")
        await alice.until("ended bye")
        answers = [at for at, _, _, data in net.log if b"SIP/2.0 200" in data and b"INVITE" in data]
        gaps = [round(b - a, 1) for a, b in pairwise(answers)]
        assert gaps == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0]
        await settle(alice, bob)

    run(story())


@pytest.mark.rule("T-02")
def test_each_repeated_2xx_is_acknowledged_again() -> None:
    async def story() -> None:
        net = network()
        lost: list[bytes] = []

        def drop(data: bytes, _src: tuple[str, int], _dst: tuple[str, int]) -> bool:
            if data.startswith(b"ACK") and len(lost) < 3:
                lost.append(data)
                return True
            return False

        net.drop = drop
        alice, bob = Party(net, "10.0.0.1"), Party(net, "10.0.0.2")
        alice.call("10.0.0.2")
        await bob.until("acknowledged")
        assert len(set(lost)) == 1
        assert net.sent("ACK") == 4
        assert alice.session is not None
        alice.session.hang_up()
        await settle(alice, bob)

    run(story())


@pytest.mark.rfc("3261", "17.1.1.2")
def test_a_call_to_nobody_times_out_after_64_t1() -> None:
    async def story() -> None:
        net = network()
        alice = Party(net, "10.0.0.1")
        begun = net.loop.time()
        alice.call("10.9.9.9")
        await alice.until("failed 408")
        assert 32.0 <= net.loop.time() - begun < 32.1
        assert net.sent("INVITE") == 7
        await settle(alice)

    run(story())


@pytest.mark.rfc("3261", "14.1")
def test_a_reinvite_passes_and_crossing_ones_get_491() -> None:
    async def story() -> None:
        net = network()
        alice, bob = Party(net, "10.0.0.1"), Party(net, "10.0.0.2")
        alice.call("10.0.0.2")
        await bob.until("acknowledged")
        assert alice.session is not None
        assert bob.session is not None
        outcomes: list[int] = []
        alice.session.reoffer.send(SDP, lambda status, _response: outcomes.append(status))
        await asyncio.sleep(1)
        assert outcomes == [200]
        assert bob.said[-2:] == ["offered", "acknowledged"]
        alice.session.reoffer.send(SDP, lambda status, _response: outcomes.append(status))
        bob.session.reoffer.send(SDP, lambda status, _response: outcomes.append(status))
        await asyncio.sleep(1)
        assert outcomes == [200, 491, 491]
        for _ in range(2):
            bob.session.reoffer.send(SDP, lambda status, _response: outcomes.append(status))
            await asyncio.sleep(1)
        assert outcomes == [200, 491, 491, 200, 200]
        bob.session.hang_up()
        await settle(alice, bob)

    run(story())


@pytest.mark.parametrize("seed", range(40))
def test_under_loss_and_reordering_every_call_ends_defined_on_both_sides(seed: int) -> None:
    async def story() -> None:
        weather = Weather(loss=0.05, duplicate=0.03, late=0.1)
        net = MemoryNetwork(asyncio.get_running_loop(), weather, seed)
        alice, bob = Party(net, "10.0.0.1"), Party(net, "10.0.0.2", rings_s=0.5)
        session = alice.call("10.0.0.2")
        if seed % 4 == 0:
            await asyncio.sleep(0.45 + seed / 200)
            session.hang_up()
        elif seed % 4 == 1:
            await bob.until("acknowledged")
            assert bob.session is not None
            bob.session.hang_up()
        else:
            await alice.until("answered")
            session.hang_up()
        await settle(alice, bob, seconds=400)
        assert alice.said[-1].startswith(("ended", "failed"))
        assert bob.said[-1].startswith(("ended", "cancelled"))

    run(story())
