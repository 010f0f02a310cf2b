"""Registrations that an operator ends."""

from __future__ import annotations

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import Command


@message("registration.removed")
class RegistrationsRemoved(Message):
    """How many contacts are gone, and whose they were, in order."""

    removed: int
    numbers: tuple[str, ...] = ()


@message("registration.remove")
class RemoveRegistrations(Command[RegistrationsRemoved]):
    """End the registrations of ``number``; of all numbers of the tenant without one, which needs ``force``.

    Refused with ``registration.unknown`` when the number is not registered, ``registration.all`` without ``force``.
    """

    number: str | None = None
    force: bool = False
