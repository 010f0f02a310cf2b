"""Line charts as SVG: enough to see whether a line rises, and which of several lies lower."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 760
HEIGHT: Final = 320
_LEFT: Final = 70
_RIGHT: Final = 20
_TOP: Final = 46
_BOTTOM: Final = 52
_TICKS: Final = 5
_NAME_HEIGHT: Final = 14

_STYLE: Final = """\
    .page { fill: #ffffff; stroke: #d0d7de; }
    .grid { stroke: #d0d7de; }
    .axis { stroke: #59636e; }
    .line { stroke: #0969da; stroke-width: 2; fill: none; }
    text { fill: #1f2328; font: 12px sans-serif; }
    .head { font-weight: 600; font-size: 15px; }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117; stroke: #3d444d; }
      .grid { stroke: #3d444d; }
      .axis { stroke: #9198a1; }
      .line { stroke: #388bfd; }
      text { fill: #f0f6fc; }
    }"""


_INKS: Final = (
    ("#0969da", "#388bfd"),
    ("#cf222e", "#ff7b72"),
    ("#1a7f37", "#3fb950"),
    ("#8250df", "#bc8cff"),
    ("#bc4c00", "#ffa657"),
    ("#57606a", "#9198a1"),
)
"""Of each line, on light and on dark ground."""
MOST_LINES: Final = len(_INKS)


class Point(NamedTuple):
    """Where the line passes, in the units of the axes."""

    x: float
    y: float


class Series(NamedTuple):
    """One of several lines."""

    name: str
    points: Sequence[Point]


def line_chart(title: str, across: str, upwards: str, points: Sequence[Point]) -> str:
    """One line from 0 to a little above the highest value; ``across`` and ``upwards`` name the axes.

    Raises ValueError for fewer than two points.
    """
    return line_charts(title, across, upwards, [Series("", points)])


def line_charts(title: str, across: str, upwards: str, lines: Sequence[Series]) -> str:
    """Up to six lines with their names at their right ends.

    Raises ValueError for more of them, for none, and for fewer than two points in one.
    """
    if not 1 <= len(lines) <= MOST_LINES:
        raise ValueError(f"a chart has 1 to {MOST_LINES} lines, seen {len(lines)}")
    if (fewest := min(len(line.points) for line in lines)) < 2:
        raise ValueError(f"a line has at least two points, seen {fewest}")
    right = max(point.x for line in lines for point in line.points)
    top = _ceiling(max(point.y for line in lines for point in line.points))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"  <title>{escape(title)}</title>",
        f"  <style>\n{_STYLE}{_inks(len(lines))}\n  </style>",
        f'  <rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>',
        f'  <text class="head" x="{_LEFT}" y="28">{escape(title)}</text>',
        *_grid(right, top),
        *(_drawn(number, line, right, top) for number, line in enumerate(lines)),
        *_names(lines, right, top),
        f'  <text x="{(_LEFT + WIDTH - _RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>',
        f'  <text x="14" y="{_TOP - 8}">{escape(upwards)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _drawn(number: int, line: Series, right: float, top: float) -> str:
    points = " ".join(f"{_x(point.x, right):.1f},{_y(point.y, top):.1f}" for point in line.points)
    return f'  <polyline class="{_kind(number)}" points="{points}"/>'


def _inks(lines: int) -> str:
    """The styles of the second line and those after it, and of their names."""
    light = "".join(f"\n    .line{n} {{ stroke: {_INKS[n][0]}; }}" for n in range(1, lines))
    light += "".join(f"\n    .name{n} {{ fill: {_INKS[n][0]}; }}" for n in range(lines) if lines > 1)
    dark = "".join(f" .line{n} {{ stroke: {_INKS[n][1]}; }}" for n in range(1, lines))
    dark += "".join(f" .name{n} {{ fill: {_INKS[n][1]}; }}" for n in range(lines))
    return f"{light}\n    @media (prefers-color-scheme: dark) {{{dark} }}" if lines > 1 else ""


def _kind(number: int) -> str:
    return f"line line{number}" if number else "line"


def _names(lines: Sequence[Series], right: float, top: float) -> list[str]:
    """Each above the end of its line, or higher where another name stands."""
    drawn, taken = [], float("inf")
    ends = sorted(enumerate(lines), key=lambda each: each[1].points[-1].y)
    for number, (name, points) in filter(lambda each: each[1].name, ends):
        taken = min(_y(points[-1].y, top) - 6, taken - _NAME_HEIGHT)
        x = _x(points[-1].x, right) - 4
        drawn.append(
            f'  <text class="name{number}" x="{x:.1f}" y="{taken:.1f}" text-anchor="end">{escape(name)}</text>'
        )
    return drawn


def _grid(right: float, top: float) -> list[str]:
    lines = []
    for tick in range(_TICKS + 1):
        across, upwards = right * tick / _TICKS, top * tick / _TICKS
        x, y = _x(across, right), _y(upwards, top)
        kind = "grid" if tick else "axis"
        lines += [
            f'  <line class="{kind}" x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}"/>',
            f'  <text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{upwards:,.0f}</text>',
            f'  <text x="{x:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{across:,.0f}</text>',
        ]
    return lines


def _x(value: float, right: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * value / right


def _y(value: float, top: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top


def _ceiling(value: float) -> float:
    """A round number a little above the value, so that ticks are round too."""
    step = _TICKS
    while step * 20 < value:
        step *= 2
    return step * (int(value / step) + 1)
