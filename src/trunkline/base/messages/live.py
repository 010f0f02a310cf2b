"""What is happening now: calls and registrations."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class CallParty:
    """How a party of a call speaks with the exchange.

    ``security`` is ``sdes``, ``dtls`` or empty: in the clear, and ``suite`` names what encrypts. ``codec`` is the one
    that we speak to it when the call is ``converted``, else what it sends; empty when that is not known. ``kernel``
    tells that what it sends passes in the kernel now.
    """

    number: str
    security: str = ""
    suite: str = ""
    codec: str = ""
    converted: bool = False
    kernel: bool = False


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call that is up, by its id; ``state`` is ``ringing``, ``answered``, ``held`` or ``ending``.

    ``recording`` is the file that the call or its conference is recorded into, ``conference`` the room.
    """

    call: str
    caller: str
    callee: str
    state: str
    started_at: float
    duration_s: float = 0.0
    legs: int = 2
    media: str = ""
    parties: tuple[CallParty, ...] = ()
    recording: str = ""
    conference: str = ""


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
    """A binding; ``received`` is the "host:port" it came from, ``expires_s`` what remains of it.

    ``state`` is ``registered``, or ``asleep`` for a phone that is woken by a push before it rings; such a phone is told
    of without a binding too: ``contact`` names its push service then, and ``registered_at`` is when it was here last.
    """

    number: str
    contact: str
    received: str = ""
    transport: str = ""
    user_agent: str = ""
    registered_at: float = 0.0
    expires_s: float = 0.0
    state: str = "registered"


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
