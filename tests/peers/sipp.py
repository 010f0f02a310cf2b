"""SIPp as a child process: one scenario, run to its end and counted."""

from __future__ import annotations

import asyncio
import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from tests.peers.ports import free_ports, is_bound
from tests.peers.programs import end_process, program

SCENARIOS = Path(__file__).resolve().parents[1] / "interop" / "scenarios"
_MODES = {"udp": "u1", "tcp": "t1"}
_TRACED_CALLS = 50  # more than these are too much to read, and slow SIPp down


@dataclass(frozen=True, slots=True)
class SippResult:
    """What SIPp counted; ``errors`` is its error log, ``messages`` what went by (only when calls are few)."""

    successful: int
    failed: int
    retransmissions: int
    exit_code: int
    errors: str
    messages: str

    def check(self, calls: int) -> None:
        """Assert that all of ``calls`` calls went by the scenario and none otherwise."""
        assert (self.successful, self.failed) == (calls, 0), self.report(calls)

    def report(self, calls: int) -> str:
        counted = f"{self.successful} good, {self.failed} failed of {calls}"
        return f"{counted}; errors:\n{self.errors[:4000]}\n{self.messages[-8000:]}"


class Sipp:
    """One run of a scenario in ``tests/interop/scenarios``; ends by itself after ``calls`` calls.

    A caller names ``remote`` (HOST:PORT) and whom it calls (``service``); a callee leaves ``remote`` empty.
    ``keys`` fill the scenario's ``[name]`` fields, ``texts`` replace its ``@name@`` marks. ``hold_s`` is the
    length of a ``<pause/>``.
    """

    def __init__(
        self,
        folder: Path,
        scenario: str,
        *,
        remote: str = "",
        service: str = "",
        user: str = "",
        password: str = "",
        keys: dict[str, str] | None = None,
        texts: dict[str, str] | None = None,
        calls: int = 1,
        rate: float = 10.0,
        hold_s: float = 0.2,
        transport: Literal["udp", "tcp"] = "udp",
        host: str = "127.0.0.1",
    ) -> None:
        self.host = host
        self.port = free_ports(10, host)
        self.calls = calls
        self.transport = transport
        self.folder = folder / f"sipp-{scenario}-{self.port}"
        self._scenario = scenario
        self._texts = texts or {}
        self._callee = not remote
        self._options = self._options_for(remote, service, user, password, keys or {}, rate, hold_s)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def uri(self) -> str:
        """A contact under which this SIPp is reached."""
        return f"sip:sipp@{self.host}:{self.port};transport={self.transport}"

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True)
        text = (SCENARIOS / f"{self._scenario}.xml").read_text()
        for name, value in self._texts.items():
            text = text.replace(f"@{name}@", value)
        left = re.findall(r"@[a-z_]+@", text)
        assert not left, f"scenario {self._scenario} needs texts for {left}"
        (self.folder / "scenario.xml").write_text(text)
        with (self.folder / "screen").open("wb") as screen:
            self._process = await asyncio.create_subprocess_exec(
                program("sipp"),
                *self._options,
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=screen,
                stderr=screen,
            )
        if self._callee:
            await self._listening()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await end_process(self._process)

    async def finish(self, within: float = 60.0) -> SippResult:
        """Wait until all calls have ended, and count."""
        assert self._process is not None, "SIPp is not started"
        try:
            exit_code = await asyncio.wait_for(self._process.wait(), within)
        except TimeoutError:
            await end_process(self._process)
            report = self._count(-1).report(self.calls)
            raise AssertionError(f"SIPp {self._scenario} did not end within {within} s: {report}") from None
        return self._count(exit_code)

    async def succeed(self, within: float = 60.0) -> SippResult:
        """``finish`` and assert that every call went by the scenario."""
        result = await self.finish(within)
        result.check(self.calls)
        return result

    def _options_for(
        self,
        remote: str,
        service: str,
        user: str,
        password: str,
        keys: dict[str, str],
        rate: float,
        hold_s: float,
    ) -> list[str]:
        options = [remote] if remote else []
        options += [
            "-sf",
            "scenario.xml",
            "-i",
            self.host,
            "-p",
            str(self.port),
            "-mp",
            str(free_ports(10, self.host)),
        ]
        options += [
            "-t",
            _MODES[self.transport],
            "-m",
            str(self.calls),
            "-r",
            str(rate),
            "-d",
            str(round(hold_s * 1000)),
        ]
        if remote:
            # By default SIPp hashes a URI without a user, which is not the Request-URI (RFC 7616 §3.4).
            options += ["-auth_uri", f"{service}@{remote}" if service else keys["domain"]]
        options += ["-nostdin", "-trace_stat", "-stf", "statistics.csv", "-fd", "1"]
        options += ["-trace_err", "-error_file", "errors.log", "-cp", str(self.port + 5)]
        if self.calls <= _TRACED_CALLS:
            options += ["-trace_msg", "-message_file", "messages.log"]
        for name, value in (("-s", service), ("-au", user), ("-ap", password)):
            options += [name, value] if value else []
        for name, value in keys.items():
            options += ["-key", name, value]
        return options

    async def _listening(self, within: float = 60.0) -> None:
        assert self._process is not None
        async with asyncio.timeout(within):
            while not is_bound(self.port, self.transport):
                assert self._process.returncode is None, f"SIPp ended at once: {self._read('screen')[-2000:]}"
                await asyncio.sleep(0.02)

    def _count(self, exit_code: int) -> SippResult:
        rows = list(csv.reader(self._read("statistics.csv").splitlines(), delimiter=";"))
        last = dict(zip(rows[0], rows[-1], strict=False)) if len(rows) > 1 else {}
        return SippResult(
            successful=int(last.get("SuccessfulCall(C)", 0)),
            failed=int(last.get("FailedCall(C)", 0)),
            retransmissions=int(last.get("Retransmissions(C)", 0)),
            exit_code=exit_code,
            errors=self._read("errors.log") or ("" if last else self._read("screen")[-2000:]),
            messages=self._read("messages.log"),
        )

    def _read(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""


async def both_succeed(caller: Sipp, callee: Sipp, within: float) -> tuple[SippResult, SippResult]:
    """Let both run to their ends; when one fails, tell what both say."""
    ended = await asyncio.gather(caller.succeed(within), callee.succeed(within), return_exceptions=True)
    asked, answered = ended
    if isinstance(asked, BaseException) or isinstance(answered, BaseException):
        raise AssertionError(f"caller: {asked}\ncallee: {answered}")  # noqa: TRY004  (no type is checked)
    return asked, answered
