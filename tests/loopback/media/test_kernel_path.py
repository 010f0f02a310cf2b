"""Calls that need nothing but forwarding pass in the kernel, and come back the moment anything else is needed.

The exchange and the phones live in network namespaces of their own, two networks joined by the exchange alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.loopback.media.namespaces import Cable, cabled, ip, within
from tests.loopback.media.rtp_phone import DEADLINE_S, Exchange, Phone, key_press, rtp
from trunkline.media import commands as c
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings
from trunkline.media.events import DtmfReceived

PACKET_S = 0.02
NEAR = "10.91.0.1"
PHONES = ("10.91.0.2", "10.92.0.2")
NEAR6 = "fd91::1"
PHONES6 = ("fd91::2", "fd92::2")


@dataclass(frozen=True)
class Networks:
    """The exchange's namespace; ``filters`` whether the program hangs there as before Linux 6.6."""

    name: str
    filters: bool


@pytest.fixture(scope="module", params=[False, True], ids=["links", "filters"])
def networks(request: pytest.FixtureRequest) -> Iterator[Networks]:
    """Two networks and the exchange between them, for each way in which the program hangs there."""
    name = f"tlk{os.getpid()}"
    cables = [Cable(f"{name}a", NEAR, PHONES[0]), Cable(f"{name}b", "10.92.0.1", PHONES[1])]
    with cabled(name, cables):
        for number, (near, phone) in enumerate(((NEAR6, PHONES6[0]), ("fd92::1", PHONES6[1]))):
            far = cables[number].phones
            ip("-n", name, "address", "add", f"{near}/64", "dev", f"to{number}", "nodad")
            ip("-n", far, "address", "add", f"{phone}/64", "dev", "up0", "nodad")
            ip("-n", far, "-6", "route", "add", "default", "via", near)
        yield Networks(name, request.param)


class Talk:
    """A phone that sends a packet every 20 ms, and keeps what it hears."""

    def __init__(self, phone: Phone, to: c.PortOpened) -> None:
        self.phone, self.to = phone, to
        self.sent: list[bytes] = []
        self.heard: list[bytes] = []
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(phone.rtp, self._hear)
        self._speaking = asyncio.create_task(self._speak())

    async def _speak(self) -> None:
        while True:
            self.sent.append(self.phone.speak(self.to))
            await asyncio.sleep(PACKET_S)

    def _hear(self) -> None:
        self.heard.append(self.phone.rtp.recv(4096))
        self._news.set()

    async def until_heard(self, packet: bytes) -> None:
        """Wait for a packet."""
        async with asyncio.timeout(DEADLINE_S):
            while packet not in self.heard:
                self._news.clear()
                await self._news.wait()

    async def has_sent(self, packets: int) -> None:
        """Wait until so many packets were sent."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.sent) < packets:  # noqa: ASYNC110  (it counts what another task sends)
                await asyncio.sleep(PACKET_S)

    def silence(self) -> None:
        """Send nothing more."""
        self._speaking.cancel()

    def close(self) -> None:
        """Neither speak nor hear."""
        self.silence()
        asyncio.get_running_loop().remove_reader(self.phone.rtp)


class Line:
    """An exchange between two networks, with one call."""

    def __init__(self, at: Exchange, namespace: str) -> None:
        self.at, self.namespace = at, namespace
        self.talks: list[Talk] = []

    def phone(self, number: int, host: str = "", ssrc: int = 0) -> Phone:
        """A phone in the first or second network."""
        with within(f"{self.namespace}{'ab'[number]}"):
            return self.at.phone(host or PHONES[number], ssrc or number + 1)

    async def call(
        self, hosts: tuple[str, str] = PHONES, policy: c.Policy = "nat", **remote: object
    ) -> list[Talk]:
        """Both phones talk to each other."""
        phones = [self.phone(number, hosts[number]) for number in (0, 1)]
        family: c.Family = "ipv6" if ":" in hosts[0] else "ipv4"
        with within(self.namespace):
            ports = [await self.at.open(port, family=family) for port in "ab"]
        for port, phone in zip("ab", phones, strict=True):
            await self.at.do(phone.remote(port, policy, **remote))
        await self.at.do(c.Link("a", "b"))
        self.talks = [Talk(phone, port) for phone, port in zip(phones, ports, strict=True)]
        return self.talks

    async def in_kernel(self) -> None:
        """Wait until both directions pass there, and something has."""
        for port in "ab":
            await self.at.figures_when(port, lambda figures: figures.kernel)
        before = self.at.engine.snapshot().kernel_packets
        await self.until(lambda: self.at.engine.snapshot().kernel_packets > before)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a condition."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds():  # noqa: ASYNC110  (counters tell no event)
                await asyncio.sleep(0.01)

    async def all_heard(self) -> None:
        """Everything that was sent has been heard by the other one, once and in order."""
        a, b = self.talks
        for talk in self.talks:
            talk.silence()
        for talk, other in ((a, b), (b, a)):
            await other.until_heard(talk.sent[-1])
            assert other.heard == talk.sent


@asynccontextmanager
async def line(networks: Networks, first_port: int = 20_000) -> AsyncIterator[Line]:
    """A running engine in its namespace, with the kernel's help."""
    namespace = networks.name
    wanted = MediaSettings(
        NEAR,
        first_port=first_port,
        last_port=first_port + 99,
        address6=NEAR6,
        kernel=True,
        kernel_interfaces=("to0", "to1"),
        kernel_by_filters=networks.filters,
    )
    engine = EmbeddedMediaEngine(wanted)
    with within(namespace):
        await engine.start()
    assert engine.snapshot().kernel == "on: to0, to1"
    at = Exchange(engine)
    here = Line(at, namespace)
    try:
        yield here
    finally:
        for talk in here.talks:
            talk.close()
        for phone in at.phones:
            phone.close()
        with within(namespace):  # filters are taken off where they are
            await engine.stop()


