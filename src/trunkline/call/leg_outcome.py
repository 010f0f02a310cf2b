"""What became of a leg, for its record."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from trunkline.model.record import CallRecord


class LegOutcome:
    """Filled while the leg lives, turned into a record once when it is over.

    ``started_at``, ``answered_at`` and ``ended_at`` are wall-clock seconds; ``ended_by`` is ``caller``,
    ``callee`` or ``exchange``. ``outside``: the party is no extension, whatever its number says. ``hidden``: it
    came here from another call, whose caller wanted to stay unknown.
    """

    __slots__ = (
        "answered_at",
        "callee",
        "caller",
        "code",
        "direction",
        "ended_at",
        "ended_by",
        "hidden",
        "outside",
        "q850",
        "reason",
        "sip_call_id",
        "started_at",
        "status",
        "target",
    )

    def __init__(self, direction: str, caller: str, callee: str, target: str, started_at: float) -> None:
        self.direction = direction
        self.caller = caller
        self.callee = callee
        self.target = target
        self.started_at = started_at
        self.outside = False
        self.hidden = False
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by = ""
        self.status = 0
        self.reason = ""
        self.code = ""
        self.q850: int | None = None
        self.sip_call_id = ""

    @property
    def number(self) -> str:
        """Who the leg's party is: who began the call, else who was called."""
        return self.caller if self.direction == "in" else self.callee

    def end(self, at: float, by: str, status: int, reason: str, code: str, q850: int | None = None) -> None:
        """Take note of the end; the first one counts."""
        if self.ended_at is None:
            self.ended_at = at
            self.ended_by = by
            self.status = status
            self.reason = reason
            self.code = code
            self.q850 = q850

    def snapshot(self) -> dict[str, Any]:
        """Plain, JSON-serialisable data."""
        return dict(zip(self.__slots__, _all_of(self), strict=True))

    @classmethod
    def restore(cls, data: dict[str, Any]) -> LegOutcome:
        """The outcome of a snapshot; raises KeyError when something is missing."""
        outcome = cls.__new__(cls)
        for name in cls.__slots__:
            setattr(outcome, name, data.get(name, False) if name in {"outside", "hidden"} else data[name])
        return outcome

    def record(
        self,
        tenant: str,
        leg: str,
        call: str,
        quality: dict[str, Any] | None = None,
        story: list[dict[str, Any]] | None = None,
    ) -> CallRecord:
        """The record of this leg; its ``id`` is the leg's, so that it cannot be stored twice."""
        return CallRecord(
            tenant,
            leg,
            call,
            self.direction,
            self.caller,
            self.callee,
            self.target,
            self.started_at,
            self.ended_at if self.ended_at is not None else self.started_at,
            self.answered_at,
            self.status,
            self.reason,
            self.code,
            self.q850,
            self.ended_by,
            self.sip_call_id,
            quality or {},
            story or [],
        )


_all_of = attrgetter(*LegOutcome.__slots__)
