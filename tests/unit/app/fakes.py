"""A stand-in for the exchange: answers what it is told to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from trunkline.app.ports import Handlers
from trunkline.app.settings.file import Loaded
from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    AddExtension,
    CallList,
    CallRow,
    ExchangeStatus,
    ExplainCall,
    ExplainNumber,
    Explanation,
    ExtensionAdded,
    ExtensionList,
    ExtensionRemoved,
    ExtensionRow,
    ExtensionsImported,
    GeneratedPassword,
    HangUp,
    HungUp,
    ImportExtensions,
    ListCalls,
    ListenerRow,
    ListExtensions,
    ListRecords,
    ListRegistrations,
    RecordList,
    RecordRow,
    Refused,
    RegistrationList,
    RegistrationRow,
    RemoveExtension,
    Request,
    RowProblem,
    Status,
    Stop,
    Stopping,
    StoryStep,
)

STEPS = (
    StoryStep(0, "call.received", "INVITE from 1001"),
    StoryStep(12, "route.extension", "1002 is an extension", {"contacts": 2}),
)


class FakeExchange:
    """Handlers over a dictionary of extensions; one call, one registration, a few records."""

    def __init__(self, *numbers: str) -> None:
        self.extensions = {number: ExtensionRow(number, f"Phone {number}") for number in numbers}
        self.asked: list[Request[Any]] = []
        self.opened = 0
        self.closed = 0
        self._answers: dict[type, Callable[[Any], Message]] = {
            AddExtension: self._add,
            ListExtensions: self._list,
            RemoveExtension: self._remove,
            ImportExtensions: self._import,
            ListRecords: self._records,
            ListCalls: lambda _: CallList(rows=(call_row(),)),
            ListRegistrations: lambda _: RegistrationList(rows=(registration_row(),)),
            ExplainNumber: lambda ask: explanation(f"{ask.caller} dials {ask.number}"),
            ExplainCall: lambda ask: explanation(f"call {ask.call}"),
            HangUp: self._hang_up,
            Status: lambda _: status(),
            Stop: lambda ask: Stopping(calls=2, grace_s=10.0 if ask.grace_s is None else ask.grace_s),
        }

    def answer(self, kind: type, reply: Callable[[Any], Message]) -> None:
        """What one kind of request gets from now on."""
        self._answers[kind] = reply

    async def handle(self, message: Request[Any]) -> Message:
        self.asked.append(message)
        return self._answers[type(message)](message)

    def run(self, loaded: Loaded) -> int:
        raise NotImplementedError

    @asynccontextmanager
    async def open_offline(self, _loaded: Loaded) -> AsyncIterator[Handlers]:
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1

    def _add(self, ask: AddExtension) -> Message:
        if ask.number in self.extensions:
            raise Refused("extension.exists", f"{ask.number} exists", "remove it first", 409)
        row = self.extensions[ask.number] = ExtensionRow(ask.number, ask.name, ask.contact)
        weak = (f"the password of {ask.number} is weak: it is short",) if ask.password else ()
        return ExtensionAdded(extension=row, password=None if ask.password else "abcd-efgh", warnings=weak)

    def _list(self, ask: ListExtensions) -> Message:
        rest = [row for number, row in sorted(self.extensions.items()) if number > (ask.after or "")]
        page = tuple(rest[: ask.limit])
        return ExtensionList(rows=page, next=page[-1].number if len(rest) > ask.limit else None)

    def _remove(self, ask: RemoveExtension) -> Message:
        if self.extensions.pop(ask.number, None) is None:
            raise Refused("extension.unknown", f"no extension {ask.number}", status=404)
        return ExtensionRemoved(number=ask.number, bindings=1)

    def _import(self, ask: ImportExtensions) -> Message:
        taken = [row for row in ask.rows if row.number in self.extensions and not ask.replace]
        if taken or ask.check:
            return ExtensionsImported(
                problems=tuple(RowProblem(row.line, f"{row.number} exists") for row in taken)
            )
        for row in ask.rows:
            self.extensions[row.number] = ExtensionRow(row.number, row.name, row.contact)
        chosen = tuple(GeneratedPassword(row.number, "pq-rs") for row in ask.rows if row.password is None)
        return ExtensionsImported(added=len(ask.rows), generated=chosen, warnings=("one is weak",))

    def _records(self, ask: ListRecords) -> Message:
        start = int(ask.after or 0)
        rows = tuple(record_row(at) for at in range(start, start + ask.limit))
        return RecordList(rows=rows, next=str(start + ask.limit))

    def _hang_up(self, ask: HangUp) -> Message:
        if ask.call != "c-1":
            raise Refused("call.unknown", f"no call {ask.call}", "trunkline calls lists them", 404)
        return HungUp(call=ask.call, legs=2)


def call_row() -> CallRow:
    return CallRow("c-1", "1001", "1002", "answered", 1_700_000_000.0, 75.4, 2, "relay")


def registration_row() -> RegistrationRow:
    return RegistrationRow(
        "1001", "sip:1001@192.0.2.9", "192.0.2.9:5060", "udp", "Phone\x1b[2J 1.0", 1_700_000_000.0, 59.9
    )


def record_row(at: int = 0) -> RecordRow:
    return RecordRow(
        f"r-{at}",
        "c-1",
        "in",
        "1001",
        "1002",
        "",
        100.0 + at,
        200.0,
        190.0,
        200,
        "OK",
        "call.ended",
        story=STEPS,
    )


def explanation(subject: str) -> Explanation:
    return Explanation(
        subject=subject, outcome="route.extension", text="rings 2 contacts", status=486, steps=STEPS,
        legs=(record_row(),),
    )  # fmt: skip


def status() -> ExchangeStatus:
    return ExchangeStatus(
        version="0.1.0", pid=42, state="running", started_at=1_700_000_000.0, uptime_s=90_061.0,
        domain="a.example", data="/d", extensions=3, registrations=2, calls=1, ports_open=4, ports_free=96,
        warnings=("disk is full",),
        listeners=(ListenerRow("udp:0.0.0.0:5060", "phones", "192.0.2.1:5060"),),
    )  # fmt: skip