@pytest.mark.parametrize("hosts", [PHONES, PHONES6])
@pytest.mark.parametrize("policy", ["nat", "signalled"])
async def test_both_directions_pass_in_the_kernel_unchanged(
    networks: Networks, hosts: tuple[str, str], policy: c.Policy
) -> None:
    async with line(networks) as here:
        await here.call(hosts, policy)
        await here.in_kernel()
        await here.all_heard()


async def test_figures_are_those_of_both_ways(networks: Networks) -> None:
    async with line(networks) as here:
        a, b = await here.call()
        await here.in_kernel()
        await here.all_heard()
        for port, talk, other in (("a", a, b), ("b", b, a)):
            figures = await here.at.figures(port)
            assert (figures.packets_in, figures.packets_out) == (len(talk.sent), len(other.sent))
            assert (figures.bytes_in, figures.bytes_out) == (172 * len(talk.sent), 172 * len(other.sent))
            assert (figures.lost, figures.foreign, figures.invalid) == (0, 0, 0)
            assert figures.kernel
            assert 0 < figures.kernel_packets < figures.packets_in
            assert figures.last_heard_s is not None
            assert figures.jitter_ms is not None
            assert figures.jitter_ms > 0
        figures_of_a = await here.at.figures("a")
        counters = here.at.engine.snapshot()
        assert counters.kernel_ports == 2
        last = (await here.at.engine.execute(c.ClosePort("a"))).statistics
        assert (last.packets_in, last.packets_out) == (len(a.sent), len(b.sent))
        assert (last.kernel, last.kernel_packets) == (False, figures_of_a.kernel_packets)
        assert here.at.engine.snapshot().kernel_ports == 0


async def test_losses_are_counted_there_too(networks: Networks) -> None:
    async with line(networks) as here:
        a, _ = await here.call()
        await here.in_kernel()
        a.phone.sequence += 7
        await here.at.figures_when("a", lambda figures: figures.lost == 7)
        assert (await here.at.figures("a")).kernel


