"""Tests here run on the event loop that the product runs on; where little patience is tested, on a patient one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.loopback.patient_loop import PatientLoop
from trunkline.push.apns import pool


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("asyncio") is not None:
        return {"patient": PatientLoop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a busy machine is counted too, a stand-in may take its time to say how many requests it takes."""
    if request.node.get_closest_marker("asyncio") is None:
        monkeypatch.setattr(pool, "_SETTINGS_S", 6.0)
