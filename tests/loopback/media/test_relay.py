"""The media engine relays: both ways, RTP and RTCP, IPv4 and IPv6, hold, and what it counts."""

from __future__ import annotations

import pytest

from tests.loopback.media.rtp_phone import exchange, receiver_report, rtp
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.embedded import MediaSettings


async def test_packets_pass_unchanged_in_both_directions() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.call(alice, bob)
        for _ in range(20):
            assert alice.speak(a) == await bob.hear()
            assert bob.speak(b) == await alice.hear()


async def test_bursts_pass_whole_and_in_order() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        for _ in range(10):  # each fits into the receive buffer that the system gives a socket
            packets = [alice.speak(a) for _ in range(150)]
            assert [await bob.hear() for _ in packets] == packets


async def test_strict_policy_relays_between_signalled_addresses() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, b = await at.call(alice, bob, "signalled")
        for _ in range(5):
            assert alice.speak(a) == await bob.hear()
            assert bob.speak(b) == await alice.hear()


@pytest.mark.parametrize("policy", ["nat", "signalled"])
async def test_ipv6_packets_pass(policy: c.Policy) -> None:
    async with exchange(MediaSettings(address6="::1")) as at:
        alice, bob = at.phone("::1"), at.phone()
        a = await at.open("a", family="ipv6")
        b = await at.open("b")
        assert (a.address, b.address) == ("::1", "127.0.0.1")
        await at.do(alice.remote("a", policy), bob.remote("b", policy), c.Link("a", "b"))
        for _ in range(3):
            assert alice.speak(a) == await bob.hear()
            assert bob.speak(b) == await alice.hear()


async def test_ports_of_different_workers_relay_to_each_other() -> None:
    async with exchange(MediaSettings(workers=2)) as at:
        alice, bob = at.phone(), at.phone()
        a, b = await at.open("a", "one"), await at.open("b", "other")
        assert abs(a.rtp_port - b.rtp_port) >= 8, "the second owner should have gone to the second worker"
        await at.do(alice.remote("a"), bob.remote("b"), c.Link("a", "b"))
        await alice.speak_until_heard(a, bob)
        await bob.speak_until_heard(b, alice)
        for _ in range(5):
            assert alice.speak(a) == await bob.hear()
            assert bob.speak(b) == await alice.hear()


@pytest.mark.rfc("3550", "11")
async def test_rtcp_passes_on_its_own_port() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, b = await at.open("a"), await at.open("b")
        await at.do(
            alice.remote("a", rtcp_port=alice.rtcp_port),
            bob.remote("b", rtcp_port=bob.rtcp_port),
            c.Link("a", "b"),
        )
        assert (a.rtp_port % 2, a.rtcp_port) == (0, a.rtp_port + 1)
        alice.rtcp.sendto(receiver_report(7), (a.address, a.rtcp_port))
        assert await bob.hear_rtcp() == receiver_report(7)
        bob.rtcp.sendto(receiver_report(8), (b.address, b.rtcp_port))
        assert await alice.hear_rtcp() == receiver_report(8)
        figures = await at.figures_when("a", lambda now: now.rtcp_out == 1)
        assert figures.rtcp_in == 1


@pytest.mark.rfc("5761", "4")
async def test_multiplexed_rtcp_goes_out_as_each_side_agreed() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(
            alice.remote("a", rtcp_mux=True), bob.remote("b", rtcp_port=bob.rtcp_port), c.Link("a", "b")
        )
        assert alice.speak(a) == await bob.hear()
        alice.rtp.sendto(receiver_report(7), (a.address, a.rtp_port))
        assert await bob.hear_rtcp() == receiver_report(7)
        bob.rtcp.sendto(receiver_report(8), (b.address, b.rtcp_port))
        assert await alice.hear() == receiver_report(8)


async def test_rtcp_of_another_host_is_dropped() -> None:
    async with exchange() as at:
        alice, bob, stranger = at.phone(), at.phone(), at.phone("127.0.0.9")
        a, _ = await at.call(alice, bob)
        await at.do(bob.remote("b", rtcp_port=bob.rtcp_port))
        stranger.rtcp.sendto(receiver_report(), (a.address, a.rtcp_port))
        figures = await at.figures_when("a", lambda now: now.foreign > 0)
        assert figures.rtcp_in == 0


@pytest.mark.rfc("3264", "8.4")
async def test_hold_stops_one_direction_and_resume_restores_it() -> None:
    async with exchange() as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.call(alice, bob)
        await at.do(c.SetDirection("a", send=False, receive=True))
        bob.speak(b)
        await at.figures_when("b", lambda now: now.packets_in == 1)
        assert alice.speak(a) == await bob.hear()
        await at.do(c.SetDirection("a", send=True, receive=False))
        alice.speak(a)
        assert bob.speak(b) == await alice.hear()
        await at.figures_when("a", lambda now: now.packets_in == 2)
        await at.do(c.SetDirection("a"))
        assert alice.speak(a) == await bob.hear()
        assert bob.speak(b) == await alice.hear()
        await at.figures_when("a", lambda now: now.packets_out == 2)


async def test_unlink_ends_both_directions_and_a_new_link_replaces_the_old() -> None:
    async with exchange() as at:
        alice, bob, carol = at.phone(ssrc=1), at.phone(ssrc=2), at.phone(ssrc=3)
        a, b = await at.call(alice, bob)
        d = await at.open("c")
        await at.do(carol.remote("c"), c.Link("a", "c"))
        bob.speak(b)
        assert carol.speak(d) == await alice.hear()
        assert alice.speak(a) == await carol.hear()
        await at.do(c.Unlink("c"))
        alice.speak(a)
        carol.speak(d)
        figures = await at.figures_when("a", lambda now: now.packets_in == 2)
        assert figures.packets_out == 1
        assert (await at.figures("b")).packets_out == 0


@pytest.mark.rfc("3550", "A.3")
async def test_figures_tell_packets_loss_ssrc_and_payload_type() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        for sequence in (65_534, 65_535, 2, 3):
            packet = rtp(sequence, ssrc=0xFEDCBA98, payload_type=8)
            alice.rtp.sendto(packet, (a.address, a.rtp_port))
            assert await bob.hear() == packet
        figures = await at.figures("a")
        assert (figures.packets_in, figures.bytes_in, figures.lost) == (4, 4 * 172, 2)
        assert (figures.ssrc, figures.payload_type) == (0xFEDCBA98, 8)
        assert figures.last_heard_s is not None
        assert figures.last_heard_s < 5
        sent = await at.figures_when("b", lambda now: now.packets_out == 4)
        assert (sent.packets_in, sent.bytes_out, sent.last_heard_s) == (0, 4 * 172, None)


async def test_datagrams_that_are_no_rtp_are_dropped_and_counted() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        for rubbish in (b"", b"\x80", b"\x40" * 40, b"\x80" * 11):
            alice.rtp.sendto(rubbish, (a.address, a.rtp_port))
        assert alice.speak(a) == await bob.hear()
        assert (await at.figures("a")).invalid == 4


async def test_a_wrong_address_family_is_refused() -> None:
    async with exchange() as at:
        await at.open("a")
        with pytest.raises(MediaError, match="not of the family") as refusal:
            await at.do(c.SetRemote("a", "::1", 4000))
        assert refusal.value.code == "media.argument"
