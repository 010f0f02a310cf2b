"""The figures of one run of the bench: single samples, their medians, and ratios to the peers."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

OURS = ("trunkline", "trunkline engine")
MOST_FAILED = 0.001
LEAST_REACHED = 0.9
"""A load is sustained when at most that share of its units failed and this share of its rate was reached."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run of one server."""

    measure: str
    """The unit of work and its load, such as `call, 200/s`: rows of one measure are compared."""
    server: str
    cpu_us: float
    """CPU time of the server's process tree per unit, in microseconds."""
    per_s: float
    """Units a second that were reached."""
    failed: float
    """Share of the units that failed or were lost, 0 to 1."""
    busy: float
    """Share of one processor that the server used, 0 to 1; more with several processors."""
    p99_us: float | None = None
    """99th percentile of the response time or of the relay's one-way delay, in microseconds."""
    asked_per_s: float | None = None
    """Units a second that the load was to make; None where it went as fast as the server allowed."""
    p50_us: float | None = None
    """Its median, in microseconds."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a server grew by while it held many units of one kind."""

    unit: str
    server: str
    bytes_each: float
    units: int
    settled: bool
    """True when completed transactions had time to go before the reading."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A server that could not be measured."""

    server: str
    why: str
    """What to do about it, such as the line that installs it."""


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of one server under one measure."""

    measure: str
    server: str
    cpu_us: float
    per_s: float
    failed: float
    busy: float
    p99_us: float | None
    asked_per_s: float | None
    p50_us: float | None
    runs: int
    ours_to_this: float | None
    """Our CPU per unit divided by this server's, in the same run; None for ourselves."""

    @property
    def sustained(self) -> bool:
        """Whether the server kept up: the figures of one that did not say little."""
        reached = self.asked_per_s is None or self.per_s >= LEAST_REACHED * self.asked_per_s
        return self.failed <= MOST_FAILED and reached


@dataclass(slots=True)
class Report:
    """All that one run of the bench has found."""

    samples: list[Sample] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """One row a measure and server, in the order in which they were first measured."""
        groups: defaultdict[str, defaultdict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
        for sample in self.samples:
            groups[sample.measure][sample.server].append(sample)
        return [row for by_server in groups.values() for row in _rows_of_one_measure(by_server)]

    def as_json(self) -> dict[str, Any]:
        """The report for programs; every number in the unit that its name says."""
        return {
            "rows": [{**asdict(row), "sustained": row.sustained} for row in self.rows()],
            "memory": [asdict(memory) for memory in self.memories],
            "samples": [asdict(sample) for sample in self.samples],
            "missing": [asdict(missing) for missing in self.missing],
            "notes": self.notes,
        }


def _median_of(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _rows_of_one_measure(by_server: dict[str, list[Sample]]) -> Iterable[Row]:
    cpu = {server: median(sample.cpu_us for sample in samples) for server, samples in by_server.items()}
    our_cpu = next((cpu[name] for name in OURS if name in cpu), None)
    for server, samples in by_server.items():
        compared = our_cpu is not None and server not in OURS and cpu[server] > 0
        yield Row(
            measure=samples[0].measure,
            server=server,
            cpu_us=cpu[server],
            per_s=median(sample.per_s for sample in samples),
            failed=median(sample.failed for sample in samples),
            busy=median(sample.busy for sample in samples),
            p99_us=_median_of(sample.p99_us for sample in samples),
            asked_per_s=samples[0].asked_per_s,
            p50_us=_median_of(sample.p50_us for sample in samples),
            runs=len(samples),
            ours_to_this=our_cpu / cpu[server] if compared and our_cpu is not None else None,
        )
