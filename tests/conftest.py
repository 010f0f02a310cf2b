"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from hypothesis import settings

from tests.schedule import Schedule, turn

# The machine may be busy with peers: how long one example takes says nothing here.
settings.register_profile("trunkline", deadline=None, print_blob=True)
settings.load_profile("trunkline")

# A shell starts its background jobs deaf to Ctrl-C, and the programs that we start would be so too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    config.option.loadscopereorder = False  # the order is ours
    return Schedule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=turn)
