"""One run of the bench: its settings, its report, its folder, and which servers can take part."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol, TypeVar

from bench.plan import Settings
from bench.process import BenchError
from bench.results import Memory, Missing, Report, Sample


class Server(Protocol):
    """What every server under measurement has in common."""

    @property
    def name(self) -> str:
        """As it stands in the tables."""

    @property
    def install(self) -> str:
        """What to do where it is missing."""

    def available(self) -> bool:
        """Whether it is installed."""


AnyServer = TypeVar("AnyServer", bound=Server)


@dataclass(slots=True)
class Session:
    """Hands the measurements what they share, and keeps what they find."""

    settings: Settings
    folder: Path
    report: Report = field(default_factory=Report)

    def present(self, servers: Sequence[AnyServer]) -> list[AnyServer]:
        """The servers that are wanted and installed; the others are noted in the report."""
        chosen = []
        for server in servers:
            if self.settings.servers and server.name not in self.settings.servers:
                continue
            if server.available():
                chosen.append(server)
            else:
                self.leave_out(server.name, server.install)
        return chosen

    def attempt(self, server: AnyServer, measure: Callable[["Session", AnyServer], None]) -> bool:
        """Run one measurement; a server that fails is noted in the report and the others go on."""
        try:
            measure(self, server)
        except BenchError as error:
            self.leave_out(server.name, str(error))
            return False
        return True

    def work_folder(self, name: str) -> Path:
        """A fresh folder for one start of a server; all of them go with the session's own."""
        return Path(mkdtemp(prefix=f"{name.replace(' ', '-')}-", dir=self.folder))

    def add(self, found: Sample | Memory) -> None:
        """Keep a figure, and say on standard error that there is one."""
        if isinstance(found, Sample):
            self.report.samples.append(found)
            self.say(f"{found.measure}: {found.server}: {found.cpu_us:.1f} us of CPU, {found.per_s:.0f}/s")
        else:
            self.report.memories.append(found)
            self.say(f"{found.unit}: {found.server}: {found.bytes_each:.0f} bytes each")

    def say(self, text: str) -> None:
        """Progress, for people who wait."""
        print(text, file=sys.stderr, flush=True)

    def leave_out(self, server: str, why: str) -> None:
        """Note what could not be measured, once, and what to do about it."""
        missing = Missing(server, why)
        if missing not in self.report.missing:
            self.report.missing.append(missing)
            self.say(f"not measured: {server}: {why}")
