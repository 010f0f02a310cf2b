"""Which event loop tests run on: that of a busy machine's patience, unless sound has to keep the machine's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.loopback.patient_loop import PatientLoop

_SOUND = Path(__file__).parent / "media"


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.parent == _SOUND and not item.path.name.startswith("test_ng_"):
        return {"asyncio": asyncio.new_event_loop}
    return {"patient": PatientLoop}
