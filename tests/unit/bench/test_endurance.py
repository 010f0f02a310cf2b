"""What is left behind by each unit is the slope of the line, and the line is drawn."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bench.endurance import slope
from bench.plot import HEIGHT, Point, line_chart


def test_growth_in_the_first_half_does_not_count() -> None:
    """Pools and caches fill up to their bounds there."""
    points = [Point(x, min(x, 50) * 1000.0) for x in range(101)]
    assert slope(points) == pytest.approx(0.0)


def test_a_leak_is_seen_in_bytes_for_each_unit() -> None:
    assert slope([Point(x, 5_000_000.0 + 96 * x) for x in range(0, 200_001, 5_000)]) == pytest.approx(96)


def test_the_line_lies_within_the_picture() -> None:
    chart = line_chart("A < B", "calls", "MiB", [Point(0, 40), Point(200, 41.5)])
    drawing = ET.fromstring(chart)  # noqa: S314  (our own)
    line = drawing.find("{*}polyline")
    assert line is not None
    heights = [float(pair.split(",")[1]) for pair in line.attrib["points"].split()]
    assert 0 < heights[1] < heights[0] < HEIGHT
    assert drawing.findtext("{*}title") == "A < B"


def test_one_point_is_no_line() -> None:
    with pytest.raises(ValueError, match="two points"):
        line_chart("", "", "", [Point(0, 1)])
