"""What has happened, and what would: records and explanations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Query
from trunkline.base.story import Value


@dataclass(frozen=True, slots=True)
class StoryStep:
    """One step of a story: ``ms`` since its start, a stable ``code``, a line of ``text``, small ``data``.

    ``stage`` is where it belongs (``identify``, ``route``, ...), ``hint`` what may be done about it, where there is
    something to do.
    """

    ms: int
    code: str
    text: str
    data: dict[str, Value] = field(default_factory=dict)
    stage: str = ""
    hint: str = ""


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
    (0: none yet), ``hint`` what to do about it. ``legs`` are the records of a call that was; a ``dry_run`` is about
    one that nobody has made.
    """

    subject: str
    outcome: str
    text: str
    status: int = 0
    steps: tuple[StoryStep, ...] = ()
    legs: tuple[RecordRow, ...] = ()
    hint: str = ""
    dry_run: bool = False


@message("explain.number")
class ExplainNumber(Query[Explanation]):
    """A dry run: what would happen if ``caller`` (an extension) dialled ``number``, which may be a SIP URI.

    ``source`` is the address it calls from, ``transport`` "udp", "tcp", "tls", "ws" or "wss", ``domain`` what stands
    behind the @; by default those of the caller's registration, and the tenant's domain. ``explain.invalid``.
    """

    offline: ClassVar[bool] = True
    number: str
    caller: str
    source: str | None = None
    transport: str | None = None
    domain: str | None = None


@message("explain.call")
class ExplainCall(Query[Explanation]):
    """The story of a call that is up or was; ``call`` is its id or a SIP Call-ID. ``call.unknown``."""

    offline: ClassVar[bool] = True
    call: str


@message("explain.register")
class ExplainRegister(Query[Explanation]):
    """A dry run: what would happen if a phone registered as ``number``.

    ``source``, ``transport`` and ``domain`` are as those of ``ExplainNumber``; ``contact`` is the URI that it gives,
    ``expires_s`` for how many seconds (0 to leave). ``explain.invalid``.
    """

    offline: ClassVar[bool] = True
    number: str
    source: str | None = None
    transport: str | None = None
    domain: str | None = None
    contact: str | None = None
    expires_s: int | None = None


@dataclass(frozen=True, slots=True)
class BoundRow:
    """A contact at which a number is reached. ``refreshed_at`` is when its phone last asked for more time, None when
    that is not known; ``by_flow`` whether calls go down the way that it came by, which may be gone.
    """

    contact: str
    received: str
    transport: str
    registered_at: float
    refreshed_at: float | None
    expires_s: float
    by_flow: bool
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt to register, or the like ones in a row: ``times`` of them, the last one at ``at``."""

    at: float
    source: str
    times: int
    explanation: Explanation


@message("register.history")
class RegisterHistory(Message):
    """How a number registers: its contacts now, and the last attempts that had something to tell, newest first.

    ``notes`` say what else an operator should know, such as that its source is banned.
    """

    number: str
    known: bool
    bound: tuple[BoundRow, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()
    notes: tuple[str, ...] = ()


@message("register.recent")
class RecentRegisters(Query[RegisterHistory]):
    """The last registrations of a number, ``last`` (1..20) at most; attempts are remembered by a running exchange."""

    offline: ClassVar[bool] = True
    number: str
    last: int = 5
