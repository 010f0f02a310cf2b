"""All areas, beside each other, each with a deadline."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from trunkline.app.check.accounts import accounts
from trunkline.app.check.api import api
from trunkline.app.check.certificates import certificates
from trunkline.app.check.clock import clock
from trunkline.app.check.disk import disk
from trunkline.app.check.domain import domain
from trunkline.app.check.finding import Area, Case, Finding, Findings, Grade
from trunkline.app.check.limits import limits
from trunkline.app.check.media import media
from trunkline.app.check.ports import ports
from trunkline.app.check.push import push
from trunkline.app.check.push_services import push_services
from trunkline.app.check.running import exchange, find_running
from trunkline.app.check.signatures import signatures
from trunkline.app.check.trunks import trunks
from trunkline.app.data_folder import find_data_folder
from trunkline.app.settings.errors import ConfigErrors
from trunkline.app.settings.file import Loaded, load_settings
from trunkline.base.errors import ConfigError

DEADLINE_S = 15.0  # of each area; what is inside of one has shorter ones
_AREAS: Mapping[str, Area] = MappingProxyType({
    "ports": ports,
    "media": media,
    "certificates": certificates,
    "dns": domain,
    "trunks": trunks,
    "signatures": signatures,
    "api": api,
    "push": push,
    "push services": push_services,
    "accounts": accounts,
    "disk": disk,
    "clock": clock,
    "limits": limits,
    "exchange": exchange,
})  # fmt: skip
# What can be looked at when the settings cannot be read.
_WITHOUT_SETTINGS: Mapping[str, Area] = MappingProxyType({"disk": disk, "clock": clock, "exchange": exchange})
_say = Findings("configuration")


def check(
    config: Path | None = None, data: Path | None = None, deadline_s: float = DEADLINE_S
) -> list[Finding]:
    """Everything that there is to say, in the order of the areas. Raises nothing for what is wrong."""
    try:
        loaded = load_settings(config, data)
    except ConfigError as error:
        wrong = error.errors if isinstance(error, ConfigErrors) else (error,)
        found = [_of_error(one) for one in wrong]
        folder = find_data_folder(data)
        running, said = find_running(folder)
        case = Case(load_settings(None, data), folder, running)
        return [*found, *said, *look(case, _WITHOUT_SETTINGS, deadline_s)]
    running, said = find_running(loaded.data)
    case = Case(loaded, loaded.data, running)
    return [*_settings(loaded), *said, *look(case, _AREAS, deadline_s)]


def look(case: Case, areas: Mapping[str, Area], deadline_s: float) -> list[Finding]:
    """Every area in a thread of its own; one that does not end in time is told so and left to itself."""
    end = time.monotonic() + deadline_s
    waiting = {name: _begin(name, area, case) for name, area in areas.items()}
    found: list[Finding] = []
    for name, answer in waiting.items():
        try:
            found += answer.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            found.append(
                Findings(name).fail(
                    f"no answer within {deadline_s:g} s", "look whether a disk or server hangs"
                )
            )
    return found


def _begin(name: str, area: Area, case: Case) -> queue.SimpleQueue[list[Finding]]:
    answer: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()

    def run() -> None:
        answer.put(_guarded(name, area, case))

    threading.Thread(target=run, name=f"check {name}", daemon=True).start()
    return answer


def _guarded(name: str, area: Area, case: Case) -> list[Finding]:
    """A check that itself fails must not hide the others."""
    found: list[Finding] = []
    try:
        found.extend(area(case))
    except Exception as error:  # noqa: BLE001  (told as a finding)
        found.append(
            Findings(name).fail(f"this check failed: {type(error).__name__}: {error}", "please report it")
        )
    return found


def _settings(loaded: Loaded) -> Iterator[Finding]:
    where = str(loaded.config) if loaded.config is not None else "no file: every setting has its default"
    yield _say.ok(where)
    for notice in loaded.notices:
        if "not active" in notice:
            yield _say.warn(notice, "nothing, or take it out of the file")
        else:
            yield _say.ok(notice)


def _of_error(error: ConfigError) -> Finding:
    mend = error.hint or f"expected {error.expected}"
    return _say.fail(f"{error.source}: {error.key}: saw {error.seen}, expected {error.expected}", mend)


def worst(findings: Iterable[Finding]) -> Grade:
    """The worst grade among them."""
    grades = {finding.grade for finding in findings}
    return next((grade for grade in (Grade.FAIL, Grade.WARN) if grade in grades), Grade.OK)
