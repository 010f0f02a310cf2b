"""RTCP reports: read where they pass, made where streams end, and what they say about quality."""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest

from tests.loopback.media.rtp_phone import exchange, rtp
from tests.loopback.media.secure_phone import SecurePhone
from trunkline.media import commands as c

MIDDLE = 0x1234_5678


class Section(NamedTuple):
    """A packet of a compound one: its type, and what comes behind the reporter's SSRC."""

    kind: int
    ssrc: int
    body: bytes


def sections(compound: bytes) -> list[Section]:
    """Takes a compound packet apart."""
    found = []
    while compound:
        _, kind, words, ssrc = struct.unpack("!BBHI", compound[:8])
        length = 4 * (words + 1)
        found.append(Section(kind, ssrc, compound[8:length]))
        compound = compound[length:]
    return found


def sender_report(ssrc: int, middle: int = MIDDLE) -> bytes:
    """A sender report without blocks."""
    return struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, middle << 16, 0, 1, 160)


def receiver_report(
    ssrc: int, about: int, middle: int, lost: int = 0, jitter: int = 0, delay: int = 0
) -> bytes:
    """A receiver report with one block."""
    block = struct.pack("!IIIIII", about, lost, 65_537, jitter, middle, delay)
    return struct.pack("!BBHI", 0x81, 201, 7, ssrc) + block


@pytest.mark.rfc("3550", "6.4.1")
async def test_reports_that_pass_tell_the_round_trip_and_what_the_peer_misses() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(
            alice.remote("a", rtcp_port=alice.rtcp_port),
            bob.remote("b", rtcp_port=bob.rtcp_port),
            c.Link("a", "b"),
        )
        for _ in range(10):
            assert alice.speak(a) == await bob.hear()
            assert bob.speak(b) == await alice.hear()
        before = await at.figures("b")
        assert (before.rtt_ms, before.remote_lost, before.remote_mos) == (None, None, None)
        alice.rtcp.sendto(sender_report(1), (a.address, a.rtcp_port))
        assert await bob.hear_rtcp() == sender_report(1)
        report = receiver_report(2, 1, MIDDLE, lost=5, jitter=80)
        bob.rtcp.sendto(report, (b.address, b.rtcp_port))
        assert await alice.hear_rtcp() == report
        figures = await at.figures("b")
        assert figures.rtt_ms is not None
        assert 0 <= figures.rtt_ms < 5000
        assert (figures.remote_lost, figures.remote_jitter_ms) == (5, 10.0)
        assert figures.mos is not None
        assert figures.remote_mos is not None
        # What both say of the same route; jitter is what the machine makes of it.
        assert figures.lost == 0
        assert figures.mos > figures.remote_mos
        assert figures.remote_mos < 2.5, "half of what bob was sent did not arrive"
        bob.rtcp.sendto(receiver_report(2, 1, 99), (b.address, b.rtcp_port))
        await at.figures_when("b", lambda now: now.remote_lost == 0)
        assert (await at.figures("b")).rtt_ms == figures.rtt_ms, "no sender report had that time"
        assert (await at.figures("a")).rtt_ms is None


@pytest.mark.rfc("3550", "6.4")
async def test_a_port_that_answers_itself_reports_what_it_sends_and_hears() -> None:
    async with exchange() as at:
        alice = at.phone(ssrc=77)
        a = await at.open("a")
        await at.do(alice.remote("a", rtcp_port=alice.rtcp_port), c.Echo("a"))
        for sequence in (65_533, 65_534, 65_535, 1, 2):
            alice.rtp.sendto(rtp(sequence, 77), (a.address, a.rtp_port))
        echoed = [await alice.hear() for _ in range(5)]
        alice.rtcp.sendto(sender_report(77), (a.address, a.rtcp_port))
        report, name, extended = sections(await alice.hear_rtcp())
        assert (report.kind, name.kind, extended.kind) == (200, 202, 207)
        assert report.ssrc == int.from_bytes(echoed[-1][8:12])
        _, middle, _, _, packets, octets = struct.unpack("!HIHIII", report.body[:20])
        assert (packets, octets) == (5, 800)
        about, lost, highest, _, answers, _ = struct.unpack("!IIIIII", report.body[20:])
        assert (about, lost & 0xFF_FFFF, lost >> 24, highest) == (77, 1, 256 // 6, 65_538)
        assert answers == MIDDLE
        assert name.body[0] == 1
        assert struct.unpack("!BBHI", extended.body[:8]) == (7, 0, 8, 77)
        alice.rtcp.sendto(receiver_report(77, report.ssrc, middle), (a.address, a.rtcp_port))
        assert (await at.figures_when("a", lambda now: now.rtt_ms is not None)).remote_lost == 0
        await at.do(c.ClosePort("a"))
        while (last := sections(await alice.hear_rtcp())[-1]).kind != 203:
            pass
        assert last.ssrc == report.ssrc


@pytest.mark.parametrize("muxed", [False, True])
async def test_reports_of_a_tone_are_sealed(muxed: bool) -> None:
    async with exchange() as at:
        alice = SecurePhone(at.phone())
        await at.open("a")
        remote = alice.phone.remote("a", rtcp_mux=muxed, rtcp_port=0 if muxed else alice.phone.rtcp_port)
        await at.do(alice.keys("a"), remote, c.Tone("a", 440.0))
        sealed = await alice.phone.hear()
        ssrc = int.from_bytes(sealed[8:12])
        while not 192 <= sealed[1] <= 223:
            sealed = await (alice.phone.hear() if muxed else alice.phone.hear_rtcp())
        report, name = sections(alice.opening.unprotect_rtcp(sealed))
        assert (report.kind, report.ssrc, name.kind, len(report.body)) == (200, ssrc, 202, 20)


async def test_a_port_that_relays_makes_no_reports() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, _ = await at.call(alice, bob)
        assert alice.speak(a) == await bob.hear()
        await at.do(c.Unlink("a"), c.ClosePort("b"))
        figures = (await at.engine.execute(c.ClosePort("a"))).statistics
        assert (figures.rtcp_out, figures.mos is None) == (0, False)
