"""Write the Grafana dashboard: one panel for each metric family, so that none is forgotten.

``python scripts/dashboard.py`` prints it; ``make docs`` keeps ``deploy/grafana/trunkline.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from itertools import count
from typing import Any, Final

from trunkline.app.metric_families import FAMILIES, Family

WIDTH: Final = 24  # columns of Grafana's grid
PANEL_WIDTH: Final = 8
PANEL_HEIGHT: Final = 7
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
INSTANCE: Final = '{instance=~"$instance"}'

# Row by the first word of the metric's name after "trunkline_"; whatever comes new goes into the last.
ROWS: Final = (
    ("Calls", ("calls", "dialogs", "texts", "records")),
    ("Apps", ("push", "pushes")),
    ("Registrations and access", ("registrations", "bindings", "register", "auth", "bans", "fence")),
    ("SIP", ("sip", "transactions", "timers", "connections", "tls", "dns")),
    ("Media", ("media", "rtp", "prompts", "recordings")),
    ("The program", ()),
)
PROCESS: Final = (
    ("CPU", f"rate(process_cpu_seconds_total{INSTANCE}[$__rate_interval])", "percentunit"),
    ("Memory", f"process_resident_memory_bytes{INSTANCE}", "bytes"),
    ("Open files", f"process_open_fds{INSTANCE} / process_max_fds{INSTANCE}", "percentunit"),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana 9 and later import it."""
    return {
        "title": "Trunkline",
        "uid": "trunkline",
        "tags": ["trunkline", "sip"],
        "schemaVersion": 37,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), _instance()]},
        "panels": list(_panels()),
    }


def expression(family: Family) -> str:
    """The query of a family: rates of counters, values of gauges, by label where there is one."""
    if family.kind == "counter":
        inner = f"rate({family.name}_total{INSTANCE}[$__rate_interval])"
    else:
        inner = f"{family.name}{INSTANCE}"
    return f"sum by ({', '.join(filter(None, ('instance', family.label)))}) ({inner})"


def _panels() -> Iterable[dict[str, Any]]:
    numbers, top = count(1), 0
    for title, families in _rows():
        yield {"type": "row", "id": next(numbers), "title": title, "panels": [], **_at(0, top, WIDTH, 1)}
        top += 1
        drawn = [_panel(f.help, expression(f), "ops" if f.kind == "counter" else "short") for f in families]
        if not dict(ROWS)[title]:
            drawn += [_panel(*each) for each in PROCESS]
        for place, panel in enumerate(drawn):
            line, column = divmod(place, WIDTH // PANEL_WIDTH)
            at = _at(column * PANEL_WIDTH, top + line * PANEL_HEIGHT, PANEL_WIDTH, PANEL_HEIGHT)
            yield {"id": next(numbers), **panel, **at}
        top += -(-len(drawn) * PANEL_WIDTH // WIDTH) * PANEL_HEIGHT


def _rows() -> list[tuple[str, list[Family]]]:
    rows: dict[str, list[Family]] = {title: [] for title, _ in ROWS}
    for family in FAMILIES:
        rows[_row_of(family)].append(family)
    return list(rows.items())


def _row_of(family: Family) -> str:
    word = family.name.removeprefix("trunkline_").partition("_")[0]
    return next((title for title, words in ROWS if word in words), ROWS[-1][0])


def _panel(title: str, query: str, unit: str) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": SOURCE, "expr": query}],
    }


def _at(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    return {"gridPos": {"x": x, "y": y, "w": width, "h": height}}


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _instance() -> dict[str, Any]:
    return {
        "name": "instance",
        "label": "Node",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(trunkline_build_info, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dashboard(), indent=2) + "\n")
