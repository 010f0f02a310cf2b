"""Metrics: plain Python counters, read when Prometheus asks.

The hot path only does ``counter += 1`` on objects of its own; nothing of prometheus-client runs there. At a
scrape each family's callable is asked for a number, or for a mapping of label value to number.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TypeAlias

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from trunkline.app.metric_families import BUILD, FAILED, FAMILIES, Family

Reading: TypeAlias = float | Mapping[str, float]
Gauges: TypeAlias = Mapping[str, Callable[[], Reading]]
log = structlog.get_logger("metrics")


class ExchangeCollector(Collector):
    """Yields the families whose ``source`` is in ``gauges``; raises ValueError for a name that is none."""

    def __init__(self, gauges: Gauges, version: str) -> None:
        known = [family.source for family in FAMILIES]
        for name in gauges:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ValueError(f"no metric family reads {name}{hint}")
        self._sources = [(family, gauges[family.source]) for family in FAMILIES if family.source in gauges]
        self._version = version
        self._complained: set[str] = set()

    def describe(self) -> Iterable[Metric]:
        """Nothing: describing must not read counters before the exchange has started."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One reading of everything. A source that raises is left out and counted, not the whole scrape."""
        failed = 0
        for family, source in self._sources:
            metric = self._read(family, source)
            if metric is None:
                failed += 1
            else:
                yield metric
        yield GaugeMetricFamily(*FAILED, value=failed)
        yield InfoMetricFamily(*BUILD, value={"version": self._version, "python": platform.python_version()})

    def _read(self, family: Family, source: Callable[[], Reading]) -> Metric | None:
        try:
            return _metric(family, source())
        except Exception:
            if family.source not in self._complained:
                self._complained.add(family.source)
                log.exception("a metric cannot be read", metric=family.name)
            return None


def _metric(family: Family, reading: Reading) -> Metric:
    labels = [family.label] if family.label else []
    make = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = make(family.name, family.help, labels=labels)
    if isinstance(reading, Mapping) != bool(family.label):
        raise TypeError(f"{family.source} must be {'a mapping' if family.label else 'a number'}")
    if isinstance(reading, Mapping):
        for value, number in sorted(reading.items()):
            metric.add_metric([value], number)
    else:
        metric.add_metric([], reading)
    return metric


def make_registry(gauges: Gauges, version: str) -> CollectorRegistry:
    """A registry of our own (not the library's global one) with the exchange's and the process's metrics."""
    registry = CollectorRegistry()
    registry.register(ExchangeCollector(gauges, version))
    ProcessCollector(registry=registry)
    return registry
