"""The media engine alone, at work on what parties say, until its input is closed.

A program of its own (`python -m bench.media_ports --work room --codecs 'PCMU;G722' --parties N --folder F`). It prints
`started`, waits for a line, sets everything up, writes `F/ports`, a line for each party as rtp_speakers reads it, and
prints `ready N`. Sockets for programs are handed over by the UNIX socket `F/taps`.
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench import speech
from bench.plan import MEDIA_A, RELAY_PORTS, SERVER
from trunkline.media import commands as c
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings
from trunkline.media.engine import MediaEngine

ROOM = "room"
OWNER = "bench"


class Works:
    """What can be done with the ports of all parties, by name; ports of a call follow each other."""

    def __init__(self, engine: MediaEngine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self.named: dict[str, Callable[[list[str]], Awaitable[None]]] = {
            "relay": self._relay,
            "convert": self._convert,
            "room": self._room,
            "record": self._record,
            "tap": self._tap,
            "keys": lambda ports: self._listen(ports, keys=True),
            "voice": lambda ports: self._listen(ports, voice=True),
            "progress": lambda ports: self._listen(ports, progress=True),
        }

    async def _relay(self, ports: list[str], *, convert: bool = False) -> None:
        for a, b in zip(ports[::2], ports[1::2], strict=True):
            await self._engine.execute(c.Link(a, b, convert))

    async def _convert(self, ports: list[str]) -> None:
        await self._relay(ports, convert=True)

    async def _room(self, ports: list[str]) -> None:
        await self._engine.execute(c.OpenRoom(ROOM, OWNER))
        for port in ports:
            await self._engine.execute(c.Join(port, ROOM))

    async def _record(self, ports: list[str]) -> None:
        await self._relay(ports)
        for a, b in zip(ports[::2], ports[1::2], strict=True):
            file = str(self._folder / f"{a}.wav")
            await self._engine.execute(c.Record(a, f"of-{a}", file, other=b, channels="stereo"))

    async def _tap(self, ports: list[str]) -> None:
        await self._relay(ports)
        with socket.socket(socket.AF_UNIX) as taker:
            taker.connect(str(self._folder / "taps"))
            for port in ports:
                opened = await self._engine.execute(c.OpenAudio(port, speak=False))
                socket.send_fds(taker, [b"."], [opened.fd])
                os.close(opened.fd)

    async def _listen(self, ports: list[str], **what: bool) -> None:
        await self._relay(ports)
        for port in ports:
            await self._engine.execute(c.Listen(port, **what))


async def work(options: argparse.Namespace) -> None:
    """Run the engine until the input ends."""
    first, last = RELAY_PORTS
    engine = EmbeddedMediaEngine(MediaSettings(address=SERVER.ip, first_port=first, last_port=last))
    await engine.start()
    try:
        print("started", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        codecs = [options.codecs[number % len(options.codecs)] for number in range(options.parties)]
        lines = [await open_port(engine, f"p{n}", codec, options.folder) for n, codec in enumerate(codecs)]
        await Works(engine, options.folder).named[options.work]([f"p{n}" for n in range(options.parties)])
        await asyncio.to_thread((options.folder / "ports").write_text, "".join(lines))
        print("ready", options.parties, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    finally:
        await engine.stop()


async def open_port(engine: MediaEngine, port: str, codec: str, folder: Path) -> str:
    """Open a port for a party that speaks this; its line in the port file."""
    opened = await engine.execute(c.OpenPort(port, OWNER))
    await engine.execute(c.SetRemote(port, MEDIA_A.ip, MEDIA_A.port, clock_hz=speech.FORMATS[codec].clock_hz))
    spoken = speech.FORMATS[codec]
    await engine.execute(c.SetFormats(port, [spoken], spoken))
    return f"{speech.line(opened.rtp_port, codec, speech.frames_file(folder, codec))}\n"


def main() -> None:
    """Work until standard input is closed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", required=True)
    parser.add_argument("--codecs", type=lambda text: text.split(";"), required=True)
    parser.add_argument("--parties", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    asyncio.run(work(parser.parse_args()))


if __name__ == "__main__":
    main()