@pytest.mark.rfc("4733", "2.5.1.4")
async def test_a_key_is_still_told(networks: Networks) -> None:
    async with line(networks) as here:
        a, b = await here.call(dtmf_payload_type=101)
        await here.in_kernel()
        a.silence()
        for step in range(1, 8):
            a.phone.sequence += 1
            press = key_press(
                5, 900_000, min(step, 5) * 160, end=step >= 5, sequence=a.phone.sequence, ssrc=1
            )
            a.phone.rtp.sendto(press, (a.to.address, a.to.rtp_port))
            a.sent.append(press)
        told = await here.at.event("dtmf")
        assert isinstance(told, DtmfReceived)
        assert (told.port, told.digit) == ("a", "5")
        assert (await here.at.figures("a")).kernel
        await b.until_heard(a.sent[-1])
        assert b.heard == a.sent


async def test_hold_holds_at_once(networks: Networks) -> None:
    async with line(networks) as here:
        a, b = await here.call()
        await here.in_kernel()
        await here.at.do(c.SetDirection("b", send=False, receive=True))
        first = len(a.sent)
        await a.has_sent(first + 6)
        b_sent = b.sent[-1]
        await a.until_heard(b_sent)
        assert not set(b.heard) & set(a.sent[first:])
        assert not (await here.at.figures("a")).kernel
        await here.at.do(c.SetDirection("b", send=True, receive=True))
        await here.in_kernel()


async def test_a_recording_takes_the_call_back_and_no_packet_is_lost(
    networks: Networks, tmp_path: Path
) -> None:
    async with line(networks) as here:
        a, b = await here.call()
        await here.in_kernel()
        await here.at.do(c.Record("a", "r", str(tmp_path / "r.wav"), other="b"))
        assert not (await here.at.figures("a")).kernel
        since = len(a.sent)
        await a.has_sent(since + 60)
        assert not (await here.at.figures("a")).kernel, "recorded calls stay in user space"
        await here.at.do(c.StopRecord("r"))
        ended = await here.at.event("recorded")
        assert ended.duration_ms >= 1000  # type: ignore[attr-defined]
        await here.in_kernel()
        await here.all_heard()
        assert (len(a.sent), len(b.sent)) == ((await here.at.figures("a")).packets_in, len(a.heard))


async def test_a_stranger_is_never_forwarded(networks: Networks) -> None:
    async with line(networks) as here:
        a, b = await here.call()
        await here.in_kernel()
        stranger = here.phone(0, ssrc=1)
        for sequence in range(20):
            stranger.rtp.sendto(rtp(sequence, 1, payload=b"\x55" * 160), (a.to.address, a.to.rtp_port))
        await here.at.figures_when("a", lambda figures: figures.foreign == 20)
        await here.all_heard()
        assert not [packet for packet in b.heard if packet.endswith(b"\x55" * 160)]


async def test_what_the_kernel_does_not_know_goes_by_user_space(networks: Networks) -> None:
    async with line(networks) as here:
        a, b = await here.call()
        await here.in_kernel()
        for other in (
            rtp(9000, ssrc=77),
            rtp(a.phone.sequence + 1, ssrc=1, payload_type=13, payload=b"\x40"),
        ):
            a.phone.rtp.sendto(other, (a.to.address, a.to.rtp_port))
            await b.until_heard(other)
        a.phone.rtp.sendto(b"no RTP at all", (a.to.address, a.to.rtp_port))
        await here.at.figures_when("a", lambda figures: figures.invalid == 1)


async def test_a_phone_that_moves_is_found_again(networks: Networks) -> None:
    async with line(networks) as here:
        a, b = await here.call()
        await here.in_kernel()
        moved = here.phone(0)
        await here.at.do(moved.remote("a"))
        assert not (await here.at.figures("a")).kernel
        a.close()
        moved.sequence = a.phone.sequence
        here.talks[0] = Talk(moved, a.to)
        await here.in_kernel()
        last = b.sent[-1]
        await here.talks[0].until_heard(last)


