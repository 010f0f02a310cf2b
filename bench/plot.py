"""A line chart as SVG: enough to see whether a line rises."""

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


class Point(NamedTuple):
    """Where the line passes, in the units of the axes."""

    x: float
    y: float


def line_chart(title: str, across: str, upwards: str, points: Sequence[Point]) -> str:
    """One line from 0 to a little above the highest value; ``across`` and ``upwards`` name the axes.

    Raises ValueError for fewer than two points.
    """
    if len(points) < 2:
        raise ValueError(f"a line has at least two points, seen {len(points)}")
    right, top = max(point.x for point in points), _ceiling(max(point.y for point in points))
    line = " ".join(f"{_x(point.x, right):.1f},{_y(point.y, top):.1f}" for point in points)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"  <title>{escape(title)}</title>",
        f"  <style>\n{_STYLE}\n  </style>",
        f'  <rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>',
        f'  <text class="head" x="{_LEFT}" y="28">{escape(title)}</text>',
        *_grid(right, top),
        f'  <polyline class="line" points="{line}"/>',
        f'  <text x="{(_LEFT + WIDTH - _RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>',
        f'  <text x="14" y="{_TOP - 8}">{escape(upwards)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


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
