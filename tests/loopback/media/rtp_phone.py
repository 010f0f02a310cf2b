"""A telephone's media side for tests of the media engine: RTP packets over a real socket."""

from __future__ import annotations

import asyncio
import math
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from tests.peers.ports import free_ports
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings
from trunkline.media.engine import MediaEngine
from trunkline.media.events import MediaEvent
from trunkline.media.statistics import PortStatistics

DEADLINE_S = 60.0
PAIRS = 8


def rtp(sequence: int, ssrc: int = 1, payload_type: int = 0, payload: bytes = b"\xff" * 160) -> bytes:
    """An RTP packet whose timestamp fits 20 ms of 8000 Hz for each sequence number."""
    timestamp = sequence * 160 & 0xFFFF_FFFF
    return struct.pack("!BBHII", 0x80, payload_type, sequence & 0xFFFF, timestamp, ssrc) + payload


def receiver_report(ssrc: int = 1) -> bytes:
    """An RTCP receiver report without blocks."""
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


def key_press(event: int, timestamp: int, duration: int, *, end: bool, sequence: int, ssrc: int = 1) -> bytes:
    """A telephone-event packet of payload type 101 (RFC 4733 §2.3)."""
    header = struct.pack("!BBHII", 0x80, 101, sequence, timestamp, ssrc)
    return header + struct.pack("!BBH", event, 0x80 if end else 0, duration)


def strength(samples: list[int], frequency_hz: float, rate_hz: float = 8000.0) -> float:
    """The level in dBov of one frequency in linear samples (Goertzel)."""
    step = 2 * math.cos(2 * math.pi * frequency_hz / rate_hz)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample / 32768 + step * last - before
    power = last**2 + before**2 - step * last * before
    return 10 * math.log10(max(2 * power / len(samples) ** 2, 1e-12))


class Phone:
    """One side of a call: RTP and, on demand, RTCP from sockets of its own."""

    def __init__(self, host: str = "127.0.0.1", ssrc: int = 1) -> None:
        self.host = host
        self.ssrc = ssrc
        self.sequence = random.randrange(1000)  # noqa: S311  (any start will do)
        self.rtp, self.rtcp = _bound(host), _bound(host)

    @property
    def rtp_port(self) -> int:
        """Where the phone hears RTP."""
        return int(self.rtp.getsockname()[1])

    @property
    def rtcp_port(self) -> int:
        """Where the phone hears RTCP."""
        return int(self.rtcp.getsockname()[1])

    def remote(self, port: str, policy: c.Policy = "nat", **other: Any) -> c.SetRemote:
        """The command that tells the engine this phone's offer or answer."""
        return replace(c.SetRemote(port, self.host, self.rtp_port, policy=policy), **other)

    def speak(self, to: c.PortOpened) -> bytes:
        """Send the next packet; returns it."""
        self.sequence += 1
        packet = rtp(self.sequence, self.ssrc)
        self.rtp.sendto(packet, (to.address, to.rtp_port))
        return packet

    async def speak_until_heard(self, to: c.PortOpened, listener: Phone) -> None:
        """Send every 20 ms until one packet has come through, and let those behind it be heard too."""
        await repeat_until_heard(lambda: self.speak(to), listener.hear)

    async def hear(self) -> bytes:
        """The next RTP packet."""
        return await _receive(self.rtp)

    async def hear_rtcp(self) -> bytes:
        """The next RTCP packet."""
        return await _receive(self.rtcp)

    def close(self) -> None:
        """Close both sockets."""
        self.rtp.close()
        self.rtcp.close()


async def repeat_until_heard(speak: Callable[[], bytes], hear: Callable[[], Awaitable[bytes]]) -> None:
    """Speak every 20 ms until one packet has come through, and let those behind it be heard too."""
    heard = asyncio.ensure_future(hear())
    last = speak()
    while not (await asyncio.wait([heard], timeout=0.02))[0]:
        last = speak()
    packet = await heard
    while packet != last:
        packet = await hear()


