"""The sound of a mobile app: G.711 µ-law over RTP from a socket of its own, a tone out, samples in.

Written without the product's media engine, so that it judges it.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import itertools
import math
import re
import struct
from typing import Final

from tests.peers.tones import BLOCK_S, Recording

RATE: Final = 8000
FRAME: Final = 160
_FULL_SCALE: Final = 32768.0
_CONNECTION = re.compile(r"^c=IN IP4 (\S+)", re.MULTILINE)
_AUDIO = re.compile(r"^m=audio (\d+)", re.MULTILINE)


def encode(sample: int) -> int:
    """ITU-T G.711 µ-law."""
    sign = 0x80 if sample < 0 else 0
    level = min(abs(sample), 32635) + 132
    exponent = level.bit_length() - 8
    return ~(sign | exponent << 4 | level >> exponent + 3 & 0x0F) & 0xFF


def decode(code: int) -> int:
    """The sample of a µ-law byte."""
    code = ~code & 0xFF
    level = ((code & 0x0F) << 3) + 132 << (code >> 4 & 7)
    return 132 - level if code & 0x80 else level - 132


_DECODED: Final = [decode(code) for code in range(256)]


class AppSound(asyncio.DatagramProtocol):
    """``await AppSound.open(700.0)``; it sends once ``speak_to`` knows where, and keeps what it hears."""

    def __init__(self, tone_hz: float) -> None:
        self.tone_hz = tone_hz
        self.port = 0
        self.packets_in = 0
        self._heard = array.array("d")
        self._transport: asyncio.DatagramTransport | None = None
        self._remote: tuple[str, int] | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, tone_hz: float) -> AppSound:
        loop = asyncio.get_running_loop()
        transport, sound = await loop.create_datagram_endpoint(
            lambda: cls(tone_hz), local_addr=("127.0.0.1", 0)
        )
        sound._transport = transport
        sound.port = transport.get_extra_info("sockname")[1]
        return sound

    def description(self, direction: str = "sendrecv", version: int = 1) -> str:
        """An offer or an answer."""
        return (
            f"v=0\r\no=- 4711 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na={direction}\r\n"
        )

    def speak_to(self, description: str) -> None:
        """Begin to send where a description says."""
        address, port = _CONNECTION.search(description), _AUDIO.search(description)
        assert address is not None, f"no address in:\n{description}"
        assert port is not None, f"no audio in:\n{description}"
        self._remote = address[1], int(port[1])
        if self._task is None:
            self._task = asyncio.create_task(self._speak(), name="app sound")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if len(data) > 12 and data[0] >> 6 == 2 and data[1] & 0x7F == 0:
            self.packets_in += 1
            self._heard.extend(_DECODED[code] / _FULL_SCALE for code in data[12:])
            del self._heard[: -10 * RATE]

    async def hears(
        self, hz: float, above_dbfs: float = -20.0, for_s: float = 0.5, within: float = 60.0
    ) -> None:
        """Wait until ``hz`` was heard without a break."""
        levels: list[float] = []
        try:
            async with asyncio.timeout(within):
                while len(levels) < int(for_s / BLOCK_S) or min(levels) < above_dbfs:
                    await asyncio.sleep(BLOCK_S)
                    levels = self.heard(for_s).levels_dbfs(hz)
        except TimeoutError:
            raise AssertionError(
                f"the app did not hear {hz} Hz within {within} s; {self.packets_in} packets came; levels {levels}"
            ) from None

    def heard(self, seconds: float) -> Recording:
        """The last ``seconds``."""
        return Recording(RATE, self._heard[-int(seconds * RATE) :])

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        turn = [encode(round(9000 * math.sin(2 * math.pi * self.tone_hz * at / RATE))) for at in range(RATE)]
        began = loop.time()
        for count in itertools.count():
            start = count * FRAME % RATE
            frame = bytes(turn[start : start + FRAME])
            head = struct.pack("!BBHII", 0x80, 0, count & 0xFFFF, count * FRAME & 0xFFFFFFFF, 0x5EED)
            assert self._transport is not None
            self._transport.sendto(head + frame, self._remote)
            await asyncio.sleep(max(0.0, began + (count + 1) * 0.02 - loop.time()))
