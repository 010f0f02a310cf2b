"""Thousands of uses of the same few ports, in every order that chance gives: nothing may be left behind."""

from __future__ import annotations

import asyncio
import base64
import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.loopback.media.codecs import CN, EVENTS, G722, L16, OPUS, PCMA, PCMU, formats
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, key_press, receiver_report, rtp
from tests.loopback.media.sound import sine, write_wav
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.embedded import MediaSettings

PAIRS = 16
WARM_UP, ROUNDS = 40, 250
PORTS = ("a", "b", "c", "d")
MOST_GROWTH = 12 * 1024 * 1024
"""Octets by which the process may grow: what allocators keep, and a hundredth of what a leak in each use would be."""
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)


def files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def threads() -> int:
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def resident() -> int:
    """Octets that no file backs: of the others the kernel takes some when memory is short, and brings them back."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


class Chance:
    """Commands and datagrams at random; ``seed`` repeats them."""

    def __init__(self, seed: int, scratch: Path) -> None:
        self.random = random.Random(seed)  # noqa: S311  (not for secrets)
        self.scratch = scratch
        self.wav = str(write_wav(scratch / "sound.wav", [sine(700, 0.1)]))
        self.audio: list[int] = []
        self.number = 0

    def command(self, phone: Phone) -> c.Command[c.Reply]:
        """Any command at all."""
        pick, port = self.random.choice, self.random.choice(PORTS)
        self.number += 1
        others = [name for name in PORTS if name != port]
        makers: list[Callable[[], c.Command[c.Reply]]] = [
            lambda: phone.remote(port, pick(["nat", "signalled"]), rtcp_mux=pick([True, False])),
            lambda: formats(
                port, pick([PCMU, PCMA, G722, OPUS, L16]), EVENTS, CN, ptime_ms=pick([10, 20, 60])
            ),
            lambda: c.Link(port, pick(others), convert=pick([True, False])),
            lambda: c.Link(port, pick(others), convert=True),
            lambda: c.Join(port, "room", muted=pick([True, False]), deaf=pick([True, False])),
            lambda: c.OpenAudio(port, pick([8000, 16_000, 24_000, 48_000]), speak=pick([True, False])),
            lambda: self.keys(port),
            lambda: c.SetIce(port, "ours", "password" * 3, "theirs", "password" * 3),
            lambda: c.SetDtls(port, pick(["active", "passive"]), FINGERPRINT),
            lambda: c.SetPlain(port),
            lambda: c.SetExtension(port, 1, data="01", period_ms=20, timeout_ms=20),
            lambda: c.SetExtension(port),
            lambda: c.SetDirection(port, send=pick([True, False]), receive=pick([True, False])),
            lambda: c.Tone(port, 400.0, duration_ms=40),
            lambda: c.Echo(port),
            lambda: c.SendDigits(port, "12", pick([0, 101])),
            lambda: c.Play(pick([port, "room"]), f"play-{self.number}", [self.wav], loop=pick([True, False])),
            lambda: c.StopPlay(port, f"play-{self.number - 1}"),
            lambda: c.PlaySignal(port, [c.ToneStep([400.0], 20)], over_link=pick([True, False])),
            lambda: c.Listen(port, keys=True, voice=True, progress=True, machine=True),
            lambda: c.Record(
                pick([port, "room"]), f"rec-{self.number}", str(self.scratch / f"{self.number}.wav")
            ),
            lambda: c.StopRecord(f"rec-{self.number - 1}"),
            lambda: c.Unlink(port),
            lambda: c.ReadStatistics(port),
            lambda: c.ClosePort(port),
            lambda: c.CloseRoom("room"),
            lambda: c.OpenRoom("room", "call", pick([8000, 16_000, 48_000])),
        ]
        return pick(makers)()

    def keys(self, port: str) -> c.SetKeys:
        key = base64.b64encode(self.random.randbytes(30)).decode()
        return c.SetKeys(port, "AES_CM_128_HMAC_SHA1_80", key, key)

    def datagrams(self) -> Iterator[bytes]:
        """Things that telephones send, and things that they do not."""
        for _ in range(self.random.randrange(6)):
            sequence = self.random.choice([1, 2, 3, 4, 65_535, self.random.randrange(65_536)])
            kind = self.random.choice([0, 0, 8, 9, 96, 97, 13, 101])
            payload = self.random.randbytes(self.random.choice([0, 1, 4, 160, 161, 1400]))
            choice = [
                rtp(sequence, 7, kind, payload),
                key_press(self.random.randrange(20), sequence * 160, 800, end=True, sequence=sequence),
                receiver_report() + payload,
                b"\x00\x01\x00\x00\x21\x12\xa4\x42" + payload[:12],
                b"\x16\xfe\xfd" + payload,
                b"\x90\x00" + payload,
                payload,
            ]
            yield self.random.choice(choice)

    def hold(self, fd: int) -> None:
        """Write what no program should, and close some of them at once, others later, or never before their port."""
        words = [b"A", b"A\0", b"A" + bytes(640), b"Mx", b"C", b"Z", b"M"]
        with suppress(OSError):
            for _ in range(self.random.randrange(20)):
                os.write(fd, self.random.choice(words))
        self.audio.append(fd)
        if self.random.random() < 0.5:
            os.close(self.audio.pop())

    def let_go(self) -> None:
        """Close what is held."""
        while self.audio:
            os.close(self.audio.pop())


async def live(at: Exchange, chance: Chance, phones: list[Phone]) -> None:
    """One life of a few ports and a room."""
    opened = [await at.open_when_possible(name) for name in PORTS]
    await at.do(c.OpenRoom("room", "call"))
    for _ in range(chance.random.randrange(40)):
        phone = chance.random.choice(phones)
        with suppress(MediaError):
            reply = await at.engine.execute(chance.command(phone))
            if isinstance(reply, c.AudioOpened):
                chance.hold(reply.fd)
        for datagram in chance.datagrams():
            place = chance.random.choice(opened)
            port = place.rtp_port + chance.random.choice([0, 0, 0, 1])
            with suppress(BlockingIOError, ConnectionRefusedError):
                phone.rtp.sendto(datagram, (place.address, port))
        await asyncio.sleep(0)
    if chance.random.random() < 0.3:
        await asyncio.sleep(0.03)  # a beat or two, which is what rooms and ears live by
    if chance.random.random() < 0.5:
        chance.let_go()
    await at.do(c.CloseOwner("call"))
    chance.let_go()
    assert not at.waiting_events("engine_lost")


async def settled(files_before: int) -> None:
    """Wait until the engine has let go of what belongs to no port any more."""
    async with asyncio.timeout(60):
        while files() > files_before:  # noqa: ASYNC110  (a worker closes them, and tells nobody)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 2])
async def test_nothing_is_left_of_thousands_of_uses(workers: int, tmp_path: Path) -> None:
    settings = MediaSettings(workers=workers, quarantine_s=0.0, coalesce_us=0)
    chance = Chance(workers, tmp_path)
    async with exchange(settings, PAIRS) as at:
        phones = [at.phone() for _ in range(3)]
        # Every pair is bound once and then kept.
        every = [await at.open(str(n)) for n in range(PAIRS)]
        await at.do(c.CloseOwner("call"))
        assert len({place.rtp_port for place in every}) == PAIRS
        bound = files()
        for _ in range(WARM_UP):
            await live(at, chance, phones)
        await settled(bound)
        before, crew = resident(), threads()
        for _ in range(ROUNDS):
            await live(at, chance, phones)
        await settled(bound)
        # Fewer, when what tests before this one left behind was collected meanwhile.
        assert files() <= bound
        assert threads() <= crew
        assert resident() - before < MOST_GROWTH
        assert at.engine.snapshot().ports_open == 0
        await still_works(at)


async def still_works(at: Exchange) -> None:
    """Every port relays as if it were its first use, whichever worker has it."""
    names = [f"p{n}" for n in range(PAIRS)]
    places = {name: await at.open_when_possible(name) for name in names}
    for one, other in zip(names[: PAIRS // 2], names[PAIRS // 2 :], strict=True):
        alice, bob = at.phone(), at.phone()
        await at.do(alice.remote(one), bob.remote(other), c.Link(one, other))
        await alice.speak_until_heard(places[one], bob)
        await bob.speak_until_heard(places[other], alice)
        now = await at.figures(one)
        assert (now.foreign, now.refused, now.concealed) == (0, 0, 0)
    await at.do(c.CloseOwner("call"))
