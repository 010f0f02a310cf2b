"""The Grafana dashboard asks for what a scrape really gives."""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client import generate_latest

from scripts.dashboard import dashboard
from tests.peers.programs import ROOT
from trunkline.app.metric_families import FAMILIES, Family
from trunkline.app.metrics import make_registry

_METRIC = re.compile(r"\b(?:trunkline|process)_\w+")


def test_the_file_is_current() -> None:
    assert json.loads((ROOT / "deploy/grafana/trunkline.json").read_text()) == dashboard(), "run: make docs"


def test_every_query_names_metrics_of_a_scrape() -> None:
    gauges = {f.source: (lambda f=f: {"a": 1.0} if f.label else 1.0) for f in FAMILIES}
    scrape = generate_latest(make_registry(gauges, "1.2.3")).decode()
    given = set(_METRIC.findall(scrape))
    asked = {
        name
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
        for name in _METRIC.findall(target["expr"])
    }
    assert asked
    assert asked <= given
    assert "trunkline_build_info" in given


def test_every_family_has_a_panel_and_no_two_panels_overlap() -> None:
    panels = dashboard()["panels"]
    drawn = " ".join(target["expr"] for panel in panels for target in panel.get("targets", ()))
    assert [family.name for family in FAMILIES if family.name not in drawn] == []
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.label], ids=lambda f: f.name)
def test_labels_are_kept_apart(family: Family) -> None:
    expressions = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    name, label = family.name, family.label
    assert any(f"by (instance, {label})" in each and name in each for each in expressions)
