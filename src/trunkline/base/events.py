"""Events: what has happened, told once to whoever listens; in-process today, on a broker later."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Message):
    """Something that has happened in a tenant ``at`` a wall-clock second."""

    tenant: str
    at: float


@message("event.extension-changed")
class ExtensionChanged(Event):
    """``change`` is ``added``, ``changed`` or ``removed``; whoever caches extensions forgets this one."""

    number: str
    change: str


@message("event.call-started")
class CallStarted(Event):
    """A call passed admission."""

    call: str
    caller: str
    callee: str


@message("event.call-ended")
class CallEnded(Event):
    """A call is over: ``status`` the caller's final SIP status, ``code`` the stable reason."""

    call: str
    status: int
    code: str