async def test_the_end_of_one_port_ends_the_other_direction(networks: Networks) -> None:
    async with line(networks) as here:
        a, b = await here.call()
        await here.in_kernel()
        await here.at.do(c.Unlink("b"))
        since = len(a.sent)
        await a.has_sent(since + 6)
        assert not set(b.heard) & set(a.sent[since:])


def tc(networks: Networks, *words: str) -> str:
    """What ``tc`` says of the exchange's interfaces."""
    ran = subprocess.run(["tc", "-n", networks.name, *words], check=True, capture_output=True, text=True)
    return ran.stdout


def programs_at(networks: Networks, interface: str) -> int:
    """How many filters of ours hang at the ingress of an interface."""
    return tc(networks, "filter", "show", "dev", interface, "ingress").count("forward direct-action")


CRASHING = """
import asyncio, sys
from trunkline.media import commands as c
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings

async def run(filters: bool, phones: list[str]) -> None:
    interfaces = ("to0", "to1")
    settings = MediaSettings(
        "10.91.0.1",
        first_port=20_000,
        last_port=20_099,
        kernel=True,
        kernel_interfaces=interfaces,
        kernel_by_filters=filters,
    )
    engine = EmbeddedMediaEngine(settings)
    await engine.start()
    for port, phone in zip("ab", phones, strict=True):
        host, _, number = phone.partition(":")
        opened = await engine.execute(c.OpenPort(port, "call"))
        await engine.execute(c.SetRemote(port, host, int(number)))
        print(opened.rtp_port, flush=True)
    await engine.execute(c.Link("a", "b"))
    while engine.snapshot().kernel_packets < 10:
        await asyncio.sleep(0.05)
    print("handed over", flush=True)
    await asyncio.sleep(60)

asyncio.run(run(sys.argv[1] == "filters", sys.argv[2:]))
"""


def crashing(phones: list[Phone], networks: Networks) -> subprocess.Popen[str]:
    """Another process with an engine of its own."""
    argv = ["ip", "netns", "exec", networks.name, sys.executable, "-c", CRASHING]
    argv.append("filters" if networks.filters else "links")
    argv += [f"{phone.host}:{phone.rtp_port}" for phone in phones]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


async def test_after_a_crash_nothing_is_forwarded_any_more(networks: Networks) -> None:
    phones = []
    for number in (0, 1):
        with within(f"{networks.name}{'ab'[number]}"):
            phones.append(Phone(PHONES[number], ssrc=number + 1))
    with crashing(phones, networks) as process:
        assert process.stdout is not None
        ports = [int(await asyncio.to_thread(process.stdout.readline)) for _ in phones]
        talks = [
            Talk(phone, c.PortOpened(str(port), NEAR, NEAR, port, port + 1))
            for phone, port in zip(phones, ports, strict=True)
        ]
        try:
            assert (await asyncio.to_thread(process.stdout.readline)).strip() == "handed over"
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
            a, b = talks
            if networks.filters:  # it hangs there still, until the next engine with these ports starts
                assert programs_at(networks, "to0") == 1
                async with line(networks):
                    assert programs_at(networks, "to0") == 1
                assert programs_at(networks, "to0") == 0
            first = len(a.sent)
            heard = len(b.heard)
            await a.has_sent(first + 10)
            assert not set(b.heard[heard:]) & set(a.sent[first:])
        finally:
            for talk in talks:
                talk.close()
                talk.phone.close()


async def test_two_engines_share_an_interface(networks: Networks) -> None:
    async with line(networks) as here, line(networks, 21_000) as there:
        await here.call()
        await there.call()
        await there.in_kernel()
        await here.in_kernel()
        await there.all_heard()
        await here.all_heard()


