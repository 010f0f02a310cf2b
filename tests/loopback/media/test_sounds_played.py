"""Raw files and sounds in memory played to a port's peer, and the end of a playback."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest

from tests.loopback.media.codecs import G722, encoded, mu_law
from tests.loopback.media.rtp_phone import exchange, strength
from tests.loopback.media.sound import listen, sine, write_wav
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import Played, Recorded


def linear16(samples: list[int]) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


def loaded(sound: str, samples: list[int], rate_hz: int = 8000) -> c.LoadSound:
    return c.LoadSound(sound, base64.b64encode(linear16(samples)).decode(), rate_hz)


async def test_a_list_of_every_kind_and_rate_has_no_gap(tmp_path: Path) -> None:
    tone = {rate_hz: sine(500, 0.2, rate_hz) for rate_hz in (8000, 16_000, 48_000)}
    raw = {
        "a.sln": linear16(tone[8000]),
        "b.sln16": linear16(tone[16_000]),
        "c.ulaw": mu_law(tone[8000]),
        "d.g722": b"".join(encoded(G722, 500, 0.2)),
        "e.sln48": linear16(tone[48_000]),
    }
    for name, octets in raw.items():
        (tmp_path / name).write_bytes(octets)
    files = [*(str(tmp_path / name) for name in raw), str(write_wav(tmp_path / "f.wav", [tone[8000]]))]
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(loaded("tone", tone[16_000], 16_000), alice.remote("a"))
        await at.do(c.Play("a", "p", [*files, "memory:tone"]))
        samples, _ = await listen(alice, 70)
        for begin in range(0, len(samples), 400):
            assert strength(samples[begin : begin + 400], 500.0) == pytest.approx(-10.0, abs=1.5)
        assert await at.event("played") == Played("call", "a", "p", "finished", 1400, 0, "", "")


async def test_what_is_not_in_memory_or_does_not_fit_is_refused() -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), loaded("tone", sine(500, 0.1)), c.DropSound("tone"))
        await at.do(c.DropSound("tone"))
        with pytest.raises(MediaError, match="no sound tone is in memory") as refusal:
            await at.do(c.Play("a", "p", ["memory:tone"]))
        assert refusal.value.code == "media.memory"
        most = base64.b64encode(bytes(64 << 20)).decode()
        await at.do(c.LoadSound("most", most))
        with pytest.raises(MediaError, match="67108864 are there, and 1600 more do not fit") as refusal:
            await at.do(loaded("tone", sine(500, 0.1)))
        assert refusal.value.code == "media.memory"
        await at.do(c.DropSound("most"), loaded("tone", sine(500, 0.1)), c.Play("a", "p", ["memory:tone"]))
        assert (await at.event("played")) == Played("call", "a", "p", "finished", 100, 0, "", "")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (c.LoadSound("x", "?"), "not base64"),
        (c.LoadSound("x", ""), "whole samples"),
        (c.LoadSound("x", "AAAA"), "got 3 octets"),
        (c.LoadSound("x", "AAA=", 4000), "got 4000"),
    ],
)
async def test_what_is_no_sound_is_refused(command: c.LoadSound, said: str) -> None:
    async with exchange() as at:
        with pytest.raises(MediaError, match=said) as refusal:
            await at.do(command)
        assert refusal.value.code == "media.argument"


async def test_a_playback_falls_silent_at_its_end() -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(loaded("tone", sine(500, 1.0)), alice.remote("a"))
        await at.do(c.Play("a", "p", ["memory:tone"], loop=True))
        await listen(alice, 10)
        await at.do(c.StopPlay("a", "p"))
        event = await at.event("played")
        assert isinstance(event, Played)
        assert event.outcome == "stopped"
        await at.do(c.Tone("a", 1000.0, duration_ms=60))
        await at.event("tone_ended")
        # What the file said and what the tone did: nothing else was sent between them.
        assert (await at.figures("a")).packets_out == event.duration_ms // 20 + 3


async def test_who_adopts_a_port_is_told_what_becomes_of_its_files(tmp_path: Path) -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(
            loaded("tone", sine(500, 1.0)), alice.remote("a"), c.Play("a", "p", ["memory:tone"], loop=True),
            c.Record("a", "r", str(tmp_path / "r.wav")), c.AdoptPort("a", "other"),
        )  # fmt: skip
        await listen(alice, 3)
        await at.do(c.CloseOwner("call"))
        await listen(alice, 3)
        await at.do(c.CloseOwner("other"))
        played, recorded = sorted(await at.events("played", "recorded"), key=lambda event: event.kind)
        assert isinstance(played, Played)
        assert isinstance(recorded, Recorded)
        assert [(one.owner, one.port) for one in (played, recorded)] == [("other", "a")] * 2
