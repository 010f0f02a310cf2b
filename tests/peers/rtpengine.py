"""rtpengine as a child process: in user space, on free loopback ports, without a configuration file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self

from tests.peers.ports import free_ports, is_bound
from tests.peers.programs import end_process, program
from trunkline.net import CertificateFiles

MEDIA_PORTS = 120


class RtpengineProcess:
    """Ready when entered, ended when left. ``keys_at`` is where it reports pressed keys: HOST:PORT.

    ``timeout_s`` is after which silence it drops a call. With ``tls`` it listens for WebSockets over TLS too.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "rtpengine",
        *,
        keys_at: str = "",
        timeout_s: int = 60,
        tls: CertificateFiles | None = None,
    ) -> None:
        self.folder = folder / name
        self._tls = tls
        self._keys_at = keys_at
        self._timeout_s = timeout_s
        self._first = free_ports(MEDIA_PORTS + 4)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def udp(self) -> str:
        """Its address for commands over UDP, as the settings have it."""
        return f"udp:127.0.0.1:{self._first}"

    @property
    def websocket(self) -> str:
        """Its address for commands over WebSocket."""
        return f"ws://127.0.0.1:{self._first + 1}"

    @property
    def secure(self) -> str:
        """Its address for commands over WebSocket and TLS, when it has a certificate."""
        return f"wss://127.0.0.1:{self._first + 2}"

    @property
    def media_ports(self) -> range:
        """The ports that it may give."""
        return range(self._first + 4, self._first + 4 + MEDIA_PORTS)

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end(grace_s=3.0)

    async def start(self, within: float = 60.0) -> None:
        """Run it, with the ports that it had before."""
        options = [
            "--foreground", "--log-stderr", "--log-level=6", "--table=-1", "--config-file=none",
            f"--pidfile={self.folder}/pid", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{self._first}",
            f"--listen-http=127.0.0.1:{self._first + 1}", f"--timeout={self._timeout_s}", "--num-threads=2",
            f"--port-min={self.media_ports[0]}", f"--port-max={self.media_ports[-1]}",
        ]  # fmt: skip
        if self._tls is not None:
            options += [
                f"--listen-https=127.0.0.1:{self._first + 2}", f"--https-cert={self._tls.certificate}",
                f"--https-key={self._tls.key}",
            ]  # fmt: skip
        if self._keys_at:
            options.append(f"--dtmf-log-dest={self._keys_at}")
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program("rtpengine"), *options, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(within):
                while not self._listens():
                    assert self._process.returncode is None, f"rtpengine ended at once:\n{self.log()}"
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"rtpengine was not ready within {within} s:\n{self.log()}") from None

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither killed nor left since."""
        return self._process is not None

    async def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        await self._end(grace_s=0.0)

    async def _end(self, grace_s: float) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            await end_process(process, grace_s=grace_s)

    def _listens(self) -> bool:
        secure = self._tls is None or is_bound(self._first + 2, "tcp")
        return secure and is_bound(self._first, "udp") and is_bound(self._first + 1, "tcp")

    def log(self) -> str:
        """The end of what it said."""
        return (self.folder / "log").read_text(errors="replace")[-6000:]
