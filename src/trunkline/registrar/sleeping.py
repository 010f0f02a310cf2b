"""A target that has to be woken first: it stands among the targets of an extension until somebody rings it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.proto.sip.escapes import escape_user
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.push_record import PushRecord
from trunkline.registrar.targets import target_of

_NOWHERE: Final = "asleep.invalid"


class SleepingTarget(Target):
    """A phone that is woken by ``desk``, as ``record`` says; where it is, it tells when it has come.

    Its ``uri`` leads nowhere. ``accepts`` says which ways to the phone may be taken once it is awake. With ``first`` it
    has a connection that stands: it is rung there, and woken only when nothing comes back.
    """

    __slots__ = ("accepts", "desk", "first", "record")

    def __init__(
        self, record: PushRecord, desk: PushDesk, profile: str = "transparent", first: Target | None = None
    ) -> None:
        label = f"{record.user}, asleep ({record.provider})"
        super().__init__(f"sip:{escape_user(record.user)}@{_NOWHERE}", label=label, profile=profile)
        self.record = record
        self.desk = desk
        self.first = first
        self.accepts: Callable[[Target], bool] = lambda _target: True

    def restricted(self, accepts: Callable[[Target], bool]) -> SleepingTarget:
        """The same phone, by certain ways only."""
        first = self.first if self.first is not None and accepts(self.first) else None
        made = SleepingTarget(self.record, self.desk, self.profile, first)
        made.accepts = accepts
        return made

    def awake(self, binding: Binding) -> Target | None:
        """The phone as it is reached now; None when it has come by a way that is not taken."""
        target = target_of(binding, self.desk.flow_from_token, self.desk.registrar)
        target.profile = self.profile
        return target if self.accepts(target) else None


def split(targets: Iterable[Target]) -> tuple[list[Target], list[SleepingTarget]]:
    """Those that are tried at once, and those that sleep; one with a connection is among both."""
    awake: list[Target] = []
    asleep: list[SleepingTarget] = []
    for target in targets:
        if isinstance(target, SleepingTarget):
            asleep.append(target)
            if target.first is not None:
                target.first.profile = target.profile
                awake.append(target.first)
        else:
            awake.append(target)
    return awake, asleep


def able(targets: Iterable[Target], accepts: Callable[[Target], bool]) -> list[Target]:
    """The targets that ``accepts`` lets through; of a phone that sleeps nobody knows yet."""
    return [
        target.restricted(accepts) if isinstance(target, SleepingTarget) else target
        for target in targets
        if isinstance(target, SleepingTarget) or accepts(target)
    ]
