"""Extensions: added, listed, removed and imported, with or without a running exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from trunkline.app.extension_rules import (
    check_calls,
    check_extension,
    generate_password,
    weak_warning,
)
from trunkline.base.messages import (
    DEFAULT_CALLS,
    AddExtension,
    ExportExtensions,
    ExportList,
    ExportRow,
    ExtensionAdded,
    ExtensionChanged,
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
    SetExtension,
)
from trunkline.model.extension import Extension, NewExtension
from trunkline.model.tenant import TenantScope
from trunkline.pbx.route import SERVICE_NUMBERS
from trunkline.store.errors import DuplicateError, InvalidValueError, NotFoundError
from trunkline.store.store import Store

_SHOWN_BY = "trunkline extension list shows them"
PUT_ROWS = 50  # extensions handed to the exchange at a time: each costs some microseconds of hashing


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
        problems = [
            *check_extension(ask.number, ask.password, ask.name, ask.contact),
            *filter(None, [check_calls(ask.max_calls)]),
        ]
        if problems:
            raise Refused("extension.invalid", "; ".join(problems))
        made = generate_password() if ask.password is None and (ask.contact is None or ask.generate) else None
        new = NewExtension(
            ask.number, ask.password or made or "", ask.name, ask.contact, max_calls=ask.max_calls
        )
        scope = TenantScope(tenant)
        try:
            added = await asyncio.to_thread(self._store.extensions.add, scope, new)
        except DuplicateError as error:
            raise Refused(
                "extension.exists", str(error), f"change it: trunkline extension set {ask.number}", 409
            ) from None
        except InvalidValueError as error:
            raise Refused("extension.invalid", str(error)) from None
        if self._live is not None:
            self._live.put_extension(added)
        warnings = weak_warning(ask.number, ask.password) if ask.password is not None else ()
        warnings += _service_warning(ask.number)
        return ExtensionAdded(
            extension=ExtensionRow(ask.number, ask.name, ask.contact, max_calls=ask.max_calls),
            password=made,
            warnings=warnings,
        )

    async def change(self, tenant: str, ask: SetExtension) -> ExtensionChanged:
        """Change what is given; a running exchange knows it when the reply goes out."""
        problems = [
            *check_extension(ask.number, ask.password, ask.name or "", ask.contact or None),
            *filter(None, [check_calls(ask.max_calls, DEFAULT_CALLS)]),
        ]
        if ask.generate and ask.password is not None:
            problems.append("a password is either given or made")
        if problems:
            raise Refused("extension.invalid", "; ".join(problems))
        made = generate_password() if ask.generate else None
        changed = await asyncio.to_thread(self._change, TenantScope(tenant), ask, made)
        if self._live is not None:
            self._live.put_extension(changed)
        bindings = self._live.bindings_of(tenant, ask.number) if self._live is not None else 0
        row = ExtensionRow(changed.number, changed.name, changed.contact, bindings, changed.max_calls)
        warnings = weak_warning(ask.number, ask.password) if ask.password is not None else ()
        return ExtensionChanged(extension=row, password=made, warnings=warnings)

    def _change(self, scope: TenantScope, ask: SetExtension, made: str | None) -> Extension:
        try:
            return self._store.extensions.set(
                scope,
                ask.number,
                password=made if made is not None else ask.password,
                name=ask.name,
                contact=ask.contact,
                max_calls=ask.max_calls,
            )
        except NotFoundError as error:
            raise Refused("extension.unknown", str(error), _SHOWN_BY, 404) from None

    async def page(self, tenant: str, ask: ListExtensions) -> ExtensionList:
        known = await asyncio.to_thread(
            self._store.extensions.page, TenantScope(tenant), limit=ask.limit + 1, after=ask.after
        )
        bindings: Callable[[str, str], int] = (
            self._live.bindings_of if self._live is not None else lambda _tenant, _number: 0
        )
        rows = [
            ExtensionRow(one.number, one.name, one.contact, bindings(tenant, one.number), one.max_calls)
            for one in known
        ]
        more = rows[ask.limit - 1].number if len(rows) > ask.limit else None
        return ExtensionList(rows=tuple(rows[: ask.limit]), next=more)

    async def export(self, tenant: str, ask: ExportExtensions) -> ExportList:
        known = await asyncio.to_thread(
            self._store.extensions.page,
            TenantScope(tenant),
            limit=ask.limit + 1,
            after=ask.after,
            passwords=ask.passwords,
        )
        page = known[: ask.limit]
        rows = tuple(
            ExportRow(one.number, one.password, one.name, one.contact or "", one.max_calls) for one in page
        )
        return ExportList(rows=rows, next=page[-1].number if len(known) > ask.limit else None)

    async def remove(self, tenant: str, ask: RemoveExtension) -> ExtensionRemoved:
        removed = await asyncio.to_thread(self._store.extensions.remove, TenantScope(tenant), ask.number)
        if not removed:
            raise Refused("extension.unknown", f"there is no extension {ask.number}", _SHOWN_BY, 404)
        bindings = await self._live.remove_extension(tenant, ask.number) if self._live is not None else 0
        return ExtensionRemoved(number=ask.number, bindings=bindings)

    async def import_rows(self, tenant: str, ask: ImportExtensions) -> ExtensionsImported:
        """One chunk: whole or not at all. The loop is never held up for longer than a few rows take."""
        try:
            done, written = await asyncio.to_thread(self._import, TenantScope(tenant), ask)
        except (DuplicateError, InvalidValueError) as error:
            raise Refused("extension.invalid", str(error)) from None
        if self._live is not None:
            for start in range(0, len(written), PUT_ROWS):
                for extension in written[start : start + PUT_ROWS]:
                    self._live.put_extension(extension)
                await asyncio.sleep(0)
        return done

    def _import(
        self, scope: TenantScope, ask: ImportExtensions
    ) -> tuple[ExtensionsImported, Sequence[Extension]]:
        """In a thread: the reply, and what a running exchange must be told of."""
        extensions = self._store.extensions
        known = extensions.present(scope, (row.number for row in ask.rows))
        problems = tuple(_problems(ask.rows, set() if ask.replace else set(known)))
        if problems or ask.check:
            return ExtensionsImported(problems=problems), ()
        made = {
            row.number: generate_password()
            for row in ask.rows
            if row.password is None and row.contact is None and row.number not in known
        }
        new = [
            NewExtension(
                row.number,
                row.password or made.get(row.number, ""),
                row.name,
                row.contact,
                max_calls=row.max_calls,
            )
            for row in ask.rows
        ]
        extensions.import_many(scope, new, replace=ask.replace)
        told = [weak_warning(row.number, row.password) for row in ask.rows if row.password]
        told += [_service_warning(row.number) for row in ask.rows if row.number not in known]
        done = ExtensionsImported(
            added=len(new) - len(known),
            replaced=len(known),
            generated=tuple(GeneratedPassword(number, password) for number, password in made.items()),
            warnings=tuple(warning for warnings in told for warning in warnings),
        )
        written = extensions.some(scope, [row.number for row in new]) if self._live is not None else ()
        return done, written


def _service_warning(number: str) -> tuple[str, ...]:
    """The line for ``ExtensionAdded.warnings`` when callers lose a service to this extension."""
    service = SERVICE_NUMBERS.get(number)
    return (
        (f"{number} was the service {service.value}: callers reach this extension instead",)
        if service
        else ()
    )


def _problems(rows: Iterable[ImportRow], taken: set[str]) -> Iterable[RowProblem]:
    for row in rows:
        for detail in check_extension(row.number, row.password, row.name, row.contact):
            yield RowProblem(row.line, detail)
        if wrong := check_calls(row.max_calls):
            yield RowProblem(row.line, wrong)
        if row.number in taken:
            yield RowProblem(row.line, f"there is an extension {row.number} already (--replace changes it)")
