"""Extensions of a tenant, their passwords sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trunkline.base.ids import uuid7
from trunkline.model.extension import NUMBER_FORM, Extension, NewExtension, is_number
from trunkline.model.tenant import Scope, TenantScope
from trunkline.store.database import Database
from trunkline.store.errors import DuplicateError, InvalidValueError, NotFoundError
from trunkline.store.repository import Repository
from trunkline.store.scope import one_tenant, within
from trunkline.store.secret_box import SecretBox
from trunkline.store.tables import extension, tenant

_IMPORT_CHUNK = 500
# An empty password or limit leaves the one there is.
_UPDATE = (
    update(extension)
    .where(extension.c.tenant_id == bindparam("of"), extension.c.id == bindparam("key"))
    .values(
        name=bindparam("called"),
        contact=bindparam("fixed"),
        secret=func.coalesce(bindparam("sealed"), extension.c.secret),
        max_calls=func.coalesce(bindparam("most"), extension.c.max_calls),
    )
)
_SHOWN = 5  # how many of the refused numbers an error names


class Extensions(Repository):
    """Extensions by number. Passwords are opened only by ``get`` and ``list(…, passwords=True)``."""

    __slots__ = ("_box",)

    def __init__(self, database: Database, box: SecretBox) -> None:
        super().__init__(database)
        self._box = box

    def get(self, scope: TenantScope, number: str) -> Extension | None:
        """The extension with its password, or None. Raises KeyFileError."""
        one_tenant(scope)
        query = select(extension).where(within(scope, extension), extension.c.number == number)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else self._extension(row, passwords=True)

    def some(self, scope: TenantScope, numbers: Iterable[str]) -> tuple[Extension, ...]:
        """Those of these extensions that are there, with their passwords. Raises KeyFileError."""
        one_tenant(scope)
        wanted = list(numbers)
        found: tuple[Extension, ...] = ()
        with self._database.reading() as connection:
            for start in range(0, len(wanted), _IMPORT_CHUNK):
                here = extension.c.number.in_(wanted[start : start + _IMPORT_CHUNK])
                rows = connection.execute(select(extension).where(within(scope, extension), here))
                found += tuple(self._extension(row, passwords=True) for row in rows)
        return found

    def list(self, scope: Scope, *, passwords: bool = False) -> tuple[Extension, ...]:
        """All extensions of the scope by number; without ``passwords`` those fields are empty."""
        query = select(extension).where(within(scope, extension)).order_by(extension.c.number)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(self._extension(row, passwords=passwords) for row in rows)

    def page(
        self, scope: TenantScope, *, limit: int, after: str | None = None, passwords: bool = False
    ) -> tuple[Extension, ...]:
        """At most ``limit`` extensions by number, those after the number ``after``. Raises KeyFileError."""
        one_tenant(scope)
        query = select(extension).where(within(scope, extension)).order_by(extension.c.number).limit(limit)
        if after is not None:
            query = query.where(extension.c.number > after)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(self._extension(row, passwords=passwords) for row in rows)

    def present(self, scope: TenantScope, numbers: Iterable[str]) -> dict[str, str]:
        """Those of these numbers that are taken, each with the id of its extension."""
        one_tenant(scope)
        with self._database.reading() as connection:
            return _present(connection, scope, numbers)

    def add(self, scope: TenantScope, new: NewExtension) -> Extension:
        """Add one. Raises DuplicateError, InvalidValueError (number, or unknown tenant)."""
        owner = one_tenant(scope)
        row = self._row(owner, new)
        with self._database.writing() as connection:
            _require_tenant(connection, owner)
            try:
                connection.execute(insert(extension).values(row))
            except IntegrityError as error:
                raise DuplicateError(f"there is an extension {new.number} already") from error
        return Extension(owner, row["id"], new.number, new.name, new.password, new.contact, new.max_calls)

    def set(
        self,
        scope: TenantScope,
        number: str,
        *,
        password: str | None = None,
        name: str | None = None,
        contact: str | None = None,
        max_calls: int | None = None,
    ) -> Extension:
        """Change what is given, keep what is None; an empty ``contact`` or a negative ``max_calls`` removes it.

        Raises NotFoundError.
        """
        one_tenant(scope)
        mine = (within(scope, extension), extension.c.number == number)
        with self._database.writing() as connection:
            row = connection.execute(select(extension).where(*mine)).first()
            if row is None:
                raise NotFoundError(f"there is no extension {number}")
            changed: dict[str, str | int | None] = {}
            if password is not None:
                changed["secret"] = self._sealed(password, row.tenant_id, row.id)
            if name is not None:
                changed["name"] = name
            if contact is not None:
                changed["contact"] = contact or None
            if max_calls is not None:
                changed["max_calls"] = max_calls if max_calls >= 0 else None
            if changed:
                connection.execute(update(extension).where(*mine).values(changed))
                row = connection.execute(select(extension).where(*mine)).one()
        return self._extension(row, passwords=True)

    def remove(self, scope: TenantScope, number: str) -> bool:
        """Take an extension away; False when there was none. Its bindings are the registrar's to end."""
        one_tenant(scope)
        with self._database.writing() as connection:
            gone = connection.execute(
                delete(extension).where(within(scope, extension), extension.c.number == number)
            )
            return gone.rowcount > 0

    def import_many(
        self,
        scope: TenantScope,
        rows: Iterable[NewExtension],
        progress: Callable[[int], None] | None = None,
        *,
        replace: bool = False,
    ) -> int:
        """Add all rows in one transaction, or none; returns how many.

        With ``replace`` those that exist are changed: an empty password or limit leaves theirs, an empty
        name or contact takes it away. ``progress`` is called with the number of rows written so far. Raises
        DuplicateError when a number comes twice, or exists and may not; InvalidValueError. The message names
        the first few.
        """
        owner = one_tenant(scope)
        new = list(rows)
        _refuse_repeated(new)
        # Sealed before the transaction, to keep that short.
        old = self.present(scope, (row.number for row in new)) if replace else {}
        changes = [self._change(owner, old[row.number], row) for row in new if row.number in old]
        new = [row for row in new if row.number not in old]
        cells = [self._row(owner, row) for row in new]
        with self._database.writing() as connection:
            _require_tenant(connection, owner)
            _refuse_existing(new, set(_present(connection, scope, (row.number for row in new))))
            for change in changes:
                connection.execute(_UPDATE, change)
            for start in range(0, len(cells), _IMPORT_CHUNK):
                connection.execute(insert(extension), cells[start : start + _IMPORT_CHUNK])
                if progress is not None:
                    progress(min(start + _IMPORT_CHUNK, len(cells)))
        return len(cells) + len(changes)

    def _change(self, owner: str, key: str, row: NewExtension) -> dict[str, Any]:
        sealed = self._sealed(row.password, owner, key)
        cells = {"called": row.name, "sealed": sealed, "fixed": row.contact, "most": row.max_calls}
        return {"of": owner, "key": key, **cells}

    def _row(self, owner: str, new: NewExtension) -> dict[str, Any]:
        if not is_number(new.number):
            raise InvalidValueError(f"extension number {new.number[:80]!r}: expected {NUMBER_FORM}")
        key = uuid7()
        sealed = self._sealed(new.password, owner, key)
        cells = {"number": new.number, "name": new.name, "secret": sealed, "contact": new.contact}
        return {"tenant_id": owner, "id": key, **cells, "max_calls": new.max_calls}

    def _sealed(self, password: str, owner: str, key: str) -> str | None:
        return self._box.seal(password, owner, key) if password else None

    def _extension(self, row: Row[Any], *, passwords: bool) -> Extension:
        password = self._box.open(row.secret, row.tenant_id, row.id) if passwords and row.secret else ""
        return Extension(row.tenant_id, row.id, row.number, row.name, password, row.contact, row.max_calls)


