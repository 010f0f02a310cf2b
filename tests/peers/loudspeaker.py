"""A loudspeaker for a program that plays through ALSA: a named pipe, emptied at the pace of a sound card.

ALSA's plug-in ``file`` writes what is played into the pipe, in front of a ``null`` device that takes any
amount at once; the pipe holds it back to real time, because it is small and read by the clock. A pipe makes
room by whole pages, so the audio is wide (48 kHz, two channels): a page is then 21 ms, not a quarter of a
second. baresip's resampler on that way bends levels by up to 1.3 dB between 440 Hz and 2 kHz.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
from pathlib import Path

from tests.peers.tones import Recording, write_recording

PLAYED_RATE = 48_000
PLAYED_CHANNELS = 2
RATE = 8000
_TICK_S = 0.01
_PIPE_BYTES = 4 * 4096  # 85 ms: with fewer pages the pipe runs dry between two turns of the player
_STEP = PLAYED_RATE // RATE * PLAYED_CHANNELS  # one of these samples is kept
_FULL_SCALE = 32768.0
_ALSA_CONFIG = """\
pcm.loudspeaker {{
    type file
    file "{pipe}"
    format "raw"
    slave.pcm {{ type null }}
}}
"""


class Loudspeaker:
    """Takes telephone audio from a child process; what was heard is one unbroken line of time at 8 kHz.

    The child needs ``environment`` and plays 16-bit samples of ``PLAYED_RATE`` and ``PLAYED_CHANNELS`` to the
    ALSA device ``loudspeaker``; nothing above 4 kHz may be in them. Where it plays nothing, the recording has
    silence.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pipe = folder / "loudspeaker"
        self._samples = array.array("h")
        self._task: asyncio.Task[None] | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {"ALSA_CONFIG_PATH": str(self._folder / "asound.conf")}

    def start(self) -> None:
        os.mkfifo(self._pipe)
        (self._folder / "asound.conf").write_text(_ALSA_CONFIG.format(pipe=self._pipe))
        self._task = asyncio.create_task(self._listen(), name="loudspeaker")

    async def stop(self) -> None:
        """Stop listening; what was heard is kept as ``heard.wav`` for whoever looks into a failure."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        write_recording(self._folder / "heard.wav", self._samples, RATE)

    def heard(self) -> Recording:
        """Everything since the start."""
        return Recording(RATE, array.array("d", (value / _FULL_SCALE for value in self._samples)))

    def heard_lately(self, seconds: float) -> Recording:
        """The last ``seconds``."""
        return self.heard_since(max(0, self.now - int(seconds * RATE)))

    @property
    def now(self) -> int:
        """How many samples were heard since the start."""
        return len(self._samples)

    def heard_since(self, sample: int) -> Recording:
        """What was heard from that sample on."""
        return Recording(RATE, array.array("d", (value / _FULL_SCALE for value in self._samples[sample:])))

    async def _listen(self) -> None:
        # Opened for both ways, so that opening never waits and a pipe without a writer is empty, not ended.
        pipe = os.open(self._pipe, os.O_RDWR | os.O_NONBLOCK)
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            clock = asyncio.get_running_loop().time
            started = clock()
            while True:
                await asyncio.sleep(_TICK_S)
                self._take(pipe, int((clock() - started) * RATE) - len(self._samples))
        finally:
            os.close(pipe)

    def _take(self, pipe: int, due: int) -> None:
        """Read ``due`` samples of 8 kHz; what the pipe does not have is silence."""
        wanted = due * _STEP * self._samples.itemsize
        data = b""
        with contextlib.suppress(BlockingIOError):
            while len(data) < wanted:
                data += os.read(pipe, wanted - len(data))
        self._samples.extend(array.array("h", data.ljust(wanted, b"\0"))[::_STEP])