def _bound(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((host, 0))
    return sock


async def _receive(sock: socket.socket) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        return await asyncio.get_running_loop().sock_recv(sock, 4096)


def free_range(pairs: int = PAIRS) -> tuple[int, int]:
    """First and last port of a range that nobody uses, below the ports that the system hands out."""
    first = free_ports(2 * pairs, "")
    return first, first + 2 * pairs - 1


class Exchange:
    """An engine, the phones that use it, and the events it told."""

    def __init__(self, engine: MediaEngine) -> None:
        self.engine = engine
        self.phones: list[Phone] = []
        self._events: asyncio.Queue[MediaEvent] = asyncio.Queue()
        engine.subscribe(self._events.put_nowait)

    def phone(self, host: str = "127.0.0.1", ssrc: int = 1) -> Phone:
        """A new phone."""
        self.phones.append(Phone(host, ssrc))
        return self.phones[-1]

    async def open(self, port: str, owner: str = "call", family: c.Family = "ipv4") -> c.PortOpened:
        """Open a port."""
        return await self.engine.execute(c.OpenPort(port, owner, family))

    async def do(self, *commands: c.Command[c.Reply]) -> None:
        """Carry out several commands."""
        for command in commands:
            await self.engine.execute(command)

    async def figures(self, port: str) -> PortStatistics:
        """A port's figures now. What was sent is counted once it is: whoever heard it may be faster."""
        return (await self.engine.execute(c.ReadStatistics(port))).statistics

    async def figures_when(self, port: str, condition: Callable[[PortStatistics], bool]) -> PortStatistics:
        """A port's figures as soon as they satisfy a condition."""
        figures = await self.figures(port)
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition(figures):
                    await asyncio.sleep(0.005)
                    figures = await self.figures(port)
        except TimeoutError:
            raise AssertionError(f"the condition was never met, at last by {figures}") from None
        return figures

    async def event(self, kind: str) -> MediaEvent:
        """The next event of a kind; those of other kinds before it are passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                event = await self._events.get()
                if event.kind == kind:
                    return event

    async def events(self, *kinds: str) -> list[MediaEvent]:
        """The next event of each of these kinds, in whatever order they come."""
        found: dict[str, MediaEvent] = {}
        async with asyncio.timeout(DEADLINE_S):
            while len(found) < len(kinds):
                event = await self._events.get()
                if event.kind in kinds:
                    found.setdefault(event.kind, event)
        return list(found.values())

    async def events_until(self, kind: str) -> list[MediaEvent]:
        """The events before the next one of a kind, which is passed over."""
        before: list[MediaEvent] = []
        async with asyncio.timeout(DEADLINE_S):
            while (event := await self._events.get()).kind != kind:
                before.append(event)
        return before

    def waiting_events(self, kind: str) -> list[MediaEvent]:
        """The events of a kind that were told and not looked at."""
        waiting = [self._events.get_nowait() for _ in range(self._events.qsize())]
        return [event for event in waiting if event.kind == kind]

    async def open_when_possible(self, port: str, owner: str = "call") -> c.PortOpened:
        """Open a port as soon as the pool has one."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    return await self.open(port, owner)
                except MediaError as error:
                    assert error.code == "media.ports_exhausted"  # noqa: PT017  (other errors must surface)
                    await asyncio.sleep(0.02)

    async def call(self, a: Phone, b: Phone, policy: c.Policy = "nat") -> tuple[c.PortOpened, c.PortOpened]:
        """Two ports, ``a`` and ``b``, that relay between two phones whose addresses were signalled."""
        ports = await self.open("a"), await self.open("b")
        await self.do(a.remote("a", policy), b.remote("b", policy), c.Link("a", "b"))
        return ports


@asynccontextmanager
async def exchange(settings: MediaSettings | None = None, pairs: int = PAIRS) -> AsyncIterator[Exchange]:
    """A running engine on free ports; afterwards everything is closed and no port may be open."""
    first, last = free_range(pairs)
    settings = replace(settings or MediaSettings(), first_port=first, last_port=last)
    engine = EmbeddedMediaEngine(settings)
    await engine.start()
    running = Exchange(engine)
    try:
        yield running
    finally:
        await engine.stop()
        for phone in running.phones:
            phone.close()
    assert engine.snapshot().ports_open == 0
