"""Conference rooms over real sockets: who hears whom, measured by tones."""

from __future__ import annotations

import array
import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.loopback.media.codecs import G722, OPUS, PCMA, PCMU, formats, mu_law, pcm
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange
from tests.loopback.media.sound import measure_until, read_wav, sine, write_wav
from tests.peers.tones import Recording, read_recording, tone_level_dbfs
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.embedded import MediaSettings

BEAT_S = 0.02
SINE_DB = 3.0
"""A full-scale sine has 0 dBFS and -3 dBov."""
PACKETS = 75


class Member:
    """A phone that says one tone in µ-law, over and over, and keeps what it hears."""

    def __init__(self, phone: Phone, port: c.PortOpened, codec: c.Format, hz: float | None) -> None:
        self.phone, self.port, self.codec = phone, port, codec
        said = mu_law(sine(hz, 1.0, level_dbov=-20.0)) if hz else b"\xff" * 8000
        self.said = [said[at : at + 160] for at in range(0, 8000, 160)]
        self.heard: list[bytes] = []
        self.more = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def talk(self) -> None:
        sequence, loop = 0, asyncio.get_running_loop()
        began = loop.time()
        while True:
            header = bytes([0x80, 0, *sequence.to_bytes(2), *(sequence * 160).to_bytes(4), 0, 0, 0, 9])
            packet = header + self.said[sequence % 50]
            self.phone.rtp.sendto(packet, (self.port.address, self.port.rtp_port))
            sequence += 1
            await asyncio.sleep(began + sequence * BEAT_S - loop.time())

    async def listen(self) -> None:
        while True:
            self.heard.append(await self.phone.hear())
            self.more.set()

    async def comes_to_hear(self, *tones: tuple[float, float], not_these: Sequence[float] = ()) -> None:
        """Wait until these are heard, of so many hertz and about so many dBov, and the others not."""
        frequencies = [*(hz for hz, _ in tones), *not_these]

        async def levels() -> list[float]:
            level = await self.hears()
            return [level(hz) for hz in frequencies]

        def are_right(heard: list[float]) -> bool:
            there = all(abs(level - dbov) <= 2.0 for level, (_, dbov) in zip(heard, tones, strict=False))
            return there and all(level < -35 for level in heard[len(tones) :])

        await measure_until(levels, are_right)

    async def hears(self, packets: int = PACKETS) -> Callable[[float], float]:
        """The level in dBov of a frequency in what it hears from now on."""
        self.heard.clear()
        async with asyncio.timeout(60):
            while len(self.heard) < packets:
                self.more.clear()
                await self.more.wait()
        rate_hz = {"PCMU": 8000, "PCMA": 8000, "G722": 16_000}.get(self.codec.codec, 48_000)
        # In a thread: the others go on talking meanwhile.
        samples = (await asyncio.to_thread(pcm, self.codec, self.heard[:packets]))[rate_hz // 2 :]
        recording = Recording(rate_hz, array.array("d", (sample / 32_768 for sample in samples)))
        return lambda hz: tone_level_dbfs(recording, hz) - SINE_DB


@asynccontextmanager
async def meeting(
    at: Exchange, *members: tuple[str, c.Format, float | None], room: c.OpenRoom | None = None
) -> AsyncIterator[list[Member]]:
    """A room ``room`` and members of it, ports by name; each speaks µ-law and hears its codec."""
    await at.do(room or c.OpenRoom("room", "conference"))
    people = []
    for name, codec, hz in members:
        phone = at.phone()
        port = await at.open(name, name)
        told = formats(name, codec)
        told.receive = [PCMU]
        await at.do(phone.remote(name), told, c.Join(name, "room"))
        people.append(Member(phone, port, codec, hz))
    for member in people:
        member.tasks = [asyncio.ensure_future(member.talk()), asyncio.ensure_future(member.listen())]
    try:
        yield people
    finally:
        for member in people:
            for task in member.tasks:
                task.cancel()


@pytest.mark.parametrize("workers", [1, 2])
async def test_each_hears_all_others_and_never_himself(workers: int) -> None:
    async with (
        exchange(MediaSettings(workers=workers)) as at,
        meeting(at, ("a", PCMU, 500), ("b", G722, 1300), ("c", OPUS, 2100)) as people,
    ):
        own = {"a": 500.0, "b": 1300.0, "c": 2100.0}
        for name, member in zip(own, people, strict=True):
            others = [(hz, -20.0) for other, hz in own.items() if other != name]
            await member.comes_to_hear(*others, not_these=[own[name]])


async def test_who_is_muted_is_not_heard_and_who_is_deaf_hears_nothing() -> None:
    async with (
        exchange() as at,
        meeting(at, ("a", PCMU, 500), ("b", PCMA, 1300), ("c", PCMU, None)) as people,
    ):
        await at.do(c.Join("a", "room", muted=True), c.Join("b", "room", deaf=True))
        await people[2].comes_to_hear((1300.0, -20.0), not_these=[500.0])
        assert (await people[1].hears())(500.0) < -40
        await at.do(c.Join("a", "room", gain_db=-10.0), c.Join("b", "room"))
        await people[2].comes_to_hear((500.0, -30.0))


async def test_who_leaves_is_not_heard_any_more_and_a_closed_room_is_silent() -> None:
    async with exchange() as at, meeting(at, ("a", PCMU, 500), ("b", PCMU, None)) as people:
        await at.do(c.Unlink("a"))
        assert (await people[1].hears())(500.0) < -40
        await at.do(c.CloseRoom("room"))
        with pytest.raises(MediaError) as refused:
            await at.do(c.Join("a", "room"))
        assert refused.value.code == "media.unknown_room"


async def test_a_file_is_played_to_all_and_a_recording_has_all(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "tone.wav", [sine(2500, 1.0)])
    async with exchange() as at, meeting(at, ("a", PCMU, 500), ("b", PCMU, 1300)) as people:
        target = tmp_path / "room.wav"
        await at.do(c.Record("room", "r", str(target)), c.Play("room", "p", [str(file)], loop=True))
        await people[0].comes_to_hear((2500.0, -10.0), (1300.0, -20.0))
        await at.do(c.StopPlay("room", "p"))
        assert (await at.event("played")).to_dict()["outcome"] == "stopped"
        await at.do(c.StopRecord("r"))
        told = (await at.event("recorded")).to_dict()
        assert (told["port"], told["owner"], told["missing"]) == ("room", "conference", 0)
        recording = read_recording(target)
        assert recording.rate == 16_000
        assert tone_level_dbfs(recording, 500.0) == pytest.approx(-17.0, abs=2.0)
        assert tone_level_dbfs(recording, 1300.0) == pytest.approx(-17.0, abs=2.0)


async def test_the_owner_of_a_room_closes_it_with_what_is_played_in_it(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "tone.wav", [sine(500, 0.5)])
    async with exchange() as at:
        await at.do(c.OpenRoom("room", "owner"), c.Play("room", "p", [str(file)], loop=True))
        await at.do(c.Record("room", "r", str(tmp_path / "room.wav")))
        await at.do(c.CloseOwner("owner"))
        assert (await at.event("played")).to_dict()["outcome"] == "stopped"
        assert (await at.event("recorded")).to_dict()["ended"] == "closed"
        await at.do(c.OpenRoom("room", "owner"))


async def test_what_cannot_be_is_refused() -> None:
    async with exchange() as at:
        await at.open("a")
        await at.do(c.OpenRoom("room", "owner"))
        refusals: list[tuple[c.Command[c.Done], str]] = [
            (c.OpenRoom("room", "owner"), "media.room"),
            (c.OpenRoom("a", "owner"), "media.duplicate_port"),
            (c.OpenRoom("other", "owner", speakers=17), "media.argument"),
            (c.Join("a", "room"), "media.codec"),
            (c.Join("b", "room"), "media.unknown_port"),
            (c.CloseRoom("nowhere"), "media.unknown_room"),
        ]
        for command, code in refusals:
            with pytest.raises(MediaError) as refused:
                await at.do(command)
            assert refused.value.code == code
        await at.do(formats("a", PCMU))
        with pytest.raises(MediaError) as refused:
            await at.do(c.Join("a", "room", gain_db=30.0))
        assert refused.value.code == "media.argument"


async def test_a_room_takes_two_hundred() -> None:
    async with exchange(pairs=204) as at:
        await at.do(c.OpenRoom("room", "owner"))
        for n in range(201):
            await at.open(f"p{n}")
            await at.do(formats(f"p{n}", PCMU))
        for n in range(200):
            await at.do(c.Join(f"p{n}", "room"))
        with pytest.raises(MediaError) as refused:
            await at.do(c.Join("p200", "room"))
        assert refused.value.code == "media.room_full"
        await at.do(c.ClosePort("p7"), c.Join("p200", "room"))


async def test_silence_is_recorded_as_long_as_it_lasts(tmp_path: Path) -> None:
    target = tmp_path / "room.wav"
    room = c.OpenRoom("room", "conference", rate_hz=8000)
    async with exchange() as at, meeting(at, ("a", PCMU, None), room=room) as people:
        await at.do(c.Record("room", "r", str(target)))
        await people[0].hears(25)
        await at.do(c.StopRecord("r"))
        told = (await at.event("recorded")).to_dict()
        assert told["duration_ms"] >= 400
        assert set(read_wav(target)[0]) <= {0}
