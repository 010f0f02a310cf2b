"""What the API needs of others; the composition root hands it in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

from trunkline.base.app_event import AppEvent
from trunkline.base.message_codec import Message
from trunkline.base.messages import Request
from trunkline.push.notification import Health

Ask: TypeAlias = Callable[[Request[Any]], Awaitable[Message]]
"""Asks another plane. Raises ``Refused``; whoever waits and is cancelled gives up what was asked for."""

TenantOfKey: TypeAlias = Callable[[str], Awaitable[str | None]]
"""The id of the tenant whose api key has this SHA-256 (hexadecimal), None when it is nobody's."""

FetchJson: TypeAlias = Callable[[str], Awaitable[object]]
"""The JSON document at a URL; raises TransportError. Bounded in size and time."""


class Subscription(Protocol):
    """An owner's events as they come; ends when it is closed, or when its reader is too slow (``why``).

    ``missed``: events between ``after`` and the first one told are forgotten.
    """

    missed: bool
    why: str

    def __aiter__(self) -> AsyncIterator[AppEvent]: ...

    def close(self) -> None:
        """Get no more."""
        ...


class Events(Protocol):
    """What happens to apps' calls and devices."""

    def subscribe(self, tenant: str | None, owner: str, device_id: str, after: int | None) -> Subscription:
        """Events of one owner: those after number ``after`` that are still known, then new ones.

        ``device_id`` "" is for watching only; else the device counts as live until ``close``. Raises Refused.
        """
        ...


class Readiness(Protocol):
    """What ``/ready`` tells."""

    def reasons(self) -> Sequence[str]:
        """Why new requests should go elsewhere; empty when they need not."""
        ...

    def push(self) -> Sequence[Health]:
        """How each push provider does."""
        ...

    def vapid(self) -> str:
        """The key that Web Push subscriptions are made with (RFC 8292 §3.2), "" without Web Push."""
        ...
