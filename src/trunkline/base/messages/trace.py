"""SIP messages as they came and left: live traces, and what was kept of calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """One SIP message. ``local`` and ``remote`` are "host:port"; ``call`` is its SIP Call-ID.

    ``data`` holds the bytes, one character 0..255 each (ISO 8859-1). Credentials, keys and, unless bodies
    were asked for, texts are covered by as many ``x``.
    """

    at: float
    incoming: bool
    transport: str
    local: str
    remote: str
    call: str
    data: str


@message("trace.started")
class TraceStarted(Message):
    """A live trace, named ``trace`` for whoever reads it; it ends ``lease_s`` after it was read last."""

    trace: str
    lease_s: float = 0.0


@message("trace.start")
class StartTrace(Command[TraceStarted]):
    """Trace from now on: one ``call``, one ``number``, one SIP Call-ID, or (with none of them) everything.

    ``bodies`` shows texts and key presses too. Refused with ``trace.too_many`` or ``call.unknown``.
    """

    call: str | None = None
    number: str | None = None
    sip_call_id: str | None = None
    bodies: bool = False


@message("trace.page")
class TracePage(Message):
    """Messages, oldest first.

    ``lost`` of them did not fit since the last page; ``over`` that no more will come; ``next`` the cursor of
    the following page of a past call.
    """

    rows: tuple[TracedMessage, ...] = ()
    lost: int = 0
    over: bool = False
    next: str | None = None


@message("trace.read")
class ReadTrace(Query[TracePage]):
    """What a live trace has gathered; waits up to ``wait_s`` seconds (0..30) for the first message.

    Refused with ``trace.unknown`` when it has ended.
    """

    trace: str
    wait_s: float = 0.0


@message("trace.stopped")
class TraceStopped(Message):
    """The trace has ended."""

    trace: str


@message("trace.stop")
class StopTrace(Command[TraceStopped]):
    """End a live trace; harmless when it has ended."""

    trace: str


@message("trace.past")
class PastTrace(Query[TracePage]):
    """What was kept of a call; ``call`` is its id, the beginning of it, or a SIP Call-ID of one of its legs.

    Refused with ``call.unknown``, ``call.ambiguous``, ``trace.not_kept``, or ``trace.nothing_yet`` while the
    call is up; then ``over`` is false too.
    """

    offline: ClassVar[bool] = True
    call: str
    limit: int = PAGE
    after: str | None = None
