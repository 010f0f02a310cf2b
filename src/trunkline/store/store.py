"""Opens the store: data folder, key, schema, repositories."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Column, Connection, inspect, make_url, select
from sqlalchemy.exc import ArgumentError

from trunkline.base.errors import ConfigError
from trunkline.base.ids import uuid7
from trunkline.model.tenant import Tenant
from trunkline.store.api_keys import ApiKeys
from trunkline.store.bindings import Bindings
from trunkline.store.client_registrations import ClientRegistrations
from trunkline.store.database import Database
from trunkline.store.directory import Directory
from trunkline.store.errors import StoreUnavailableError
from trunkline.store.extensions import Extensions
from trunkline.store.kept_calls import KeptCalls
from trunkline.store.mobile_accounts import MobileAccounts
from trunkline.store.mobile_calls import MobileCalls
from trunkline.store.mobile_devices import MobileDevices
from trunkline.store.records import CallRecords
from trunkline.store.schema import migrate
from trunkline.store.secret_box import SecretBox, create_key, load_key
from trunkline.store.tables import extension, mobile_account, mobile_device, tenant
from trunkline.store.tenants import DEFAULT_TENANT, Tenants, insert_tenant
from trunkline.store.texts import KeptTexts

DATABASE_FILE = "trunkline.db"
KEY_FILE = "secret.key"
LOCK_FILE = "opening.lock"
OPEN_DEADLINE_S = 60.0  # a migration of a large store by another process may take that long
_POLL_S = 0.02


class Store:
    """An open store. Repositories are attributes; close it, or use it as a context manager."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self.database = database
        self.box = database.box = box
        self.directory = Directory(database)
        self.tenants = Tenants(database)
        self.extensions = Extensions(database, box)
        self.bindings = Bindings(database)
        self.records = CallRecords(database)
        self.kept_calls = KeptCalls(database)
        self.texts = KeptTexts(database)
        self.client_registrations = ClientRegistrations(database)
        self.mobile_accounts = MobileAccounts(database)
        self.mobile_devices = MobileDevices(database)
        self.mobile_calls = MobileCalls(database)
        self.api_keys = ApiKeys(database)

    @classmethod
    def open(cls, location: Path | str, key: SecretBox | None = None) -> Store:
        """Open a store, creating and migrating it where needed; several processes may do so at once.

        ``location`` is the data folder, or a URL ``sqlite:///FILE``. Without ``key`` it is read from
        ``secret.key`` beside the file, which is created together with a store that holds no passwords yet.
        Raises ConfigError, KeyFileError, SchemaError, StoreUnavailableError.
        """
        path = _database_path(location)
        with _alone(path.parent):
            database = Database(path)
            try:
                database.prepare_file()
                _prepare_schema(database, cache(lambda: _key_for(database, key)))
                box = _key_for(database, key, mobile_device.c.push_token)
            except BaseException:
                database.close()
                raise
        return cls(database, box)

    def close(self) -> None:
        """Close all connections. Stop the writer first: it has one of its own."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _database_path(location: Path | str) -> Path:
    if isinstance(location, Path) or "://" not in location:
        return Path(location) / DATABASE_FILE
    expected = "sqlite:///FILE or a folder"
    try:
        url = make_url(location)
    except (ArgumentError, ValueError) as error:
        raise ConfigError("store", "url", "text that is no URL", expected) from error
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ConfigError("store", "url", url.render_as_string(hide_password=True), expected)
    return Path(url.database)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from opening the same store meanwhile: one of them creates, the others find."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnavailableError(f"the data folder {folder} cannot be used: {error.strerror}") from error
    try:
        deadline = time.monotonic() + OPEN_DEADLINE_S
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise StoreUnavailableError(
                    f"another program has been opening {folder} for {OPEN_DEADLINE_S:.0f} s"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(lock)  # which unlocks; the file stays, because deleting it would race


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prepare_schema(database: Database, box: Callable[[], SecretBox]) -> None:
    with database.writing() as connection:
        migrate(connection, box)
        if connection.execute(select(tenant.c.id).limit(1)).first() is None:
            insert_tenant(connection, Tenant(uuid7(), DEFAULT_TENANT))


def _key_for(database: Database, given: SecretBox | None, *more: Column[str]) -> SecretBox:
    secrets = (extension.c.secret, mobile_account.c.secret, *more)
    with database.reading() as connection:
        sealed = next(filter(None, (_any_secret(connection, one) for one in secrets)), None)
    file = database.path.with_name(KEY_FILE)
    if given is None and sealed is None and not file.exists():
        return create_key(file)
    box = given or load_key(file)
    if sealed is not None:
        box.check(sealed)
    return box


def _any_secret(connection: Connection, column: Column[str]) -> str | None:
    """One that is there; NULL and "" are none, and a schema of long ago has no such table."""
    if not inspect(connection).has_table(column.table.name):
        return None
    secret: str | None = connection.execute(select(column).where(column > "").limit(1)).scalar()
    return secret
