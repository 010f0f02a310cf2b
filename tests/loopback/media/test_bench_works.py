"""What the bench lets the engine do, on a real engine: each work can be set up, and does what its name says."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from pathlib import Path

import pytest

from bench import media, media_ports, speech
from tests.loopback.media.rtp_phone import exchange
from trunkline.media import commands as c

WORKS = {work.does: work for work in media.WORKS}


@pytest.mark.parametrize("does", sorted(WORKS))
async def test_each_work_of_the_bench_can_be_set_up(does: str, tmp_path: Path) -> None:
    codecs = (WORKS[does].codecs * 4)[:4]
    with media.Taps(tmp_path / "taps") if does == "tap" else nullcontext():
        async with exchange() as at:
            ports = [f"p{n}" for n in range(4)]
            lines = [
                await media_ports.open_port(at.engine, port, codec, tmp_path)
                for port, codec in zip(ports, codecs, strict=True)
            ]
            await media_ports.Works(at.engine, tmp_path).named[does](ports)
            assert [int(line.split()[1]) for line in lines] == [
                speech.FORMATS[one].payload_type for one in codecs
            ]
            assert at.engine.snapshot().ports_open == 4


async def test_members_of_the_bench_hear_each_other(tmp_path: Path) -> None:
    """The engine speaks to where the generator listens, and never stops: rtp_speakers counts that."""
    async with exchange() as at:
        phone = at.phone()
        for port in ("a", "b"):
            await media_ports.open_port(at.engine, port, "PCMU", tmp_path)
            await at.engine.execute(phone.remote(port))
        await media_ports.Works(at.engine, tmp_path).named["room"](["a", "b"])
        async with asyncio.timeout(60):
            heard = [await phone.hear() for _ in range(20)]
        assert {len(packet) for packet in heard} == {172}
        assert (await at.engine.execute(c.ReadStatistics("a"))).statistics.packets_out > 0
