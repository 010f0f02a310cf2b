"""Fax over UDPTL (ITU-T T.38): datagrams that are no RTP are relayed as they are, between the right parties."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from tests.loopback.media.rtp_phone import Exchange, Phone, exchange
from trunkline.media import commands as c

pytestmark = pytest.mark.rule("T-23")


def udptl(sequence: int, size: int = 30) -> bytes:
    """A UDPTL packet: its number, then data that a reader of RTP takes for rubbish."""
    return struct.pack("!H", sequence) + b"\x06" * size


def say(phone: Phone, to: c.PortOpened, packet: bytes) -> bytes:
    phone.rtp.sendto(packet, (to.address, to.rtp_port))
    return packet


async def fax(at: Exchange, alice: Phone, bob: Phone) -> tuple[c.PortOpened, c.PortOpened]:
    """A call whose parties have changed from audio to fax."""
    a, b = await at.call(alice, bob)
    assert alice.speak(a) == await bob.hear()
    assert bob.speak(b) == await alice.hear()
    await at.do(replace(alice.remote("a"), opaque=True), replace(bob.remote("b"), opaque=True))
    return a, b


async def test_fax_packets_pass_both_ways_and_audio_after_them() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await fax(at, alice, bob)
        for sequence in range(5):
            assert say(alice, a, udptl(sequence)) == await bob.hear()
            assert say(bob, b, udptl(sequence, 700)) == await alice.hear()
        await at.do(alice.remote("a"), bob.remote("b"))
        say(alice, a, udptl(6))
        assert alice.speak(a) == await bob.hear()
        figures = await at.figures_when("a", lambda now: now.invalid == 1)
        assert (figures.packets_in, figures.packets_out) == (7, 6)


async def test_fax_packets_of_all_lengths_are_safe() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await fax(at, alice, bob)
        for size in range(12):
            assert say(alice, a, udptl(size, size)) == await bob.hear()
        for packet in (b"", b"\x00"):
            say(alice, a, packet)
        assert (await at.figures_when("a", lambda now: now.invalid == 2)).packets_in == 13
        await at.do(c.Echo("a"))
        for size in range(12):
            say(alice, a, udptl(size, size))
        assert (await at.figures_when("a", lambda now: now.packets_in == 25)).packets_out == 1


@pytest.mark.rule("T-25")
async def test_a_stranger_does_not_take_a_fax_over() -> None:
    async with exchange() as at:
        alice, bob, stranger = at.phone(), at.phone(), at.phone("127.0.0.9")
        a, _ = await fax(at, alice, bob)
        assert say(alice, a, udptl(1)) == await bob.hear()
        for sequence in range(2, 12):
            say(stranger, a, udptl(sequence))
        assert (await at.figures_when("a", lambda now: now.foreign == 10)).packets_in == 2
        assert say(alice, a, udptl(12)) == await bob.hear()


async def test_a_fax_machine_behind_nat_is_learnt_by_its_packets() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone("127.0.0.9")
        a, b = await at.open("a"), await at.open("b")
        await at.do(
            replace(alice.remote("a"), opaque=True),
            c.SetRemote("b", "127.0.0.77", 4000, opaque=True),
            c.Link("a", "b"),
        )
        for sequence in (0, 0, 1):  # gateways repeat a packet for safety
            say(bob, b, udptl(sequence))
        assert await alice.hear() == udptl(1)
        assert say(alice, a, udptl(0)) == await bob.hear()
