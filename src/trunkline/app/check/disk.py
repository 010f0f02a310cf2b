"""The data folder: there, ours, with room; the store in it whole, and of a schema that we know."""

from __future__ import annotations

import os
import pwd
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.store.copying import sealed_secret
from trunkline.store.errors import KeyFileError, StoreError
from trunkline.store.schema import HEAD
from trunkline.store.secret_box import load_key
from trunkline.store.store import DATABASE_FILE, KEY_FILE

_say = Findings("disk")
_LEAST, _LITTLE = (
    50 << 20,
    1 << 30,
)  # bytes free: nothing works below the first, little time is left below the other
_FEW_INODES = 1000
QUICK_CHECK_S = 10.0


def disk(case: Case) -> Iterator[Finding]:
    """The folder, its room, its store."""
    folder = case.data.path
    if not folder.is_dir():
        yield from _missing(folder)
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield _not_ours(folder)
        return
    yield _writable(folder)
    yield from _private(folder)
    yield room(os.statvfs(folder), folder)
    if (folder / DATABASE_FILE).exists():
        yield from store(folder)
    else:
        yield _say.ok("there is no store yet: the first start makes one")


def _missing(folder: Path) -> Iterator[Finding]:
    if folder.exists():
        yield _say.fail(f"{folder} is no folder", "name another one with --data")
        return
    parent = next(one for one in folder.parents if one.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        yield _say.ok(f"{folder} is not there yet: the first start makes it")
        yield room(os.statvfs(parent), parent)
    else:
        yield _say.fail(
            f"{folder} is not there, and {parent} is not ours to write in", "make it, for this user"
        )


def _writable(folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"trunkline")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return _say.fail(
            f"{folder} cannot be written: {error.strerror}",
            "run as the exchange's user, or mend rights and disk",
        )
    return _say.ok(f"{folder} can be written")


def _private(folder: Path) -> Iterator[Finding]:
    for path in (folder, folder / KEY_FILE):
        try:
            others = path.stat().st_mode & 0o077
        except OSError:
            continue
        if others:
            yield _say.warn(f"{path} is open to other users", f"chmod go-rwx {path}: it holds secrets")


def room(free: os.statvfs_result, folder: Path) -> Finding:
    """Free bytes and inodes for who is not root."""
    left = free.f_bavail * free.f_frsize
    shown = f"{_size(left)} free at {folder}"
    mend = "make room: records and registrations cannot be written to a full disk"
    if left < _LEAST:
        return _say.fail(shown, mend)
    if left < _LITTLE:
        return _say.warn(shown, mend)
    if free.f_files > 0 and free.f_favail < _FEW_INODES:
        return _say.fail(f"{free.f_favail} inodes free at {folder}", mend)
    return _say.ok(shown)


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.1f} MiB"


def _not_ours(path: Path) -> Finding:
    """Another user's, or on a disk that is mounted read-only."""
    found = path.stat()
    if found.st_uid == os.geteuid():
        return _say.fail(
            f"{path} is read-only (mode {found.st_mode & 0o777:o})", "mend its mode, or the mount"
        )
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = f"uid {found.st_uid}"
    return _say.fail(f"{path} belongs to {owner}, and we may not use it", f"run this as {owner}, or as root")


def store(folder: Path) -> Iterator[Finding]:
    """Its pages and its schema, read without writing (https://www.sqlite.org/pragma.html#pragma_quick_check)."""
    path = folder / DATABASE_FILE
    if not os.access(path, os.R_OK | os.W_OK):
        yield _not_ours(path)
        return
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        ) as connection:
            yield _whole(connection, path)
            yield _schema(connection)
        yield from _key(folder)
    except (sqlite3.Error, StoreError) as error:
        yield _say.fail(f"{path} cannot be read: {error}", "restore a backup: trunkline restore")


def _key(folder: Path) -> Iterator[Finding]:
    """Whether the key opens the passwords: without it the exchange does not start."""
    sealed = sealed_secret(folder / DATABASE_FILE)
    if sealed is None:
        return
    try:
        load_key(folder / KEY_FILE).open(sealed.secret, sealed.tenant, sealed.owner)
    except KeyFileError as error:
        yield _say.fail(f"the stored passwords cannot be opened: {error}", "put the right key file back")
    else:
        yield _say.ok(f"{folder / KEY_FILE} opens the stored passwords")


def _whole(connection: sqlite3.Connection, path: Path) -> Finding:
    stop = threading.Timer(QUICK_CHECK_S, connection.interrupt)
    stop.start()
    try:
        said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        return _say.warn(
            f"{path} is too large to be checked in {QUICK_CHECK_S:g} s", "sqlite3 FILE 'PRAGMA quick_check'"
        )
    finally:
        stop.cancel()
    if said == ["ok"]:
        return _say.ok(f"{path} is whole")
    return _say.fail(f"{path} is damaged: {said[0][:80]}", "restore a backup: trunkline restore")


def _schema(connection: sqlite3.Connection) -> Finding:
    try:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return _say.fail("the store has no tables of ours", "name the right folder with --data")
    revision = str(found[0]) if found else ""
    if revision == HEAD:
        return _say.ok(f"the store has schema {revision}")
    if revision < HEAD:
        return _say.ok(f"the store has schema {revision}: the next start brings it to {HEAD}")
    return _say.fail(
        f"the store has schema {revision[:32]}, this program knows up to {HEAD}",
        "run the newer Trunkline that wrote it, or restore an older copy of the data folder",
    )
