"""What commands change while the exchange runs: extensions and tenants, with all that hangs on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from trunkline.call.registry import Calls
from trunkline.model.binding import Binding
from trunkline.model.extension import Extension
from trunkline.pbx.directory import Directory
from trunkline.registrar.location import Location
from trunkline.store.journals import BindingJournal
from trunkline.store.writer import Writer

GOODBYE_S: Final = 2.0  # how long the last BYEs may take to be answered


class LiveDirectory:
    """The directory, the bindings of those in it and their calls: removed together."""

    def __init__(
        self,
        directory: Directory,
        location: Location,
        journal: BindingJournal,
        writer: Writer,
        calls: Calls,
        wall: Callable[[], float],
    ) -> None:
        self.directory = directory
        self._location = location
        self._journal = journal
        self._writer = writer
        self._calls = calls
        self._wall = wall
        self.on_removed: Callable[[str, str], None] = lambda _tenant, _number: None
        """Told of an extension that is gone, or with "" of a whole tenant."""
        self.on_password: Callable[[str, str], None] = lambda _tenant, _number: None
        """Told of an extension whose password is another one now."""

    def bindings_of(self, tenant: str, number: str) -> int:
        """How many live contacts an extension has."""
        return len(self._location.of(tenant, number, self._wall()))

    def put_extension(self, extension: Extension) -> None:
        """An extension was added or changed."""
        before = self.directory.extension(extension.tenant, extension.number)
        self.directory.put(extension)
        after = self.directory.extension(extension.tenant, extension.number)
        if before is not None and after is not None and before.secrets != after.secrets:
            self.on_password(extension.tenant, extension.number)

    async def remove_extension(self, tenant: str, number: str) -> int:
        """An extension is gone: so are its contacts."""
        self.directory.remove(tenant, number)
        self.on_removed(tenant, number)
        known = list(self._location.all_of(tenant, number))
        await self._end(known)
        return len(known)

    async def remove_bindings(self, tenant: str, number: str | None) -> list[Binding]:
        """An operator ends the registrations of a number, or of all: phones are reached again when they register."""
        known = [one for one in self._location if one.tenant == tenant and number in {None, one.user}]
        await self._end(known)
        return known

    async def remove_tenant(self, tenant: str) -> tuple[int, int]:
        """A tenant goes: nobody of it is admitted, its calls and registrations end, and all that is written."""
        self.directory.remove_tenant(tenant)
        self.on_removed(tenant, "")
        calls = [call for call in self._calls.active.values() if call.tenant == tenant]
        for call in calls:
            call.tell("call.tenant_removed", "the tenant was removed")
            call.hang_up(code="call.tenant_removed")
        known = [binding for binding in self._location if binding.tenant == tenant]
        await self._end(known)
        loop = asyncio.get_running_loop()
        end = loop.time() + GOODBYE_S
        while any(call.id in self._calls.active for call in calls) and loop.time() < end:  # noqa: ASYNC110  (two seconds at most)
            await asyncio.sleep(0.02)
        await self._writer.drain()
        return len(known), len(calls)

    async def _end(self, bindings: list[Binding]) -> None:
        for binding in bindings:
            self._location.remove(binding, "deactivated")
        await asyncio.gather(*map(self._journal.gone, bindings))
