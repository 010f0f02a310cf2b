"""Whom a port listens to: bounded learning, then a lock that RTP bleed cannot open."""

from __future__ import annotations

import pytest

from tests.loopback.media.rtp_phone import exchange
from trunkline.media import commands as c
from trunkline.media.embedded import MediaSettings
from trunkline.media.events import PortLatched

pytestmark = pytest.mark.rule("T-25")


async def test_before_the_answer_nobody_is_heard() -> None:
    async with exchange() as at:
        alice, bob, stranger = at.phone(), at.phone(), at.phone(ssrc=9)
        await at.open("a")
        b = await at.open("b")
        await at.do(alice.remote("a"), c.Link("a", "b"))
        for _ in range(10):
            stranger.speak(b)
        await at.figures_when("b", lambda now: now.foreign == 10)
        await at.do(bob.remote("b"))
        assert bob.speak(b) == await alice.hear()


async def test_a_foreign_source_is_dropped_and_counted_after_the_lock() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        stranger, neighbour = at.phone("127.0.0.9", ssrc=1), at.phone(ssrc=1)
        a, _ = await at.call(alice, bob)
        assert alice.speak(a) == await bob.hear()
        for _ in range(20):
            stranger.speak(a)
            neighbour.speak(a)
            assert alice.speak(a) == await bob.hear()
        figures = await at.figures_when("a", lambda now: now.foreign == 40)
        assert figures.packets_in == 21


async def test_strict_policy_hears_nobody_but_the_signalled_address() -> None:
    async with exchange() as at:
        alice, bob, neighbour = at.phone(), at.phone(), at.phone(ssrc=9)
        a, _ = await at.call(alice, bob, "signalled")
        for _ in range(20):
            neighbour.speak(a)
        await at.figures_when("a", lambda now: now.foreign == 20)
        assert alice.speak(a) == await bob.hear()


async def test_a_phone_behind_nat_is_learnt_and_sent_to() -> None:
    async with exchange() as at:
        alice, bob = at.phone("127.0.0.5", ssrc=1), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        private = c.SetRemote("a", "192.168.77.1", 4000)
        await at.do(private, bob.remote("b"), c.Link("a", "b"))
        packets = [alice.speak(a) for _ in range(6)]
        assert await bob.hear() == packets[2], "a stranger is believed at the third packet in a row"
        latched = await at.event("latched")
        assert latched == PortLatched("call", "a", "127.0.0.5", alice.rtp_port, rtcp=False)
        assert bob.speak(b) == await alice.hear()


async def test_the_signalled_phone_wins_over_an_earlier_stranger() -> None:
    async with exchange() as at:
        alice, bob, stranger = at.phone(ssrc=1), at.phone(ssrc=2), at.phone("127.0.0.9", ssrc=3)
        a, b = await at.call(alice, bob)
        bled = [stranger.speak(a) for _ in range(4)]
        assert await bob.hear() == bled[2]
        assert await bob.hear() == bled[3]
        assert alice.speak(a) == await bob.hear()
        stranger.speak(a)
        await at.figures_when("a", lambda now: now.foreign == 3)
        assert bob.speak(b) == await alice.hear()


async def test_late_strangers_are_not_learnt() -> None:
    async with exchange(MediaSettings(learn_s=0.0)) as at:
        alice, bob, stranger = at.phone(), at.phone(), at.phone("127.0.0.9", ssrc=9)
        a, _ = await at.call(alice, bob)
        for _ in range(20):
            stranger.speak(a)
        await at.figures_when("a", lambda now: now.foreign == 20)
        assert alice.speak(a) == await bob.hear()


async def test_after_silence_the_same_ssrc_may_move_and_another_may_not() -> None:
    async with exchange(MediaSettings(learn_s=0.0, relearn_s=0.1, inactivity_s=0.3)) as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        other, moved = at.phone("127.0.0.9", ssrc=9), at.phone("127.0.0.8", ssrc=1)
        a, b = await at.call(alice, bob)
        assert alice.speak(a) == await bob.hear()
        while (await at.event("inactive")).port != "a":
            pass
        for _ in range(10):
            other.speak(a)
        await at.figures_when("a", lambda now: now.foreign == 10)
        assert moved.speak(a) == await bob.hear()
        assert bob.speak(b) == await moved.hear()


async def test_a_new_answer_with_another_address_is_followed() -> None:
    async with exchange() as at:
        alice, bob, moved = at.phone(ssrc=1), at.phone(ssrc=2), at.phone(ssrc=3)
        a, b = await at.call(alice, bob)
        assert alice.speak(a) == await bob.hear()
        await at.do(moved.remote("a"))
        assert bob.speak(b) == await moved.hear()
        assert moved.speak(a) == await bob.hear()
        alice.speak(a)
        await at.figures_when("a", lambda now: now.foreign == 1)


async def test_a_repeated_answer_keeps_the_learnt_source() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.call(alice, bob)
        assert alice.speak(a) == await bob.hear()
        await at.do(alice.remote("a"))
        assert alice.speak(a) == await bob.hear()
        assert bob.speak(b) == await alice.hear()
        assert len(at.waiting_events("latched")) <= 2


@pytest.mark.rfc("2543", "B.5")
async def test_the_unspecified_address_holds_the_call() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.call(alice, bob)
        assert alice.speak(a) == await bob.hear()
        await at.do(c.SetRemote("a", "0.0.0.0", alice.rtp_port))  # noqa: S104  (an address in SDP, not a bind)
        bob.speak(b)
        await at.figures_when("b", lambda now: now.packets_in == 1)
        assert (await at.figures("a")).packets_out == 0
        await at.do(alice.remote("a"))
        assert bob.speak(b) == await alice.hear()