async def test_nothing_is_left_at_an_interface(networks: Networks) -> None:
    before = ip("-n", networks.name, "-d", "link", "show", "to0")
    async with line(networks):
        assert programs_at(networks, "to0") == (1 if networks.filters else 0)
    assert programs_at(networks, "to0") == 0
    assert ip("-n", networks.name, "-d", "link", "show", "to0") == before
    if not networks.filters:  # of these the discipline stays: others may use it
        assert "clsact" not in tc(networks, "qdisc", "show", "dev", "to0")


async def test_a_stranger_who_sends_much_does_not_end_it(networks: Networks) -> None:
    async with line(networks) as here:
        a, _ = await here.call()
        await here.in_kernel()
        stranger = here.phone(0, ssrc=99)
        burst = [rtp(sequence, 99) for sequence in range(30)]  # more than too many at each look, each second
        before = here.at.engine.snapshot().kernel_packets
        since = len(a.sent)
        while len(a.sent) < since + 150:
            for packet in burst:
                stranger.rtp.sendto(packet, (a.to.address, a.to.rtp_port))
            await asyncio.sleep(0.01)
            assert (await here.at.figures("a")).kernel, f"after {len(a.sent) - since} packets of the call"
        assert here.at.engine.snapshot().kernel_packets > before


@contextmanager
def narrow(networks: Networks) -> Iterator[None]:
    """The second network takes packets of 1000 octets at most."""
    try:
        _set_mtu(networks, 1000)
        yield
    finally:
        _set_mtu(networks, 1500)


def _set_mtu(networks: Networks, octets: int) -> None:
    for namespace, interface in ((networks.name, "to1"), (f"{networks.name}b", "up0")):
        ip("-n", namespace, "link", "set", interface, "mtu", str(octets))


async def arrives_whole(one: Talk, other: Talk) -> None:
    """A packet of 1212 octets."""
    large = rtp(one.phone.sequence + 1, ssrc=1, payload=b"\x55" * 1200)
    one.phone.rtp.sendto(large, (one.to.address, one.to.rtp_port))
    await other.until_heard(large)


async def test_what_is_too_large_for_the_next_network_goes_by_user_space(networks: Networks) -> None:
    with narrow(networks):
        async with line(networks) as here:
            a, b = await here.call()
            await here.in_kernel()
            await arrives_whole(a, b)


async def test_a_way_that_becomes_narrow_is_noticed(networks: Networks) -> None:
    async with line(networks) as here:
        a, b = await here.call()
        await here.in_kernel()
        with narrow(networks):
            await here.at.figures_when("a", lambda figures: not figures.kernel)
            await here.in_kernel()
            await arrives_whole(a, b)


async def test_a_route_to_nowhere_is_no_interface(networks: Networks) -> None:
    ip("-n", networks.name, "route", "add", "blackhole", "10.0.0.0/8")
    engine = EmbeddedMediaEngine(MediaSettings(NEAR, kernel=True, kernel_by_filters=networks.filters))
    try:
        with within(networks.name):
            await engine.start()
        assert engine.snapshot().kernel == "on: to0"
        await engine.stop()
    finally:
        ip("-n", networks.name, "route", "del", "blackhole", "10.0.0.0/8")


async def test_the_interface_of_the_address_is_found(networks: Networks) -> None:
    engine = EmbeddedMediaEngine(MediaSettings(NEAR, kernel=True, kernel_by_filters=networks.filters))
    with within(networks.name):
        await engine.start()
    assert engine.snapshot().kernel == "on: to0"
    await engine.stop()


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        (MediaSettings(), "off: not wanted"),
        (MediaSettings(kernel=True), "off: no interface but the loopback carries the media addresses"),
        (
            MediaSettings(kernel=True, kernel_interfaces=("nosuch0",)),
            "off: nosuch0: No such device (os error 19)",
        ),
    ],
)
async def test_the_engine_says_why_it_forwards_nothing_there(settings: MediaSettings, state: str) -> None:
    engine = EmbeddedMediaEngine(settings)
    await engine.start()
    assert engine.snapshot().kernel == state
    await engine.stop()
