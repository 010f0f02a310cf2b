"""Sound that begins and ends at ports with keys: conversion, rooms, and their own reports, by libsrtp."""

from __future__ import annotations

import struct

import pytest

from tests.loopback.media.codecs import PCMA, PCMU, formats, mu_law
from tests.loopback.media.rtp_phone import Exchange, exchange, strength
from tests.loopback.media.secure_phone import SecurePhone
from tests.loopback.media.sound import linear, measure_until, sine
from trunkline.media import commands as c

SUITES = ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"]


class Party:
    """A phone that says a tone in its codec, sealed where it has keys."""

    def __init__(self, at: Exchange, payload_type: int, hz: float, suite: str) -> None:
        self.phone = at.phone(ssrc=payload_type + 70)
        self.secure = SecurePhone(self.phone, suite) if suite else None
        octets = mu_law(sine(hz, 1.0))
        if payload_type == 8:
            octets = bytes(_A_LAW[linear(octet, 0)] for octet in octets)
        self.said = [octets[at : at + 160] for at in range(0, len(octets), 160)]
        self.payload_type = payload_type
        self.sequence = 65_530

    def commands(self, port: str) -> list[c.Command[c.Reply]]:
        """Its description."""
        keys = [self.secure.keys(port)] if self.secure else []
        remote = self.phone.remote(port, rtcp_port=self.phone.rtcp_port)
        return [*keys, remote, formats(port, PCMA if self.payload_type else PCMU)]

    def say(self, to: c.PortOpened) -> None:
        """The next 20 ms."""
        number, self.sequence = self.sequence, self.sequence + 1
        stamp = number * 160
        packet = struct.pack("!BBHII", 0x80, self.payload_type, number % 65_536, stamp, self.phone.ssrc)
        packet += self.said[number % 50]
        packet = self.secure.sealing.protect(packet) if self.secure else packet
        self.phone.rtp.sendto(packet, (to.address, to.rtp_port))

    async def hear(self) -> list[int]:
        """The next packet as samples."""
        packet = await self.phone.hear()
        packet = self.secure.opening.unprotect(packet) if self.secure else packet
        assert packet[1] & 0x7F == self.payload_type
        return [linear(octet, self.payload_type) for octet in packet[12:]]

    async def report(self) -> bytes:
        """The next report of the port."""
        report = await self.phone.hear_rtcp()
        return self.secure.opening.unprotect_rtcp(report) if self.secure else report


_A_LEVELS = {linear(octet, 8): octet for octet in range(256)}
_A_LAW = {
    level: _A_LEVELS[min(_A_LEVELS, key=lambda near: abs(near - level))]
    for level in {linear(octet, 0) for octet in range(256)}
}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("sides", ["left", "right", "both"])
async def test_a_conversion_passes_between_keys(sides: str, suite: str) -> None:
    async with exchange() as at:
        alice = Party(at, 0, 600.0, suite if sides != "right" else "")
        bob = Party(at, 8, 1400.0, suite if sides != "left" else "")
        a, b = await at.open("a"), await at.open("b")
        await at.do(*alice.commands("a"), *bob.commands("b"), c.Link("a", "b", convert=True))
        heard: dict[float, list[int]] = {600.0: [], 1400.0: []}
        for _ in range(40):
            alice.say(a)
            heard[600.0] += await bob.hear()
            bob.say(b)
            heard[1400.0] += await alice.hear()
        for hz, samples in heard.items():
            assert strength(samples[800:], hz) == pytest.approx(-10.0, abs=1.0)
        for port in ("a", "b"):
            figures = await at.figures_when(port, lambda now: now.packets_out == 40)
            assert (figures.refused, figures.lost, figures.packets_in) == (0, 0, 40)
        for party in (alice, bob):
            report = await party.report()
            assert (report[1], int.from_bytes(report[28:32])) == (200, party.phone.ssrc)


@pytest.mark.parametrize("suite", SUITES)
async def test_members_of_a_room_are_heard_with_keys_and_without(suite: str) -> None:
    async with exchange() as at:
        alice, bob = Party(at, 0, 600.0, suite), Party(at, 8, 1400.0, "")
        a, b = await at.open("a"), await at.open("b")
        await at.do(
            c.OpenRoom("room", "meeting"), *alice.commands("a"), *bob.commands("b"), c.Join("a", "room"),
            c.Join("b", "room"),
        )  # fmt: skip

        async def levels() -> list[float]:
            """Of the other's tone, and of one's own, for each of them."""
            heard: dict[float, list[int]] = {600.0: [], 1400.0: []}
            for _ in range(40):
                alice.say(a)
                bob.say(b)
                heard[1400.0] += await alice.hear()
                heard[600.0] += await bob.hear()
            tones = [(hz, tone) for hz in heard for tone in (hz, 2000.0 - hz)]
            return [strength(heard[hz][-4800:], tone) for hz, tone in tones]

        def are_right(measured: list[float]) -> bool:
            return all(abs(one + 10.0) <= 2.0 for one in measured[::2]) and max(measured[1::2]) < -35

        await measure_until(levels, are_right)
        assert (await at.figures("a")).refused == 0
        report = await alice.report()
        assert (report[1], int.from_bytes(report[28:32])) == (200, alice.phone.ssrc)


async def test_a_room_hears_and_tells_nobody_who_has_no_keys_yet() -> None:
    async with exchange() as at:
        alice, bob = Party(at, 0, 600.0, ""), Party(at, 8, 1400.0, "")
        secure = SecurePhone(alice.phone)
        a, b = await at.open("a"), await at.open("b")
        await at.do(c.OpenRoom("room", "meeting"), secure.keys("a"), *alice.commands("a"), *bob.commands("b"))
        await at.do(c.Join("a", "room"), c.Join("b", "room"))
        samples: list[int] = []
        for _ in range(40):
            alice.say(a)  # in the clear
            bob.say(b)
            samples += await bob.hear()
        assert strength(samples[-3200:], 600.0) < -40
        await at.figures_when("a", lambda now: now.refused == 40)
        await secure.hear()  # what it is told is sealed
