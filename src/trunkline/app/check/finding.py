"""A finding: how one thing is, and what to do when it is not well."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from trunkline.app.data_folder import DataFolder
from trunkline.app.settings.file import Loaded
from trunkline.base.messages import ExchangeStatus


class Grade(StrEnum):
    """``fail``: the exchange does not start, or a part of it does not work. ``warn``: sooner or later."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` is one line of how it is, ``mend`` what to do about it; free of secrets."""

    area: str
    grade: Grade
    what: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What is looked at: settings, the data folder, and the exchange that runs with it, if one does."""

    loaded: Loaded
    data: DataFolder
    running: ExchangeStatus | None = None


Area: TypeAlias = Callable[[Case], Iterable[Finding]]


class Findings:
    """Makes the findings of one area."""

    __slots__ = ("area",)

    def __init__(self, area: str) -> None:
        self.area = area

    def ok(self, what: str) -> Finding:
        return Finding(self.area, Grade.OK, what)

    def warn(self, what: str, mend: str) -> Finding:
        return Finding(self.area, Grade.WARN, what, mend)

    def fail(self, what: str, mend: str) -> Finding:
        return Finding(self.area, Grade.FAIL, what, mend)
