"""What has happened, and what would: records and explanations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Query
from trunkline.base.story import Value


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step of a story: ``ms`` since its start, a stable ``code``, a line of ``text``, small ``data``."""

    ms: int
    code: str
    text: str
    data: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A call record: one leg or attempt (see ``trunkline.model.record.CallRecord`` for each field)."""

    id: str
    call: str
    direction: str
    caller: str
    callee: str
    target: str
    started_at: float
    ended_at: float
    answered_at: float | None
    status: int
    reason: str
    code: str
    q850: int | None = None
    ended_by: str = ""
    sip_call_id: str = ""
    quality: dict[str, Any] = field(default_factory=dict)
    story: tuple[StoryStep, ...] = ()


@message("record.page")
class RecordList(Message):
    """Records, newest first."""

    rows: tuple[RecordRow, ...] = ()
    next: str | None = None


@message("record.list")
class ListRecords(Query[RecordList]):
    """Records started at or after ``since``; ``number`` is the caller's or the callee's."""

    offline: ClassVar[bool] = True
    limit: int = PAGE
    after: str | None = None
    since: float | None = None
    number: str | None = None


@message("explanation")
class Explanation(Message):
    """Why a call went, or would go, where it did.

    ``outcome`` is the code of the deciding step, ``text`` says it to people, ``status`` the final SIP status
    (0: none yet). ``legs`` are the records of a call that was.
    """

    subject: str
    outcome: str
    text: str
    status: int = 0
    steps: tuple[StoryStep, ...] = ()
    legs: tuple[RecordRow, ...] = ()


@message("explain.number")
class ExplainNumber(Query[Explanation]):
    """A dry run: what would happen if ``caller`` (an extension) dialled ``number``."""

    offline: ClassVar[bool] = True
    number: str
    caller: str


@message("explain.call")
class ExplainCall(Query[Explanation]):
    """The story of a call that is up or was; ``call`` is its id or a SIP Call-ID. ``call.unknown``."""

    offline: ClassVar[bool] = True
    call: str
