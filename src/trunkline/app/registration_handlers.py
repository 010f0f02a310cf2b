"""Registrations that an operator ends, of one number or of all."""

from __future__ import annotations

import structlog

from trunkline.app.live_directory import LiveDirectory
from trunkline.base.messages import Refused, RegistrationsRemoved, RemoveRegistrations

log = structlog.get_logger("registrar")


class RegistrationHandlers:
    """What is told of ``live`` reaches phones that have subscribed to their registration (RFC 3680)."""

    def __init__(self, live: LiveDirectory) -> None:
        self._live = live

    async def remove(self, tenant: str, ask: RemoveRegistrations) -> RegistrationsRemoved:
        if ask.number is None and not ask.force:
            raise Refused(
                "registration.all",
                "this ends the registrations of all extensions of the tenant",
                "--yes ends them all; a phone is reached again when it next registers",
                409,
            )
        gone = await self._live.remove_bindings(tenant, ask.number)
        if ask.number is not None and not gone:
            raise Refused(
                "registration.unknown",
                f"{ask.number[:80]} is not registered",
                "trunkline registrations lists who is",
                404,
            )
        numbers = tuple(sorted({binding.user for binding in gone}))
        log.info("registrations removed", contacts=len(gone), number=ask.number or "all")
        return RegistrationsRemoved(removed=len(gone), numbers=numbers)
