"""Commands, queries and their replies: what the planes ask of each other.

A **command** changes something, a **query** only reads; both are **requests** and name the type of their
reply. The command line speaks them over the control socket, and the same messages serve when it opens the
store itself. ``tenant`` None is the default tenant. What has happened is told by ``trunkline.base.events``.

Times are wall-clock seconds since 1970 unless a name ends in ``_s`` (a duration in seconds). Lists come in
pages: ``limit`` rows (1..1000) after the cursor ``after``; ``next`` is the following cursor or None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar, get_args

from trunkline.base.errors import TrunklineError
from trunkline.base.message_codec import Message, message

R = TypeVar("R", bound=Message)
PAGE = 500
MAX_PAGE = 1000


@message("problem")
class Problem(Message):
    """Why a request was refused.

    ``code`` is stable (``extension.exists``), ``detail`` one line for people, ``hint`` the next step,
    ``status`` the HTTP status that says the same (400..599). Of a call ``sip_status`` is how the other side refused
    (300..699, 0 when it did not) and ``reason`` why it failed or is over: its phrase, or a stable word. No secret is in
    any of them.
    """

    code: str
    detail: str
    hint: str = ""
    status: int = 400
    sip_status: int = 0
    reason: str = ""


class Refused(TrunklineError):  # noqa: N818  (a normal answer, not a fault)
    """A handler refuses a request; carries the problem that the client is told."""

    def __init__(
        self,
        code: str,
        detail: str,
        hint: str = "",
        status: int = 400,
        *,
        sip_status: int = 0,
        reason: str = "",
    ) -> None:
        super().__init__(f"{detail} ({hint})" if hint else detail)
        self.problem = Problem(
            code=code, detail=detail, hint=hint, status=status, sip_status=sip_status, reason=reason
        )


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
