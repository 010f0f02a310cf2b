"""The real rtpengine behind the face of the media engine: links, holds, transfers, conversion, keys, its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.loopback.media.rtp_phone import Exchange, Phone, free_range, key_press, receiver_report, rtp
from tests.peers.authority import Authority
from tests.peers.ports import free_ports
from tests.peers.rtpengine import RtpengineProcess
from trunkline.base.errors import MediaError, TransportError
from trunkline.media import commands as c
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings
from trunkline.media.engine import MediaEngine
from trunkline.media.events import DtmfReceived, EngineLost, MediaEvent, PortLatched
from trunkline.media.mixed import MixedEngine
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.instance import transport_to
from trunkline.media.ng.plan import ClusterPlan, InstancePlan

QUIET_S = 0.3
PCMU, PCMA = c.Format(0, "PCMU"), c.Format(8, "PCMA")


@asynccontextmanager
async def running(engine: MediaEngine) -> AsyncIterator[Exchange]:
    """An engine that is started, and stopped at the end."""
    await engine.start()
    at = Exchange(engine)
    try:
        yield at
    finally:
        await engine.stop()
        for phone in at.phones:
            phone.close()


def plan(*urls: str) -> ClusterPlan:
    """As patient as the product is at most: on a busy machine none is to be taken for dead."""
    return ClusterPlan(tuple(InstancePlan(url) for url in urls), timeout_s=10.0, ping_s=2.0)


def impatient(*urls: str) -> ClusterPlan:
    """Where one dies."""
    return replace(plan(*urls), timeout_s=1.0, ping_s=0.2)


@pytest.fixture
async def rtpengine(tmp_path: Path) -> AsyncIterator[RtpengineProcess]:
    async with RtpengineProcess(tmp_path, keys_at=f"127.0.0.1:{free_ports(1)}") as process:
        yield process


@pytest.fixture(params=["udp", "websocket"])
async def at(request: pytest.FixtureRequest, rtpengine: RtpengineProcess) -> AsyncIterator[Exchange]:
    async with running(RtpengineCluster(plan(getattr(rtpengine, request.param)))) as one:
        await up(one)
        yield one


async def up(at: Exchange, count: int = 1) -> None:
    """Wait until so many instances are up: a WebSocket needs a moment."""
    engine = at.engine
    assert isinstance(engine, RtpengineCluster | MixedEngine)
    async with asyncio.timeout(60):
        while sum(one.state == "up" for one in engine.states()) < count:  # noqa: ASYNC110  (no event tells it)
            await asyncio.sleep(0.02)


async def hears_nothing(phone: Phone) -> bool:
    """Whether no packet comes for a while; those under way before are let by."""
    try:
        async with asyncio.timeout(QUIET_S):
            await phone.hear()
    except TimeoutError:
        return True
    return False


async def talk(one: Phone, a: c.PortOpened, other: Phone, b: c.PortOpened) -> None:
    """Both hear each other."""
    for _ in range(5):
        assert one.speak(a) == await other.hear()
        assert other.speak(b) == await one.hear()


async def test_two_parties_hear_each_other(at: Exchange) -> None:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    a, b = await at.call(alice, bob)
    assert (a.rtp_port % 2, a.rtcp_port) == (0, a.rtp_port + 1)
    await talk(alice, a, bob, b)


async def test_commands_go_over_tls_to_a_server_that_is_trusted(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    async with RtpengineProcess(tmp_path, tls=authority.issue("127.0.0.1")) as process:
        trusting = replace(plan(process.secure), ca=str(authority.ca))
        async with running(RtpengineCluster(trusting)) as at:
            await up(at)
            alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
            a, b = await at.call(alice, bob)
            await talk(alice, a, bob, b)
        for ca in ("", str(stranger.ca)):
            way = transport_to(process.secure, ca)
            await way.start()
            with pytest.raises(TransportError, match="its certificate is not trusted"):
                await way.ask({"command": "ping"}, 20.0)
            await way.stop()


async def test_a_certificate_of_another_host_is_not_taken(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    async with RtpengineProcess(tmp_path, tls=authority.issue("media.example.com")) as process:
        way = transport_to(process.secure, str(authority.ca))
        await way.start()
        with pytest.raises(TransportError, match="IP address mismatch"):
            await way.ask({"command": "ping"}, 20.0)
        await way.stop()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_cannot_be_used_is_told(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(MediaError, match=r"media\.rtpengine\.ca") as refused:
        transport_to("wss://127.0.0.1:2226", str(file))
    assert refused.value.code == "media.config"


async def test_a_held_party_hears_nothing_and_rtcp_goes_on(at: Exchange) -> None:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    a, b = await at.open("a"), await at.open("b")
    await at.do(alice.remote("a", rtcp_port=alice.rtcp_port), bob.remote("b", rtcp_port=bob.rtcp_port))
    await at.do(c.Link("a", "b"))
    await talk(alice, a, bob, b)
    await at.do(c.SetDirection("a", send=False))
    bob.speak(b)
    alice.speak(a)
    assert await bob.hear()
    bob.rtcp.sendto(receiver_report(2), (b.address, b.rtcp_port))
    assert await alice.hear_rtcp()
    assert await hears_nothing(alice)
    await at.do(c.SetDirection("a"))
    await talk(alice, a, bob, b)


async def test_a_party_behind_nat_is_learnt(at: Exchange) -> None:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    a, b = await at.open("a"), await at.open("b")
    elsewhere = replace(alice.remote("a"), rtp_port=9)
    await at.do(elsewhere, bob.remote("b"), c.Link("a", "b"))
    await alice.speak_until_heard(a, bob)
    await bob.speak_until_heard(b, alice)


async def test_with_the_strict_policy_a_stranger_is_not_heard(at: Exchange) -> None:
    alice, bob, mallory = at.phone(ssrc=1), at.phone(ssrc=2), at.phone(ssrc=3)
    a, b = await at.call(alice, bob, "signalled")
    await talk(alice, a, bob, b)
    for _ in range(5):
        mallory.speak(a)
    assert await hears_nothing(bob)
    await talk(alice, a, bob, b)


async def test_a_party_moves_and_keeps_its_port(at: Exchange) -> None:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    a, b = await at.call(alice, bob)
    await talk(alice, a, bob, b)
    again = at.phone(ssrc=4)
    await at.do(again.remote("a"), c.Link("a", "b"))
    await talk(again, a, bob, b)


async def test_the_winner_of_a_fork_is_heard_alone(at: Exchange) -> None:
    alice, bob, carol = at.phone(ssrc=1), at.phone(ssrc=2), at.phone(ssrc=3)
    a, b = await at.call(alice, bob)
    await talk(alice, a, bob, b)  # early media
    third = await at.open("c")
    await at.do(carol.remote("c"), c.Link("a", "c"))
    await talk(alice, a, carol, third)
    bob.speak(b)
    assert await hears_nothing(alice)
    await at.do(c.ClosePort("b"))
    await talk(alice, a, carol, third)


async def test_a_transfer_links_those_who_stay(at: Exchange) -> None:
    alice, bob, carol = at.phone(ssrc=1), at.phone(ssrc=2), at.phone(ssrc=3)
    a, b = await at.call(alice, bob)
    third = await at.open("c")
    await at.do(carol.remote("c"), c.Link("b", "c"))
    await talk(bob, b, carol, third)
    alice.speak(a)
    assert await hears_nothing(bob)
    await at.do(c.Link("a", "b"))
    await talk(alice, a, bob, b)
    carol.speak(third)
    assert await hears_nothing(bob)


async def test_an_unlinked_port_is_silent(at: Exchange) -> None:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    a, b = await at.call(alice, bob)
    await talk(alice, a, bob, b)
    await at.do(c.Unlink("a"))
    alice.speak(a)
    bob.speak(b)
    assert await hears_nothing(bob)
    assert await hears_nothing(alice)


async def test_codecs_are_converted(at: Exchange) -> None:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    a, b = await at.open("a"), await at.open("b")
    await at.do(alice.remote("a"), bob.remote("b"))
    await at.do(c.SetFormats("a", [PCMU], PCMU), c.SetFormats("b", [PCMA], PCMA))
    await at.do(c.Link("a", "b", convert=True))
    for _ in range(5):
        alice.rtp.sendto(rtp(alice.sequence, 1, 0, b"\x20" * 160), (a.address, a.rtp_port))
        alice.sequence += 1
        bob.rtp.sendto(rtp(bob.sequence, 2, 8, b"\x20" * 160), (b.address, b.rtp_port))
        bob.sequence += 1
    heard_by_bob, heard_by_alice = await bob.hear(), await alice.hear()
    assert heard_by_bob[1] & 127 == 8
    assert heard_by_alice[1] & 127 == 0
    assert heard_by_bob[12:] != b"\x20" * 160


async def test_fax_datagrams_pass_as_they_are(at: Exchange) -> None:
    alice, bob = at.phone(), at.phone()
    a, b = await at.call(alice, bob)
    await talk(alice, a, bob, b)
    await at.do(alice.remote("a", opaque=True), bob.remote("b", opaque=True), c.Link("a", "b"))
    alice.rtp.sendto(b"\x00\x01\x06fax", (a.address, a.rtp_port))
    assert await bob.hear() == b"\x00\x01\x06fax"


async def test_rtcp_comes_by_the_rtp_port_where_that_was_agreed(at: Exchange) -> None:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    a, b = await at.open("a"), await at.open("b")
    await at.do(alice.remote("a", rtcp_mux=True), bob.remote("b", rtcp_port=bob.rtcp_port), c.Link("a", "b"))
    await talk(alice, a, bob, b)
    alice.rtp.sendto(receiver_report(1), (a.address, a.rtp_port))
    assert await bob.hear_rtcp()
    bob.rtcp.sendto(receiver_report(2), (b.address, b.rtcp_port))
    assert (await alice.hear())[1] == 201


async def test_what_was_counted_is_told_at_the_end(at: Exchange) -> None:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    a, b = await at.call(alice, bob)
    await talk(alice, a, bob, b)
    for port in ("a", "b"):
        await at.figures_when(port, lambda now: (now.packets_in, now.packets_out) == (5, 5))
    closed = await at.engine.execute(c.CloseOwner("call"))
    assert [(one.port, one.packets_in, one.packets_out) for one in closed.statistics] == [
        ("a", 5, 5),
        ("b", 5, 5),
    ]
    assert at.engine.snapshot().ports_open == 0
    with pytest.raises(MediaError) as refused:
        await at.figures("a")
    assert refused.value.code == "media.unknown_port"


@pytest.mark.parametrize(
    "command",
    [
        c.SetKeys("a", "AES_CM_128_HMAC_SHA1_80", "k", "k"),
        c.Echo("a"),
        c.Tone("a", 440.0),
        c.OpenRoom("r", "call"),
    ],
    ids=lambda command: command.kind,
)
async def test_what_it_cannot_do_is_refused(at: Exchange, command: c.Command[c.Reply]) -> None:
    await at.open("a")
    with pytest.raises(MediaError, match="rtpengine cannot do this") as refused:
        await at.engine.execute(command)
    assert refused.value.code == "media.not_with_rtpengine"


async def test_an_address_family_that_it_has_not_is_refused(at: Exchange) -> None:
    with pytest.raises(MediaError) as refused:
        await at.open("a", family="ipv6")
    assert refused.value.code == "media.family"


async def test_keys_are_told_and_sent(tmp_path: Path) -> None:
    keys_at = ("127.0.0.1", free_ports(1))
    async with (
        RtpengineProcess(tmp_path, keys_at=f"{keys_at[0]}:{keys_at[1]}") as process,
        running(RtpengineCluster(replace(plan(process.udp), keys_at=keys_at))) as at,
    ):
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.open("a"), await at.open("b")
        await at.do(alice.remote("a", dtmf_payload_type=101), bob.remote("b", dtmf_payload_type=101))
        await at.do(c.Link("a", "b"))
        await talk(alice, a, bob, b)
        for number, end in enumerate((False, False, True, True, True)):
            packet = key_press(5, 4000, 160 * (number + 1), end=end, sequence=900 + number)
            alice.rtp.sendto(packet, (a.address, a.rtp_port))
            assert await bob.hear() == packet
        event = await at.event("dtmf")
        assert isinstance(event, DtmfReceived)
        assert (event.port, event.digit) == ("a", "5")
        await at.do(c.SendDigits("b", "7", 101, 100))
        sent = asyncio.ensure_future(at.event("digits_sent"))
        heard: list[bytes] = []
        while not (sent.done() and any(packet[1] & 127 == 101 for packet in heard)):
            alice.speak(a)  # it sends keys in the stream of the party across
            heard.append(await bob.hear())
            await asyncio.sleep(0.02)
        assert {packet[12] for packet in heard if packet[1] & 127 == 101} == {7}
        assert at.waiting_events("dtmf") == [], "what we sent is told as if it had been pressed"


async def test_a_source_that_was_learnt_and_silence_are_told(rtpengine: RtpengineProcess) -> None:
    async with running(RtpengineCluster(replace(plan(rtpengine.udp), inactivity_s=2.0))) as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, _ = await at.open("a"), await at.open("b")
        await at.do(replace(alice.remote("a"), rtp_port=9), bob.remote("b"), c.Link("a", "b"))
        await alice.speak_until_heard(a, bob)
        latched = await at.event("latched")
        assert isinstance(latched, PortLatched)
        assert (latched.port, latched.source_port) == ("a", alice.rtp_port)
        assert (await at.event("inactive")).owner == "call"


async def test_a_call_is_found_again_after_our_restart(rtpengine: RtpengineProcess) -> None:
    before = RtpengineCluster(plan(rtpengine.udp))
    await before.start()
    for port in ("a", "b"):
        await before.execute(c.OpenPort(port, "call"))
    async with running(RtpengineCluster(plan(rtpengine.udp))) as at:
        opened = [
            await at.engine.execute(c.OpenPort(port, "call", rtp_port=await _port_of(before, port)))
            for port in ("a", "b")
        ]
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        await at.do(alice.remote("a"), bob.remote("b"), c.Link("a", "b"))
        await talk(alice, opened[0], bob, opened[1])
        for port, owner in (("c", "call"), ("d", "forgotten")):
            anew = await at.engine.execute(c.OpenPort(port, owner, rtp_port=opened[0].rtp_port))
            assert anew.rtp_port not in {one.rtp_port for one in opened}, "it was not there"
    await before.stop()


async def _port_of(engine: RtpengineCluster, port: str) -> int:
    return engine._ports[port].local.rtp_port


# Two of them


async def test_new_calls_go_elsewhere_when_one_dies(tmp_path: Path) -> None:
    async with (
        RtpengineProcess(tmp_path, "one") as one,
        RtpengineProcess(tmp_path, "two") as two,
        running(RtpengineCluster(impatient(one.udp, two.websocket))) as at,
    ):
        await up(at, 2)
        where = {}
        for owner in ("first", "second"):
            opened = await at.open(f"{owner}-a", owner)
            where[owner] = one if opened.rtp_port in one.media_ports else two
            assert opened.rtp_port in where[owner].media_ports
            beside = await at.open(f"{owner}-b", owner)
            assert beside.rtp_port in where[owner].media_ports, "a call stays with its instance"
        assert where["first"] is not where["second"], "the load is shared"
        dead, alive = where["first"], where["second"]
        await dead.kill()
        opened = await at.open("third-a", "third")
        assert opened.rtp_port in alive.media_ports
        lost = await at.event("engine_lost")
        assert isinstance(lost, EngineLost)
        assert (lost.owner, lost.instance) == ("first", dead.udp if dead is one else dead.websocket)
        with pytest.raises(MediaError) as refused:
            await at.do(c.ReadStatistics("first-a"))
        assert refused.value.code == "media.engine_lost"
        await at.engine.execute(c.CloseOwner("first"))
        await dead.start()
        await up(at, 2)
        fourth = await at.open("fourth-a", "fourth")
        assert fourth.rtp_port in dead.media_ports


async def test_a_call_that_is_forgotten_is_told(tmp_path: Path) -> None:
    async with RtpengineProcess(tmp_path) as process, running(RtpengineCluster(impatient(process.udp))) as at:
        at_once: asyncio.Queue[MediaEvent] = asyncio.Queue()
        at.engine.subscribe(at_once.put_nowait, "call")
        await at.open("a")
        await process.kill()
        await process.start()
        async with asyncio.timeout(60):
            event = await at_once.get()
        assert isinstance(event, EngineLost)


async def test_without_any_calls_are_refused(tmp_path: Path) -> None:
    nowhere = f"udp:127.0.0.1:{free_ports(1)}"
    async with running(RtpengineCluster(plan(nowhere))) as at:
        with pytest.raises(MediaError, match="no rtpengine is up") as refused:
            await at.open("a")
        assert refused.value.code == "media.no_engine"
        assert at.engine.snapshot().ports_free == 0


# With the engine of this process beside it


@asynccontextmanager
async def mixed(process: RtpengineProcess) -> AsyncIterator[Exchange]:
    first, last = free_range()
    here = EmbeddedMediaEngine(MediaSettings(first_port=first, last_port=last))
    async with running(MixedEngine(here, RtpengineCluster(plan(process.udp)))) as at:
        yield at


async def test_a_party_that_talks_to_us_and_one_that_is_relayed_are_joined(
    rtpengine: RtpengineProcess,
) -> None:
    async with mixed(rtpengine) as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a = await at.engine.execute(c.OpenPort("a", "call", here=True))
        b = await at.open("b")
        assert a.rtp_port not in rtpengine.media_ports
        assert b.rtp_port in rtpengine.media_ports
        await at.do(alice.remote("a"), bob.remote("b"), c.Link("a", "b"))
        await talk(alice, a, bob, b)
        closed = await at.engine.execute(c.CloseOwner("call"))
        assert {one.port for one in closed.statistics} == {"a", "b"}
        assert at.engine.snapshot().ports_open == 0


async def test_a_relayed_call_is_recorded_here(rtpengine: RtpengineProcess, tmp_path: Path) -> None:
    async with mixed(rtpengine) as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.call(alice, bob)
        await talk(alice, a, bob, b)
        await at.do(c.Record("a", "r", str(tmp_path / "call.wav"), other="b", channels="stereo"))
        for _ in range(3):
            await alice.speak_until_heard(a, bob)
            await bob.speak_until_heard(b, alice)
        await at.do(c.StopRecord("r"))
        event = await at.event("recorded")
        assert event.port == "a"
        assert (tmp_path / "call.wav").stat().st_size > 1000


async def test_parties_that_are_converted_between_are_so_while_they_are_recorded(
    rtpengine: RtpengineProcess, tmp_path: Path
) -> None:
    async with mixed(rtpengine) as at:
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, _ = await at.open("a"), await at.open("b")
        await at.do(alice.remote("a"), bob.remote("b"))
        await at.do(c.SetFormats("a", [PCMU], PCMU), c.SetFormats("b", [PCMA], PCMA))
        await at.do(c.Link("a", "b", convert=True))
        await at.do(c.Record("a", "r", str(tmp_path / "call.wav"), other="b"))
        heard = asyncio.ensure_future(bob.hear())
        while not (await asyncio.wait([heard], timeout=0.02))[0]:
            alice.speak(a)
        assert (await heard)[1] & 127 == 8


async def test_a_relayed_party_is_echoed_here(rtpengine: RtpengineProcess) -> None:
    async with mixed(rtpengine) as at:
        alice = at.phone(ssrc=1)
        a = await at.open("a")
        await at.do(alice.remote("a"), c.Echo("a"))
        heard = asyncio.ensure_future(alice.hear())
        while not (await asyncio.wait([heard], timeout=0.02))[0]:
            alice.speak(a)
        assert len(await heard) == 172


async def test_a_call_that_is_drained_goes_on_at_the_other_and_is_heard_by_both_meanwhile(
    tmp_path: Path,
) -> None:
    async with (
        RtpengineProcess(tmp_path, "one") as one,
        RtpengineProcess(tmp_path, "two") as two,
        running(RtpengineCluster(plan(one.udp, two.websocket))) as at,
    ):
        await up(at, 2)
        cluster = at.engine
        assert isinstance(cluster, RtpengineCluster)
        alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
        a, b = await at.call(alice, bob)
        await talk(alice, a, bob, b)
        before, after = (one, two) if a.rtp_port in one.media_ports else (two, one)
        name = cluster.states()[0 if before is one else 1].name
        cluster.drain(name, move=True)
        assert (await at.event("engine_leaving")).owner == "call"
        moved = await cluster.execute(c.MoveOwner("call"))
        assert [port.rtp_port in after.media_ports for port in moved.ports] == [True, True]
        new_a, new_b = moved.ports
        # Whoever has not been told yet is still heard by who has not, and whoever has by who has.
        await talk(alice, a, bob, b)
        await talk(alice, new_a, bob, new_b)
        statistics = (await cluster.execute(c.ReadStatistics("a"))).statistics
        assert statistics.packets_in == 10, "those that came to the old place late are not told"


async def test_what_a_process_that_died_has_left_is_deleted(tmp_path: Path) -> None:
    async with RtpengineProcess(tmp_path) as process:
        ours = replace(plan(process.udp), mark="ours")
        async with (
            running(RtpengineCluster(ours)) as dead,
            running(RtpengineCluster(plan(process.udp))) as theirs,
        ):
            kept = await dead.open("kept-a", "kept")
            await dead.open("gone-a", "gone")
            await theirs.open("theirs-a", "theirs")
            async with running(RtpengineCluster(ours)) as again:
                await again.engine.execute(c.OpenPort("kept-a", "kept", rtp_port=kept.rtp_port))
                await again.engine.execute(c.CloseStrays())
                await again.do(c.ReadStatistics("kept-a"))
            await theirs.do(c.ReadStatistics("theirs-a"))
            with pytest.raises(MediaError, match="Unknown call-id"):
                await dead.do(c.ReadStatistics("gone-a"))


async def test_a_port_that_is_closed_leaves_the_one_that_it_was_linked_with(at: Exchange) -> None:
    alice, bob, carol = at.phone(ssrc=1), at.phone(ssrc=2), at.phone(ssrc=3)
    a, b = await at.call(alice, bob)
    await talk(alice, a, bob, b)
    closed = await at.engine.execute(c.ClosePort("a"))
    assert closed.statistics.packets_in == 5
    third = await at.open("c")
    await at.do(carol.remote("c"), c.Link("b", "c"))
    await talk(carol, third, bob, b)
    alice.speak(a)
    assert await hears_nothing(bob)
