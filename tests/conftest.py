"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it has no types

from tests.rules import RuleReport, marked_rules, rules

# The machine may be busy with peers: how long an example takes, or to think of one, says nothing here. The examples
# are the same each time: who changes something else must not meet a new one by chance. To look for new ones is what
# `make fuzz` is for.
settings.register_profile(
    "trunkline",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("trunkline")

# A shell starts its background jobs deaf to Ctrl-C, and the programs that we start would be so too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Commands that run within the tests set levels and outputs of the whole process."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


# The files and pages that take longest, longest first: begun late, one of them would be left over alone. Then come
# the folders whose tests wait for other programs.
_FIRST = (
    "tests/interop/test_rtpengine_calls.py",
    "tests/interop/test_crash.py",
    "tests/interop/test_load.py",
    "tests/interop/test_service_numbers.py",
    "tests/interop/test_mobile_crashes.py",
    "tests/interop/test_service_codecs.py",
    "tests/loopback/media/test_kernel_path.py",
    "tests/interop/test_sipp_calls.py",
    "tests/interop/test_scanners.py",
    "tests/interop/test_audio_sockets.py",
    "tests/interop/test_traces.py",
    "tests/interop/test_web_client.py",
    "tests/loopback/api/test_document.py",
    "tests/loopback/test_terminal.py",
    "tests/interop/test_conference.py",
    "tests/interop/test_phone_command.py",
    "tests/interop/test_encrypted_calls.py",
    "tests/interop/test_mobile_gateway.py",
    "tests/loopback/test_operation.py",
    "tests/loopback/test_many_extensions.py",
    "tests/loopback/media/",
    "tests/docs/test_pages.py::test_every_marked_command_does_what_the_page_says[docs/tutorial/",
    "tests/docs/test_pages.py::test_every_marked_command_does_what_the_page_says[docs/how-to/",
    "tests/interop/",
    "tests/loopback/test_backup_running.py",
    "tests/docs/",
    "tests/loopback/",
    "tests/unit/fuzz/",
    "tests/unit/test_layering.py",
    "tests/unit/store/",
    "tests/unit/app/",
)
_PAGES = "tests/docs/test_pages.py"  # each page is a test by itself


class _Scheduling(LoadFileScheduling):  # type: ignore[misc]  # hence
    """The tests of a file stay in one process, for they share its fixtures; each page is by itself anyway."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(_PAGES) else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling:
    config.option.loadscopereorder = False  # the order is ours
    return _Scheduling(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rules", action="store_true", help="sum up the outcomes by rule of interoperability")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--rules") and "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(RuleReport())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: looking through it for garbage would take a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several processes begin with the long files, so that none is left over with one in the end."""
    known = {rule.number for rule in rules()}
    for item in items:
        numbers = marked_rules(item)
        if unknown := set(numbers) - known:
            raise pytest.UsageError(f"{item.nodeid}: {unknown.pop()} is not in tests/rules.toml")
        item.user_properties += [("rule", number) for number in numbers]
    if config.getoption("--rules"):
        items[:] = [item for item in items if any(name == "rule" for name, _ in item.user_properties)]
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    return next((turn for turn, folder in enumerate(_FIRST) if item.nodeid.startswith(folder)), len(_FIRST))
