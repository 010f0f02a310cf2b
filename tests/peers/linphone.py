"""A linphonec phone as a child process, driven by its command line, speaking and hearing WAV files."""

from __future__ import annotations

import array
import asyncio
import collections
import contextlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.peers.baresip import Account
from tests.peers.ports import free_ports
from tests.peers.programs import end_process, program
from tests.peers.tones import BLOCK_S, Recording, write_tone

_TONE_SECONDS = 60
_WAV_HEADER = 44
_FULL_SCALE = 32768.0
_MOST_LINES = 2000
_CONFIG = """\
[sip]
bind_address=127.0.0.1
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port=0
use_ipv6=0
guess_hostname=0
media_encryption={media}
use_rfc2833=1
use_info=0
default_proxy=0
register_only_when_network_is_up=0
inc_timeout=60
[rtp]
audio_rtp_port={rtp}
[video]
enabled=0
display=0
capture=0
[sound]
echocancellation=0
[misc]
enable_basic_to_client_group_chat_room_migration=0
[proxy_0]
reg_proxy=<sip:{server};transport={transport}>
reg_route=<sip:{server};transport={transport};lr>
reg_identity=sip:{user}@{domain}
reg_expires=600
reg_sendregister=1
publish=0
dial_escape_plus=0
[auth_info_0]
username={user}
userid={user}
passwd={password}
domain={domain}
{codecs}"""
_CODECS = (("PCMU", 1), ("PCMA", 1), ("opus", 0), ("speex", 0), ("GSM", 0), ("G722", 0), ("BV16", 0))


class Linphone:
    """One phone with one account, whose ``media`` is ``srtp`` (keys in the description), ``dtls`` or nothing.

    It plays a tone of ``tone_hz`` into every call and records what it hears.
    """

    def __init__(self, folder: Path, account: Account, tone_hz: float = 440.0) -> None:
        self.account = account
        self.folder = folder / f"linphone-{account.user}"
        self.sip_port = free_ports(10)
        self._recorded = self.folder / "heard.wav"
        self._tone_hz = tone_hz
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._lines: collections.deque[str] = collections.deque(maxlen=_MOST_LINES)
        self._spoken = asyncio.Condition()

    async def __aenter__(self) -> Self:
        home = self.folder / "home"
        # Without this folder linphonec opens no SIP socket.
        (home / ".local/share/linphone").mkdir(parents=True)
        tone = write_tone(self.folder / "tone.wav", self._tone_hz, _TONE_SECONDS)
        (self.folder / "rc").write_text(self._config())
        self._process = await asyncio.create_subprocess_exec(
            program("linphonec"),
            "-c",
            str(self.folder / "rc"),
            "-S",
            env=os.environ | {"HOME": str(home)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read(), name="linphonec")
        self.command("soundcard use files")
        self.command(f"play {tone}")
        self.command(f"record {self._recorded}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ConnectionError):
                self.command("terminate")
                self.command("quit")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
            await end_process(self._process)
        if self._reader is not None:
            await self._reader

    def _config(self) -> str:
        tcp = self.account.transport == "tcp"
        return _CONFIG.format(
            udp=0 if tcp else self.sip_port,
            tcp=self.sip_port if tcp else 0,
            rtp=self.sip_port + 2,
            server=self.account.server,
            transport=self.account.transport,
            media=self.account.media or "none",
            user=self.account.user,
            domain=self.account.domain,
            password=self.account.password,
            codecs="".join(
                f"[audio_codec_{number}]\nmime={name}\nrate={48000 if name == 'opus' else 8000}\n"
                f"channels=1\nenabled={enabled}\n"
                for number, (name, enabled) in enumerate(_CODECS)
            ),
        )

    def command(self, line: str) -> None:
        """Type a line."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    async def said(self, pattern: str, within: float = 60.0) -> str:
        """Wait for a line of output that contains the pattern; lines up to it are not looked at again."""
        wanted = re.compile(pattern)

        def find() -> str | None:
            return next((line for line in self._lines if wanted.search(line)), None)

        try:
            async with asyncio.timeout(within), self._spoken:
                await self._spoken.wait_for(lambda: find() is not None)
        except TimeoutError:
            raise AssertionError(
                f"linphonec did not say {pattern} within {within} s:\n" + "\n".join(self._lines)
            ) from None
        line = find()
        assert line is not None
        while self._lines.popleft() != line:
            continue
        return line

    async def registered(self, within: float = 60.0) -> None:
        """Wait until the phone is registered; it does not say so by itself."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not any(
                    "registered=1" in line or "registered, identity" in line for line in self._lines
                ):
                    self.command("status registered")
                    await asyncio.sleep(0.2)
                return
        raise AssertionError(f"linphonec did not register within {within} s:\n" + "\n".join(self._lines))

    def heard(self, seconds: float) -> Recording:
        """The end of what it has recorded so far, at 8 kHz or whatever rate it chose."""
        data = self._recorded.read_bytes() if self._recorded.exists() else b""
        rate = int.from_bytes(data[24:28], "little") or 8000
        channels = int.from_bytes(data[22:24], "little") or 1
        samples = array.array("h", data[_WAV_HEADER:][: (len(data) - _WAV_HEADER) // 2 * 2])
        if sys.byteorder == "big":
            samples.byteswap()
        mono = samples[::channels][-int(seconds * rate) :]
        return Recording(rate, array.array("d", (value / _FULL_SCALE for value in mono)))

    async def hears(self, hz: float, above_dbfs: float = -20.0, within: float = 60.0) -> None:
        """Wait until ``hz`` was heard throughout the last half second."""
        await self._listen(lambda levels: min(levels) >= above_dbfs, f"{hz} Hz", hz, within)

    async def hears_nothing_of(self, hz: float, below_dbfs: float = -50.0, within: float = 60.0) -> None:
        """Wait until ``hz`` was absent throughout the last half second of what it recorded."""
        await self._listen(lambda levels: max(levels) <= below_dbfs, f"silence at {hz} Hz", hz, within)

    async def hears_nothing_new(self, within: float = 60.0) -> None:
        """Wait until its recording has not grown for half a second: it takes nothing in."""
        sizes: list[int] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(sizes) < 10 or sizes[-10] != sizes[-1]:
                    await asyncio.sleep(BLOCK_S / 2)
                    sizes.append(self._recorded.stat().st_size)
                return
        raise AssertionError(f"linphonec went on recording for {within} s: {sizes[-10:]} bytes")

    async def _listen(
        self, enough: Callable[[list[float]], bool], what: str, hz: float, within: float
    ) -> None:
        levels: list[float] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(levels) < 5 or not enough(levels):
                    await asyncio.sleep(BLOCK_S)
                    levels = self.heard(0.5).levels_dbfs(hz)
                return
        late = [round(level) for level in self.heard(3.0).levels_dbfs(hz)]
        raise AssertionError(f"linphonec did not hear {what} within {within} s; levels in dBFS: {late}")

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._spoken:
                self._lines.append(line.decode(errors="replace").rstrip())
                self._spoken.notify_all()
