"""Metrics: families, labels, and a broken gauge that blinds nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import generate_latest

from trunkline.app.metric_families import FAMILIES, reference
from trunkline.app.metrics import Gauges, make_registry

ROOT = Path(__file__).parents[3]


def scrape(gauges: Gauges) -> list[str]:
    return generate_latest(make_registry(gauges, "9.9")).decode().splitlines()


def test_numbers_and_labels_are_read_at_the_scrape() -> None:
    counter = {"n": 0}
    registry = make_registry(
        {"dialogs": lambda: 3, "calls": lambda: {"answered": counter["n"], "busy": 1}}, "9.9"
    )
    counter["n"] = 7
    text = generate_latest(registry).decode()
    assert "trunkline_dialogs 3.0\n" in text
    assert 'trunkline_calls_total{outcome="answered"} 7.0\n' in text
    assert "# TYPE trunkline_calls_total counter" in text or "# TYPE trunkline_calls counter" in text


def test_process_and_build_are_told() -> None:
    lines = scrape({})
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
    assert any(line.startswith("process_cpu_seconds_total ") for line in lines)
    assert any(line.startswith("trunkline_build_info{") and 'version="9.9"' in line for line in lines)
    assert "trunkline_scrape_failures 0.0" in lines


def test_a_broken_gauge_is_counted_and_the_rest_is_read() -> None:
    def broken() -> float:
        raise RuntimeError("no engine")

    lines = scrape({"dialogs": broken, "timers": lambda: 2, "bindings": lambda: {"a": 1}, "calls": lambda: 5})
    assert "trunkline_timers 2.0" in lines
    assert "trunkline_scrape_failures 3.0" in lines
    assert not any(line.startswith("trunkline_dialogs") for line in lines)


def test_a_gauge_of_no_family_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"no metric family reads dialog; did you mean dialogs\?"):
        make_registry({"dialog": lambda: 1}, "1")


def test_every_family_can_be_scraped() -> None:
    gauges: Gauges = {
        family.source: (lambda: {"x": 1.0}) if family.label else (lambda: 1.0) for family in FAMILIES
    }
    text = "\n".join(scrape(gauges))
    for family in FAMILIES:
        suffix = "_total" if family.kind == "counter" else ""
        label = f'{{{family.label}="x"}}' if family.label else ""
        assert f"\n{family.name}{suffix}{label} 1.0" in text


def test_the_committed_reference_is_up_to_date() -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text()
    assert page == reference(), "run: python -m trunkline.app.metric_families > docs/reference/metrics.md"
