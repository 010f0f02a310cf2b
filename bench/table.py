"""The report as text for people."""

from collections.abc import Sequence

from bench.results import Memory, Report, Row

RATE_HEADINGS = (
    "measure", "server", "CPU us/unit", "units/s", "CPU", "failed", "p50 us", "p99 us", "ours/this",
)  # fmt: skip
MEMORY_HEADINGS = ("held", "server", "bytes each", "units", "transactions")


def number(value: float | None) -> str:
    """Three significant digits for small numbers, whole ones from 100 up; a dash for none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def rate_cells(row: Row) -> tuple[str, ...]:
    """The cells of one row; a server that did not keep up is marked with `!`."""
    failed = "0" if row.failed == 0 else f"{row.failed:.2%}"
    mark = "" if row.sustained else " !"
    return (
        row.measure,
        row.server,
        number(row.cpu_us),
        number(row.per_s) + mark,
        f"{row.busy:.0%}",
        failed,
        number(row.p50_us),
        number(row.p99_us),
        number(row.ours_to_this),
    )


def memory_cells(memory: Memory) -> tuple[str, ...]:
    """The cells of one reading of memory."""
    state = "gone" if memory.settled else "included"
    return (memory.unit, memory.server, number(memory.bytes_each), str(memory.units), state)


def align(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: two columns of words on the left, then numbers; a rule under the headings."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return [line(headings), line(["-" * width for width in widths]), *map(line, rows)]


def render(report: Report) -> str:
    """The whole report: CPU and throughput, memory, then what is missing and how to get it."""
    parts = []
    if rows := report.rows():
        lines = align(RATE_HEADINGS, [rate_cells(row) for row in rows])
        if not all(row.sustained for row in rows):
            lines.append("! did not keep up: its figures say little")
        parts.append("\n".join(lines))
    if report.memories:
        parts.append("\n".join(align(MEMORY_HEADINGS, [memory_cells(memory) for memory in report.memories])))
    if report.missing:
        parts.append(
            "\n".join(f"not measured: {missing.server}: {missing.why}" for missing in report.missing)
        )
    if report.notes:
        parts.append("\n".join(report.notes))
    return "\n\n".join(parts) + "\n"
