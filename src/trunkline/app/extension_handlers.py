"""Extensions: added, listed, removed and imported, with or without a running exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from trunkline.app.extension_rules import check_extension, generate_password, weak_warning
from trunkline.base.messages import (
    AddExtension,
    ExtensionAdded,
    ExtensionList,
    ExtensionRemoved,
    ExtensionRow,
    ExtensionsImported,
    GeneratedPassword,
    ImportExtensions,
    ImportRow,
    ListExtensions,
    Refused,
    RemoveExtension,
    RowProblem,
)
from trunkline.model.extension import Extension, NewExtension
from trunkline.model.tenant import TenantScope
from trunkline.store.errors import DuplicateError, InvalidValueError
from trunkline.store.store import Store


class Live(Protocol):
    """What a running exchange is told of changes, on its loop."""

    def put_extension(self, extension: Extension) -> None:
        """An extension was added or changed."""

    async def remove_extension(self, tenant: str, number: str) -> int:
        """One was removed: unregister its contacts and say how many there were."""

    def bindings_of(self, tenant: str, number: str) -> int:
        """How many contacts are registered."""


class ExtensionHandlers:
    """``live`` is None without an exchange: then only the store changes."""

    def __init__(self, store: Store, live: Live | None) -> None:
        self._store = store
        self._live = live

    async def add(self, tenant: str, ask: AddExtension) -> ExtensionAdded:
        problems = check_extension(ask.number, ask.password, ask.name, ask.contact)
        if problems:
            raise Refused("extension.invalid", "; ".join(problems))
        password = ask.password if ask.password is not None else generate_password()
        new = NewExtension(ask.number, password, ask.name, ask.contact)
        scope = TenantScope(tenant)
        try:
            added = await asyncio.to_thread(self._store.extensions.add, scope, new)
        except DuplicateError as error:
            raise Refused(
                "extension.exists", str(error), "remove it first, or import with --replace", 409
            ) from None
        except InvalidValueError as error:
            raise Refused("extension.invalid", str(error)) from None
        if self._live is not None:
            self._live.put_extension(added)
        warnings = weak_warning(ask.number, ask.password) if ask.password is not None else ()
        return ExtensionAdded(
            extension=ExtensionRow(ask.number, ask.name, ask.contact),
            password=password if ask.password is None else None,
            warnings=warnings,
        )

    async def page(self, tenant: str, ask: ListExtensions) -> ExtensionList:
        known = await asyncio.to_thread(self._store.extensions.list, TenantScope(tenant))
        bindings: Callable[[str, str], int] = (
            self._live.bindings_of if self._live is not None else lambda _tenant, _number: 0
        )
        rows = [
            ExtensionRow(one.number, one.name, one.contact, bindings(tenant, one.number))
            for one in known
            if ask.after is None or one.number > ask.after
        ][: ask.limit + 1]
        more = rows[ask.limit - 1].number if len(rows) > ask.limit else None
        return ExtensionList(rows=tuple(rows[: ask.limit]), next=more)

    async def remove(self, tenant: str, ask: RemoveExtension) -> ExtensionRemoved:
        removed = await asyncio.to_thread(self._store.extensions.remove, TenantScope(tenant), ask.number)
        if not removed:
            raise Refused("extension.unknown", f"there is no extension {ask.number}", status=404)
        bindings = await self._live.remove_extension(tenant, ask.number) if self._live is not None else 0
        return ExtensionRemoved(number=ask.number, bindings=bindings)

    async def import_rows(self, tenant: str, ask: ImportExtensions) -> ExtensionsImported:
        """One chunk: whole or not at all."""
        scope = TenantScope(tenant)
        known = {one.number for one in await asyncio.to_thread(self._store.extensions.list, scope)}
        problems = tuple(_problems(ask.rows, set() if ask.replace else known))
        if problems or ask.check:
            return ExtensionsImported(problems=problems)
        generated = {
            row.number: generate_password()
            for row in ask.rows
            if row.password is None and row.contact is None and row.number not in known
        }
        try:
            written = await asyncio.to_thread(self._write, scope, ask.rows, known, generated)
        except (DuplicateError, InvalidValueError) as error:
            raise Refused("extension.invalid", str(error)) from None
        if self._live is not None:
            for extension in written:
                self._live.put_extension(extension)
        replaced = sum(row.number in known for row in ask.rows)
        return ExtensionsImported(
            added=len(ask.rows) - replaced,
            replaced=replaced,
            generated=tuple(GeneratedPassword(number, password) for number, password in generated.items()),
            warnings=tuple(
                warning
                for row in ask.rows
                if row.password
                for warning in weak_warning(row.number, row.password)
            ),
        )

    def _write(
        self, scope: TenantScope, rows: Iterable[ImportRow], known: set[str], generated: dict[str, str]
    ) -> list[Extension]:
        extensions = self._store.extensions
        new = [
            NewExtension(row.number, row.password or generated.get(row.number, ""), row.name, row.contact)
            for row in rows
            if row.number not in known
        ]
        extensions.import_many(scope, new)
        for row in rows:
            if row.number in known:
                extensions.set(
                    scope, row.number, password=row.password, name=row.name, contact=row.contact or ""
                )
        if self._live is None:
            return []
        return list(extensions.some(scope, [row.number for row in rows]))


def _problems(rows: Iterable[ImportRow], taken: set[str]) -> Iterable[RowProblem]:
    for row in rows:
        for detail in check_extension(row.number, row.password, row.name, row.contact):
            yield RowProblem(row.line, detail)
        if row.number in taken:
            yield RowProblem(row.line, f"there is an extension {row.number} already (--replace changes it)")
