"""What the registrar needs of its siblings; the wiring hands it in."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from trunkline.model.binding import Binding
from trunkline.push.notification import Fate
from trunkline.registrar.push_record import PushRecord


class Journal(Protocol):
    """Where bindings are kept so that they survive a restart."""

    def new(self, binding: Binding) -> Awaitable[None]:
        """Write a new binding; done when it is committed. Raises when it cannot be kept."""
        ...

    def refresh(self, binding: Binding) -> None:
        """A known binding lives longer; written with others soon."""
        ...

    def gone(self, binding: Binding) -> Awaitable[None]:
        """Forget a binding; done when that is committed."""
        ...


class Owner(Protocol):
    """A tenant: ``id``, the ``realm`` of its challenges, the HA1s of its users."""

    id: str
    realm: str

    def ha1(self, username: str, realm: str, algorithm: str) -> str | None:
        """See ``CredentialSource``."""
        ...


class Accounts(Protocol):
    """Who may register: tenants by domain, and in each whoever has credentials."""

    def owner_of(self, domain: str) -> Owner | None:
        """The tenant that owns a SIP domain."""
        ...

    def domain_of(self, tenant: str) -> str:
        """The domain that stands in a tenant's addresses, by its id; empty when it was removed meanwhile."""
        ...


class PushRecords(Protocol):
    """How phones are woken that register with RFC 8599; kept over restarts, and longer than bindings."""

    def keep(self, record: PushRecord) -> None:
        """A phone has registered: written soon. It takes the place of another record of that phone.

        Called for each REGISTER of such a phone, with the same object again when nothing but ``registered_at`` is new.
        """
        ...

    def of(self, tenant: str, user: str) -> Sequence[PushRecord]:
        """The phones of an AOR, a lookup in memory; empty for nearly all."""
        ...

    def forget(self, record: PushRecord) -> None:
        """A phone has left, or its token is dead."""
        ...

    def all_of(self, tenant: str) -> Sequence[PushRecord]:
        """Those of a whole tenant; this goes through all that there are."""
        ...

    def __iter__(self) -> Iterator[PushRecord]:
        """All that there are."""
        ...


class WakeReason(StrEnum):
    """Why a phone is woken; ``CANCELLED`` tells it that a call which it was woken for is over."""

    CALL = "call"
    MESSAGE = "message"
    MESSAGE_WAITING = "message_waiting"
    REFRESH = "refresh"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Wake:
    """``call_id`` is the Call-ID of the INVITE that will follow, so that an app pairs it with its push.

    ``caller_uri`` ("user@domain") and ``caller_name`` are "" for a caller who stays unknown; ``expires_at`` (wall-clock
    seconds) is when the wait for the phone ends, 0 for now or never.
    """

    reason: WakeReason
    caller_uri: str = ""
    caller_name: str = ""
    call_id: str = ""
    expires_at: float = 0.0


class Waker(Protocol):
    """Who sends notifications to phones."""

    async def wake(self, record: PushRecord, wake: Wake) -> Fate:
        """Send one; never raises for what a provider does, and returns within seconds."""
        ...
