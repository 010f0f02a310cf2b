"""Back a data folder up: the store as it is at one moment, its key, certificates.

The command does it by itself beside a running exchange, which is not held up and does not even notice.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from trunkline import __version__
from trunkline.app.archive import (
    FOLDERS,
    FORMAT,
    VAPID_FILE,
    Manifest,
    Progress,
    entry_of,
    pack,
    quiet,
)
from trunkline.base.messages import Refused
from trunkline.store.copying import Sealed, copy_database, schema_of, sealed_secret
from trunkline.store.errors import KeyFileError, StoreUnavailableError
from trunkline.store.secret_box import load_key
from trunkline.store.store import DATABASE_FILE, KEY_FILE

_PRIVATE = b"PRIVATE KEY-----"


def back_up(folder: Path, target: Path, *, with_key: bool, progress: Progress = quiet) -> Manifest:
    """Write a backup of the data folder to ``target`` (tar.gz, mode 0600), whole or not at all.

    Raises Refused (``backup.no_store``, ``backup.wrong_key``, ``backup.failed``) and StoreError.
    """
    database = folder / DATABASE_FILE
    if not database.is_file():
        raise Refused(
            "backup.no_store", f"there is no store in {folder}", "name the data folder with --data", 404
        )
    try:
        with tempfile.TemporaryDirectory(prefix=".trunkline-backup-", dir=target.parent) as draft:
            return _back_up(folder, target, Path(draft), with_key=with_key, progress=progress)
    except OSError as error:
        raise Refused(
            "backup.failed", f"{error.filename or target}: {error.strerror or error}", status=507
        ) from None
    except StoreUnavailableError as error:
        # SQLite does not say which of the two files it could not write: the store itself was only read.
        free = shutil.disk_usage(target.parent).free
        if free > database.stat().st_size:
            raise
        detail = f"{target.parent} has no room for the backup: {free // 1024} kB are free"
        raise Refused("backup.failed", detail, "make room, or name another folder", 507) from error


def _back_up(folder: Path, target: Path, draft: Path, *, with_key: bool, progress: Progress) -> Manifest:
    copy = draft / DATABASE_FILE
    told = 0

    def copied(size: int) -> None:
        nonlocal told
        progress("copying", max(size - told, 0))
        told = max(size, told)

    copy_database(folder / DATABASE_FILE, copy, copied)
    sealed = sealed_secret(copy)
    files = {DATABASE_FILE: copy}
    left_out: list[str] = []
    for name, path in _secrets(folder):
        if with_key or not _is_private(path):
            files[name] = path
        else:
            left_out.append(name)
    if with_key:
        _check_own_key(folder, sealed)
    manifest = Manifest(
        product="trunkline",
        format=FORMAT,
        version=__version__,
        schema_revision=schema_of(copy),
        made_at=datetime.now(UTC).timestamp(),
        key_id=sealed.key_id if sealed is not None else "",
        files=[entry_of(path, name) for name, path in files.items()],
        left_out=left_out,
    )
    pack(target, manifest, files, progress)
    return manifest


def size_of(folder: Path) -> int:
    """Bytes that a backup has to go through, for a progress bar: the store is copied, then packed."""
    with suppress(OSError):
        return 2 * (folder / DATABASE_FILE).stat().st_size
    return 0


def _secrets(folder: Path) -> Iterator[tuple[str, Path]]:
    """The keys and the files of the folders that belong to a backup, by name."""
    for name in (KEY_FILE, VAPID_FILE):
        if (folder / name).is_file():
            yield name, folder / name
    for name in FOLDERS:
        for path in sorted((folder / name).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path


def _is_private(path: Path) -> bool:
    return path.name == KEY_FILE or _PRIVATE in path.read_bytes()


def _check_own_key(folder: Path, sealed: Sealed | None) -> None:
    """A backup whose key opens nothing would be found out on the worst day."""
    if sealed is None:
        return
    try:
        load_key(folder / KEY_FILE).open(sealed.secret, sealed.tenant, sealed.owner)
    except KeyFileError as error:
        raise Refused(
            "backup.wrong_key",
            f"the key in {folder} does not open the stored passwords: {error}",
            "put the right key back, or back up --without-key",
            409,
        ) from None