def _present(connection: Connection, scope: TenantScope, numbers: Iterable[str]) -> dict[str, str]:
    wanted = list(dict.fromkeys(numbers))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), _IMPORT_CHUNK):
        here = extension.c.number.in_(wanted[start : start + _IMPORT_CHUNK])
        query = select(extension.c.number, extension.c.id).where(within(scope, extension), here)
        found |= dict(connection.execute(query).all())
    return found


def _require_tenant(connection: Connection, owner: str) -> None:
    if connection.execute(select(tenant.c.id).where(tenant.c.id == owner)).first() is None:
        raise InvalidValueError(f"there is no tenant {owner}")


def _refuse_repeated(rows: Iterable[NewExtension]) -> None:
    first: dict[str, int] = {}
    for line, row in enumerate(rows, start=1):
        earlier = first.setdefault(row.number, line)
        if earlier != line:
            raise DuplicateError(f"extension {row.number} comes twice: in row {earlier} and row {line}")


def _refuse_existing(rows: Iterable[NewExtension], existing: set[str]) -> None:
    taken = [row.number for row in rows if row.number in existing]
    if taken:
        more = f" and {len(taken) - _SHOWN} more" if len(taken) > _SHOWN else ""
        raise DuplicateError(f"nothing was imported: there are already {', '.join(taken[:_SHOWN])}{more}")
