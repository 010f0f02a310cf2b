"""Restore a backup into a data folder that no exchange uses, after everything about it was checked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from trunkline.app.archive import Manifest, Progress, quiet, unpack
from trunkline.app.control_wire import AlreadyRunning
from trunkline.app.data_folder import SOCKET_NAME, create_data_folder
from trunkline.app.folder_lock import FolderLock
from trunkline.base.messages import Refused
from trunkline.store.copying import schema_of, sealed_secret
from trunkline.store.errors import KeyFileError, SchemaError
from trunkline.store.schema import refuse_unknown
from trunkline.store.secret_box import load_key
from trunkline.store.store import DATABASE_FILE, KEY_FILE, LOCK_FILE

_CONTROL_LOCK = "control.lock"
_STAGE = ".restoring"
_OURS = {_CONTROL_LOCK, LOCK_FILE, SOCKET_NAME, _STAGE}  # what may lie in an empty data folder


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: ``aside`` is where the old data are now, None when there were none."""

    manifest: Manifest
    aside: Path | None


def restore(
    archive: Path, folder: Path, *, force: bool = False, key: Path | None = None, progress: Progress = quiet
) -> Restored:
    """Put a backup into the data folder, after everything about it was checked.

    Nothing in the folder is touched before; with ``force`` what is there is moved aside. ``key`` is a key
    file to use instead of the one in the backup. Raises Refused: those of ``unpack``, ``restore.running``,
    ``restore.not_empty``, ``restore.newer``, ``restore.no_key``, ``restore.wrong_key``, ``restore.failed``.
    """
    created = create_data_folder(folder)
    with ExitStack() as undo:
        if created:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
        with _alone(folder):
            restored = _restore(archive, folder, force=force, key=key, progress=progress)
        undo.pop_all()
    return restored


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No exchange has the folder meanwhile; what the system refuses is told."""
    lock = FolderLock(folder / _CONTROL_LOCK)
    try:
        lock.acquire()
        yield
    except AlreadyRunning as error:
        hint = f"stop it first: trunkline stop --data {folder}"
        raise Refused("restore.running", str(error), hint, 409) from None
    except PermissionError:
        raise  # it is told with who may
    except OSError as error:
        raise Refused(
            "restore.failed", f"{error.filename or folder}: {error.strerror or error}", status=507
        ) from None
    finally:
        lock.release()


def _restore(archive: Path, folder: Path, *, force: bool, key: Path | None, progress: Progress) -> Restored:
    there = sorted(path.name for path in folder.iterdir() if path.name not in _OURS)
    if there and not force:
        raise Refused(
            "restore.not_empty",
            f"{folder} holds data already: {', '.join(there[:5])}",
            "name an empty folder with --data, or move these aside with --force",
            409,
        )
    with _stage(folder) as stage:
        manifest = unpack(archive, stage, progress)
        _check_schema(archive, stage)
        _check_key(archive, stage, key)
        _give_to_owner(folder, stage)
        aside = _swap(folder, stage, there)
    return Restored(manifest, aside)


@contextmanager
def _stage(folder: Path) -> Iterator[Path]:
    """A folder within the data folder, so that moving its files is a rename even on a mounted volume."""
    stage = folder / _STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _check_schema(archive: Path, stage: Path) -> None:
    try:
        refuse_unknown(schema_of(stage / DATABASE_FILE))
    except SchemaError as error:
        raise Refused(
            "restore.newer", f"{archive}: {error}", "restore it with the Trunkline that made it"
        ) from None


def _check_key(archive: Path, stage: Path, given: Path | None) -> None:
    """A key must open what was sealed; a store without passwords needs none."""
    sealed = sealed_secret(stage / DATABASE_FILE)
    own = stage / KEY_FILE
    if given is None and sealed is not None and not own.exists():
        raise Refused(
            "restore.no_key",
            f"{archive} holds no key, and its passwords were sealed with key {sealed.key_id}: without that key "
            "they are lost",
            f"give the key file ({KEY_FILE}) with --key FILE",
        )
    path = given or own
    try:
        if given is not None or own.exists():
            box = load_key(path)
            if sealed is not None:
                box.open(sealed.secret, sealed.tenant, sealed.owner)
    except KeyFileError as error:
        named = f"the key {given}" if given is not None else f"the key in {archive}"
        needs = f" (they need key {sealed.key_id})" if sealed is not None else ""
        raise Refused(
            "restore.wrong_key",
            f"{named} does not open the passwords of this backup{needs}: {error}",
            "give the key file that was beside this store: --key FILE",
        ) from None
    if given is not None:
        own.write_bytes(given.read_bytes())
        own.chmod(0o600)


def _give_to_owner(folder: Path, stage: Path) -> None:
    """Root restores for the user that the folder belongs to."""
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    for path in (stage, *stage.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


def _swap(folder: Path, stage: Path, there: list[str]) -> Path | None:
    """Move what is there aside and what was unpacked in; back again when that fails half-way."""
    aside = _aside(folder, stage) if there else None
    moves = [(folder / name, aside / name) for name in there] if aside is not None else []
    # The store comes last: a folder without one is empty for an exchange that starts too early.
    staged = sorted((path.name for path in stage.iterdir()), key=lambda name: name == DATABASE_FILE)
    moves += [(stage / name, folder / name) for name in staged]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except OSError:
        for source, target in reversed(done):
            target.rename(source)
        if aside is not None:
            aside.rmdir()
        raise
    with suppress(OSError):
        (folder / SOCKET_NAME).unlink(missing_ok=True)
    return aside


def _aside(folder: Path, stage: Path) -> Path:
    """A new folder beside the data folder; inside it, when that is a volume of its own."""
    name = f"before-restore-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"
    beside = folder.with_name(f"{folder.name}.{name}")
    probe = stage / "probe"
    probe.touch()
    with suppress(OSError):
        beside.mkdir(mode=0o700)
        try:
            probe.rename(beside / "probe").unlink()
        except OSError:
            beside.rmdir()
        else:
            return beside
    probe.unlink()
    inside = folder / name
    inside.mkdir(mode=0o700)
    return inside
