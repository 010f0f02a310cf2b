"""Commands, queries and their replies: what the planes ask of each other.

A **command** changes something, a **query** only reads; both are **requests** and name the type of their
reply. The command line speaks them over the control socket, and the same messages serve when it opens the
store itself. ``tenant`` None is the default tenant. What has happened is told by ``trunkline.base.events``.

Times are wall-clock seconds since 1970 unless a name ends in ``_s`` (a duration in seconds). Lists come in
pages: ``limit`` rows (1..1000) after the cursor ``after``; ``next`` is the following cursor or None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, get_args

from trunkline.base.errors import TrunklineError
from trunkline.base.message_codec import Message, message
from trunkline.base.story import Value

R = TypeVar("R", bound=Message)
PAGE = 500
MAX_PAGE = 1000


@message("problem")
class Problem(Message):
    """Why a request was refused.

    ``code`` is stable (``extension.exists``), ``detail`` one line for people, ``hint`` the next step,
    ``status`` the HTTP status that says the same (400..599). Free of secrets.
    """

    code: str
    detail: str
    hint: str = ""
    status: int = 400


class Refused(TrunklineError):  # noqa: N818  (a normal answer, not a fault)
    """A handler refuses a request; carries the problem that the client is told."""

    def __init__(self, code: str, detail: str, hint: str = "", status: int = 400) -> None:
        super().__init__(f"{detail} ({hint})" if hint else detail)
        self.problem = Problem(code=code, detail=detail, hint=hint, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Message, Generic[R]):
    """A command or a query. ``offline`` tells that it can also be answered without a running exchange."""

    offline: ClassVar[bool] = False
    tenant: str | None = None

    @classmethod
    def reply_type(cls) -> type[Message]:
        """The type of the reply, from ``Command[Reply]``."""
        reply = get_args(cls.__orig_bases__[0])[0]  # type: ignore[attr-defined]
        assert isinstance(reply, type)  # noqa: S101  (our own declaration)
        return reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Request[R]):
    """Changes something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Request[R]):
    """Only reads."""


# --- extensions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExtensionRow:
    """An extension as shown: ``contact`` a fixed address, ``bindings`` how many contacts are registered."""

    number: str
    name: str = ""
    contact: str | None = None
    bindings: int = 0


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One row to import; ``line`` (1-based) is where it stood. ``password`` None: generate one."""

    line: int
    number: str
    password: str | None = field(default=None, repr=False)
    name: str = ""
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class RowProblem:
    """Why a row cannot be imported."""

    line: int
    detail: str


@dataclass(frozen=True, slots=True)
class GeneratedPassword:
    """A password that the exchange chose; told once, never again."""

    number: str
    password: str = field(repr=False)


@message("extension.added")
class ExtensionAdded(Message):
    """``password`` is set only when it was generated. ``warnings``: such as a weak given password."""

    extension: ExtensionRow
    password: str | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()


@message("extension.add")
class AddExtension(Command[ExtensionAdded]):
    """Refused with ``extension.exists`` or ``extension.invalid``."""

    offline: ClassVar[bool] = True
    number: str
    password: str | None = field(default=None, repr=False)
    name: str = ""
    contact: str | None = None


@message("extension.page")
class ExtensionList(Message):
    """Extensions in the order of their numbers."""

    rows: tuple[ExtensionRow, ...] = ()
    next: str | None = None


@message("extension.list")
class ListExtensions(Query[ExtensionList]):
    """All extensions of a tenant, a page at a time."""

    offline: ClassVar[bool] = True
    limit: int = PAGE
    after: str | None = None


@message("extension.removed")
class ExtensionRemoved(Message):
    """``bindings``: how many contacts were unregistered with it."""

    number: str
    bindings: int = 0


@message("extension.remove")
class RemoveExtension(Command[ExtensionRemoved]):
    """Refused with ``extension.unknown``. Calls that are up go on."""

    offline: ClassVar[bool] = True
    number: str


@message("extension.imported")
class ExtensionsImported(Message):
    """``problems`` non-empty: nothing of this chunk was written."""

    added: int = 0
    replaced: int = 0
    problems: tuple[RowProblem, ...] = ()
    generated: tuple[GeneratedPassword, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()


@message("extension.import")
class ImportExtensions(Command[ExtensionsImported]):
    """One chunk (1..500 rows), written whole or not at all.

    ``check`` only looks for problems and writes nothing: a client checks every chunk before it writes the
    first, so that a bad row leaves the store as it was. ``replace`` changes extensions that exist, which are
    problems otherwise.
    """

    offline: ClassVar[bool] = True
    rows: tuple[ImportRow, ...]
    check: bool = False
    replace: bool = False


# --- what is happening now ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call that is up; ``state`` is ``ringing``, ``answered``, ``held`` or ``ending``."""

    id: str
    caller: str
    callee: str
    state: str
    started_at: float
    duration_s: float = 0.0
    legs: int = 2
    media: str = ""


@message("call.page")
class CallList(Message):
    """Calls, oldest first."""

    rows: tuple[CallRow, ...] = ()
    next: str | None = None


@message("call.list")
class ListCalls(Query[CallList]):
    """Calls that are up now."""

    limit: int = PAGE
    after: str | None = None


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """A binding; ``received`` is the "host:port" it came from, ``expires_s`` what remains of it."""

    number: str
    contact: str
    received: str = ""
    transport: str = ""
    user_agent: str = ""
    registered_at: float = 0.0
    expires_s: float = 0.0


@message("registration.page")
class RegistrationList(Message):
    """Bindings in the order of their numbers."""

    rows: tuple[RegistrationRow, ...] = ()
    next: str | None = None


@message("registration.list")
class ListRegistrations(Query[RegistrationList]):
    """Live bindings, of one number when given."""

    number: str | None = None
    limit: int = PAGE
    after: str | None = None


@message("call.hung-up")
class HungUp(Message):
    """The call is ending; ``legs`` were told."""

    call: str
    legs: int = 0


@message("call.hang-up")
class HangUp(Command[HungUp]):
    """End a call from outside; refused with ``call.unknown``."""

    call: str


# --- what has happened, and what would ----------------------------------------------------------------


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


# --- the exchange itself ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListenerRow:
    """A bound listener: its ``url`` with the real port, ``role``, the ``advertised`` address."""

    url: str
    role: str = "phones"
    advertised: str = ""


@message("exchange.state")
class ExchangeStatus(Message):
    """``state`` is ``running`` or ``stopping``; ``warnings`` are lines that want an operator's eye."""

    version: str
    pid: int
    state: str
    started_at: float
    uptime_s: float
    domain: str
    data: str
    node: int = 0
    listeners: tuple[ListenerRow, ...] = ()
    extensions: int = 0
    registrations: int = 0
    calls: int = 0
    ports_open: int = 0
    ports_free: int = 0
    warnings: tuple[str, ...] = ()


@message("exchange.status")
class Status(Query[ExchangeStatus]):
    """How the exchange is."""


@message("exchange.stopping")
class Stopping(Message):
    """No new calls; ``calls`` in progress end at the latest after ``grace_s``."""

    calls: int = 0
    grace_s: float = 0.0


@message("exchange.stop")
class Stop(Command[Stopping]):
    """Stop as SIGTERM does; ``grace_s`` None is the configured grace time."""

    grace_s: float | None = None
