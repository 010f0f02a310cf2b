"""RTP header extensions: written, observed, and kept alive, without Python in between."""

from __future__ import annotations

import asyncio
import itertools
import struct

import pytest

from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, rtp
from tests.loopback.media.secure_phone import SecurePhone
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import ExtensionSeen, KeepAliveLost

RADIO = 0x0067


def with_extension(packet: bytes, profile: int, data: bytes) -> bytes:
    """A packet with an extension behind its fixed header."""
    extension = struct.pack("!HH", profile, len(data) // 4) + data
    return bytes([packet[0] | 0x10]) + packet[1:12] + extension + packet[12:]


async def radio(at: Exchange, **other: int) -> tuple[Phone, c.PortOpened]:
    """A phone, and the port that signals to it."""
    alice = at.phone()
    a = await at.open("a")
    await at.do(alice.remote("a"))
    await at.do(c.SetExtension("a", 0, RADIO, "80010203", **other))
    return alice, a


@pytest.mark.rfc("8285", "4.2")
async def test_what_is_relayed_to_the_peer_has_the_element() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.call(alice, bob)
        await at.do(c.SetExtension("b", 3, data="0a0b"))
        plain = alice.speak(a)
        assert await bob.hear() == with_extension(plain, 0xBEDE, b"\x31\x0a\x0b\x00")
        other = with_extension(rtp(7000), 0xBEDE, b"\x50\xff\x30\x01")
        alice.rtp.sendto(other, (a.address, a.rtp_port))
        assert await bob.hear() == with_extension(rtp(7000), 0xBEDE, b"\x50\xff\x31\x0a\x0b\0\0\0")
        assert bob.speak(b) == await alice.hear(), "only what that port sends has it"
        await at.do(c.SetExtension("b"))
        assert alice.speak(a) == await bob.hear()


async def test_the_peer_is_kept_alive_while_nothing_else_is_sent() -> None:
    async with exchange() as at:
        alice, _ = await radio(at, period_ms=40)
        packets = [await alice.hear() for _ in range(6)]
        assert {packet[12:] for packet in packets} == {struct.pack("!HHI", RADIO, 1, 0x80010203)}
        assert {(packet[0], packet[1]) for packet in packets} == {(0x90, 123)}
        numbers = [int.from_bytes(packet[2:4]) for packet in packets]
        assert {(b - a) % 65_536 for a, b in itertools.pairwise(numbers)} == {1}
        await at.do(c.SetExtension("a", 0, RADIO, "00000000", period_ms=40))
        while (await alice.hear())[16:] != bytes(4):
            pass
        await at.do(c.Tone("a", 440.0))
        while (await alice.hear())[1] & 0x7F != 0:
            pass
        heard = [await alice.hear() for _ in range(10)]
        assert {(packet[1] & 0x7F, packet[12:20]) for packet in heard} == {
            (0, struct.pack("!HHI", RADIO, 1, 0))
        }


async def test_the_signalling_of_the_peer_is_told_when_it_changes() -> None:
    async with exchange() as at:
        alice, a = await radio(at)
        values = [b"\x80\0\0\0", b"\x80\0\0\0", b"\0\0\0\1", b"\0\0\0\1"]
        for number, value in enumerate(values):
            alice.rtp.sendto(with_extension(rtp(number), RADIO, value), (a.address, a.rtp_port))
            alice.rtp.sendto(rtp(100 + number), (a.address, a.rtp_port))
        assert await at.event("extension") == ExtensionSeen("call", "a", "80000000")
        assert await at.event("extension") == ExtensionSeen("call", "a", "00000001")
        await at.figures_when("a", lambda now: now.packets_in == 8)
        assert at.waiting_events("extension") == []


async def test_keep_alives_that_stop_and_come_back_are_told() -> None:
    async with exchange() as at:
        alice, a = await radio(at, timeout_ms=100)
        lost = await at.event("keep_alive_lost")
        assert isinstance(lost, KeepAliveLost)
        assert lost.silence_ms >= 100
        await asyncio.sleep(0)
        assert at.waiting_events("keep_alive_lost") == []
        alice.rtp.sendto(rtp(1), (a.address, a.rtp_port))
        alice.rtp.sendto(with_extension(rtp(2), RADIO, bytes(4)), (a.address, a.rtp_port))
        assert (await at.event("keep_alive_back")).port == "a"
        await at.event("keep_alive_lost")


async def test_keep_alives_are_sealed_with_their_extension_in_the_clear() -> None:
    async with exchange() as at:
        alice = SecurePhone(at.phone())
        await at.open("a")
        await at.do(alice.keys("a"), alice.phone.remote("a"))
        await at.do(c.SetExtension("a", 0, RADIO, "80010203", period_ms=20))
        sealed = await alice.phone.hear()
        assert sealed[12:20] == struct.pack("!HHI", RADIO, 1, 0x80010203)
        assert alice.opening.unprotect(sealed) == sealed[:20]


async def test_a_wrong_extension_is_refused() -> None:
    async with exchange() as at:
        await at.open("a")
        for wrong, told in (
            (c.SetExtension("a", 15, data="00"), "id 1 to 14"),
            (c.SetExtension("a", 1, data=""), "1 to 16 octets"),
            (c.SetExtension("a", 0, RADIO, "0000"), "a multiple of 4"),
            (c.SetExtension("a", 1, RADIO, "00"), "0xBEDE"),
            (c.SetExtension("a", 1, data="zz"), "hexadecimal"),
            (c.SetExtension("a", 1, data="00", period_ms=19), "20 to 10000 ms"),
            (c.SetExtension("a", 1, data="00", payload_type=128), "0 to 127"),
            (c.SetExtension("a", 1, data="00", timeout_ms=600_001), "0 to 600000 ms"),
            (c.SetExtension("a", 300, data="00"), "out of range"),
        ):
            with pytest.raises(MediaError, match=told) as refusal:
                await at.do(wrong)
            assert refusal.value.code == "media.argument"
