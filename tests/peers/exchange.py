"""Trunkline itself as a child process, as an operator starts it: a file, a data folder, extensions."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.peers.ports import free_ports
from tests.peers.programs import end_process
from tests.peers.warm import WarmProcess, warm_trunkline
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.store import Store

DOMAIN = "trunkline.test"
TIME_NUMBER = "9195"
ECHO_NUMBER = "9196"
TONE_NUMBER = "9197"
TALK_BACK_NUMBER = "9198"
# What must be zero when nobody calls; the metrics' names without ``trunkline_``.
LEAKS = ("transactions", "dialogs", "timers", "calls_active", "media_ports_open")

_MEDIA_PORTS = 400
_LINE = re.compile(r"(?P<name>[a-z_]+)(?P<labels>\{.*\})? (?P<value>\S+)")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension to create; ``contact`` is a fixed address that needs no REGISTER."""

    number: str
    password: str = ""
    contact: str = ""
    name: str = ""


class ExchangeProcess:
    """``trunkline up`` on free loopback ports with these extensions; ready when entered, checked when left.

    ``sip`` adds keys to the section of that name; ``listen`` names its transports; ``trace`` keeps the messages
    of calls; ``media`` adds lines to the section of that name, ``more`` is further text for the settings. On leaving,
    SIGTERM must end it with exit code 0; its log is then part of what pytest shows of a failed test.
    """

    def __init__(
        self,
        folder: Path,
        extensions: list[Extension],
        *,
        sip: dict[str, int | float | str] | None = None,
        listen: tuple[str, ...] = ("udp", "tcp"),
        trace: bool = False,
        media: str = "",
        more: str = "",
    ) -> None:
        self.folder = folder / "exchange"
        self._media = media
        self._more = more
        self.extensions = {extension.number: extension for extension in extensions}
        self._sip: dict[str, int | float | str] = {"grace_s": 1.0, **(sip or {})}
        self._trace = trace
        self.sip_port = free_ports(10)
        self.metrics_port = self.sip_port + 5
        self._listen = listen
        self._process: WarmProcess | None = None

    def port(self, transport: str) -> int:
        """The port of a transport: udp and tcp share one, tls, ws and wss have their own."""
        return self.sip_port + {"udp": 0, "tcp": 0, "tls": 1, "ws": 2, "wss": 3}[transport]

    @property
    def certificate(self) -> Path:
        """The certificate of its own making, which clients are to trust."""
        return self.folder / "data" / "tls" / "self-signed.pem"

    @property
    def address(self) -> str:
        """HOST:PORT for SIP, UDP and TCP alike."""
        return f"127.0.0.1:{self.sip_port}"

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self._write_settings()
        if self.extensions:
            await asyncio.to_thread(self._create_extensions)
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.stop()
        finally:
            await self._end()

    async def run(self, *words: str, within: float = 60.0) -> str:
        """Run a ``trunkline`` command on this data folder; its standard output. It must succeed."""
        code, out, errors = await self.attempt(*words, within=within)
        command = " ".join(("trunkline", *words))
        assert code == 0, f"{command} ended with {code}: {errors}"
        return out

    async def attempt(self, *words: str, within: float = 60.0) -> tuple[int, str, str]:
        """Run a command that may fail: its exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            await asyncio.to_thread(warm_trunkline),
            *words,
            "--data",
            str(self.folder / "data"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, errors = await asyncio.wait_for(process.communicate(), within)
        finally:
            await end_process(process)
        return process.returncode or 0, out.decode(), errors.decode()

    async def add(self, extension: Extension) -> None:
        """Create an extension while the exchange runs."""
        options = [("--password", extension.password), ("--contact", extension.contact)]
        await self.run(
            "extension", "add", extension.number, *(word for pair in options if pair[1] for word in pair)
        )

    async def ask(self, *words: str) -> Any:
        """Run a command with ``--json`` and parse what it says."""
        return json.loads(await self.run(*words, "--json"))

    async def metrics(self) -> dict[str, float]:
        """All samples, ``name{labels}`` as Prometheus writes them, and each name's sum over its labels."""
        text = await asyncio.to_thread(self._fetch, "/metrics")
        samples: dict[str, float] = {}
        for match in filter(None, map(_LINE.fullmatch, text.splitlines())):
            name, labels, value = match["name"], match["labels"] or "", float(match["value"])
            samples[name] = samples.get(name, 0.0) + value
            if labels:
                samples[name + labels] = value
        return samples

    async def no_calls(self, within: float = 60.0) -> None:
        """Wait until no call, dialog or media port is left; transactions may still live on."""
        await self._gone(("calls_active", "dialogs", "media_ports_open"), None, within)

    async def idle(self, within: float = 90.0, tasks: float | None = None) -> dict[str, float]:
        """Wait until nothing of any call is left (``LEAKS`` are zero); the metrics of that moment.

        Completed transactions live for 32 s (Timers B, F, H and J: RFC 3261 §17), hence the time allowed.
        ``tasks``, when given, is how many tasks of the event loop there were before.
        """
        return await self._gone(LEAKS, tasks, within)

    async def stop(self, within: float = 60.0) -> None:
        """SIGTERM: the exchange ends its calls and exits with 0."""
        if self._process is None:
            return
        process, self._process = self._process, None
        code = await end_process(process, grace_s=within)
        self._show_log()
        assert code == 0, f"trunkline up ended with {code} after SIGTERM; its log:\n{self.log()[-6000:]}"

    @property
    def settings(self) -> Path:
        """The file that it was started with."""
        return self.folder / "trunkline.toml"

    def hangup_signal(self) -> None:
        """SIGHUP: read the settings anew."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        """Status and body of ``/ready``."""
        return await asyncio.to_thread(self._fetch_readiness)

    def _fetch_readiness(self) -> tuple[int, dict[str, Any]]:
        try:
            return 200, json.loads(self._fetch("/ready"))
        except HTTPError as refused:
            with refused:
                return refused.code, json.loads(refused.read())

    async def crash_and_restart(self) -> None:
        """SIGKILL, then start on the same folder: what was confirmed must still be known."""
        await self.crash()
        await self.restart()

    def freeze(self) -> None:
        """SIGSTOP: what arrives from now on is never read, if a crash follows."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    async def crash(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            process, self._process = self._process, None
            await end_process(process)

    async def restart(self) -> None:
        """Start on the same folder."""
        await self._start()

    async def has_kept_calls(self, count: int, within: float = 60.0) -> None:
        """Wait until so many calls in progress are in the journal: a crash from now on does not end them."""
        async with asyncio.timeout(within):
            while self._kept_calls() != count:  # noqa: ASYNC110  (the store tells nobody)
                await asyncio.sleep(0.05)

    async def has_kept(self, text: str, within: float = 60.0) -> None:
        """Wait until the journal of calls in progress has this text in every call."""
        async with asyncio.timeout(within):
            while self._kept_calls() != self._kept_calls(text):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def _kept_calls(self, text: str = "") -> int:
        with closing(sqlite3.connect(f"file:{self.folder}/data/trunkline.db?mode=ro", uri=True)) as store:
            having = "SELECT count(*) FROM call_journal WHERE instr(body, ?) > 0"
            (count,) = store.execute(having, (text,)).fetchone()
        return int(count)

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _write_settings(self) -> None:
        media_first = free_ports(_MEDIA_PORTS)
        keys = "".join(f"{name} = {json.dumps(value)}\n" for name, value in self._sip.items())
        listen = [f"{kind}:127.0.0.1:{self.port(kind)}" for kind in self._listen]
        self.settings.write_text(
            f'domain = "{DOMAIN}"\n'
            f"[sip]\nlisten = {json.dumps(listen)}\n{keys}"
            f'[media]\naddress = "127.0.0.1"\nports = "{media_first}-{media_first + _MEDIA_PORTS - 1}"\n'
            f"{self._media}"
            f'[metrics]\nlisten = "127.0.0.1:{self.metrics_port}"\n'
            f"[trace]\nkeep = {json.dumps(self._trace)}\n{self._more}"
        )

    def _create_extensions(self) -> None:
        """Into the store, by ourselves: a command would be started for each exchange, and takes a second."""
        with Store.open(self.folder / "data") as store:
            (tenant,) = store.tenants.list(SystemScope("an exchange for tests"))
            new = [
                NewExtension(e.number, e.password, e.name, e.contact or None)
                for e in self.extensions.values()
            ]
            store.extensions.import_many(TenantScope(tenant.id), new)

    async def _start(self, within: float = 120.0) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = await WarmProcess.start(
                "up", "--config", str(self.settings), "--data", str(self.folder / "data"), output=log
            )
        try:
            async with asyncio.timeout(within):
                while not await self._is_healthy():
                    assert self._process.returncode is None, f"trunkline up ended at once:\n{self.log()}"
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"trunkline up was not ready within {within} s:\n{self.log()}") from None

    async def _is_healthy(self) -> bool:
        try:
            await asyncio.to_thread(self._fetch, "/ready")
        except OSError:
            return False
        return True

    def _fetch(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=60) as reply:
            return str(reply.read().decode())

    async def _end(self) -> None:
        """End what is still there after a failure, whatever its state."""
        if self._process is not None:
            process, self._process = self._process, None
            await end_process(process, grace_s=3.0)
            self._show_log()

    def _show_log(self) -> None:
        _log.warning("log of the exchange:\n%s", self.log()[-20_000:])

    async def _gone(self, names: Sequence[str], tasks: float | None, within: float) -> dict[str, float]:
        left: dict[str, float] = {}
        try:
            async with asyncio.timeout(within):
                while True:
                    samples = await self.metrics()
                    left = self._leftovers(samples, names, tasks)
                    if not left:
                        return samples
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"left over after {within} s: {left}") from None

    @staticmethod
    def _leftovers(samples: dict[str, float], names: Sequence[str], tasks: float | None) -> dict[str, float]:
        values = {name: samples.get(f"trunkline_{name}", -1.0) for name in names}
        found = {name: value for name, value in values.items() if value != 0}
        now = samples.get("trunkline_event_loop_tasks", -1.0)
        if tasks is not None and not 0 <= now <= tasks:
            found["event_loop_tasks"] = now - tasks
        return found
