"""The form of a backup: a tar.gz with a manifest first, which names every file with its size and checksum.

    trunkline-backup/manifest.json
    trunkline-backup/trunkline.db
    trunkline-backup/secret.key        unless it was left out
    trunkline-backup/tls/…             likewise
    trunkline-backup/vapid.pem         likewise

An archive comes from anywhere: nothing is taken that the manifest does not name, and nothing leaves the
folder that it is unpacked into.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trunkline.base.messages import Refused
from trunkline.store.store import DATABASE_FILE, KEY_FILE

FORMAT = 1
FOLDERS = ("tls",)  # of the data folder, beside the store and its key
# The key that subscriptions of Web Push are bound to: with another one every app would have to subscribe anew.
VAPID_FILE = "vapid.pem"
_PREFIX = "trunkline-backup"
_MANIFEST = f"{_PREFIX}/manifest.json"
_MAX_MANIFEST = 1 << 20
_BLOCK = 1 << 20
_PADDING = 1 << 16  # more than a tar has after its last file

Progress = Callable[[str, int], None]
"""Hears what is being done, and how many more bytes of it are."""


def quiet(_what: str, _bytes: int) -> None:
    """No progress is wanted."""


class Entry(BaseModel):
    """A file of a backup: ``name`` within the data folder, ``size`` in bytes, ``sha256`` in hexadecimal."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    name: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"[0-9a-f]{64}")


class Manifest(BaseModel):
    """What a backup is: ``made_at`` in seconds since 1970, ``key_id`` of the key that its passwords need.

    ``files`` stand in the order of the archive; ``left_out`` were not taken because they hold keys.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    product: str = Field(pattern="trunkline")
    format: int
    version: str
    schema_revision: str
    made_at: float
    key_id: str = ""
    files: list[Entry]
    left_out: list[str] = []

    @property
    def size(self) -> int:
        """Of all files together, in bytes."""
        return sum(entry.size for entry in self.files)

    @property
    def has_key(self) -> bool:
        """Whether the key of the passwords is in it."""
        return any(entry.name == KEY_FILE for entry in self.files)


def entry_of(path: Path, name: str) -> Entry:
    """The entry of a file as it is now."""
    with path.open("rb") as file:
        return Entry(
            name=name, size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest()
        )


def pack(target: Path, manifest: Manifest, files: dict[str, Path], progress: Progress) -> None:
    """Write the archive (mode 0600), whole or not at all. ``files`` gives each name its path."""
    draft = target.with_name(f"{target.name}.partial")
    draft.unlink(missing_ok=True)
    try:
        with (
            os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as sink,
            gzip.GzipFile("", "wb", 6, sink, manifest.made_at) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            _add_manifest(tar, manifest)
            for entry in manifest.files:
                with files[entry.name].open("rb") as file:
                    tar.addfile(_member(entry.name, entry.size, manifest), _Told(file, progress))
        _sync(draft)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _add_manifest(tar: tarfile.TarFile, manifest: Manifest) -> None:
    text = manifest.model_dump_json(indent=1).encode()
    member = _member("manifest.json", len(text), manifest)
    tar.addfile(member, io.BytesIO(text))


def _member(name: str, size: int, manifest: Manifest) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"{_PREFIX}/{name}")
    member.size, member.mode, member.mtime = size, 0o600, int(manifest.made_at)
    return member


class _Told(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file = file
        self._progress = progress

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._progress("packing", len(data))
        return data


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_manifest(archive: Path) -> Manifest:
    """The manifest alone. Raises Refused as ``unpack``."""
    with _opened(archive) as tar:
        return _first(archive, tar)


def unpack(archive: Path, into: Path, progress: Progress) -> Manifest:
    """Put the files into an empty folder, each checked against the manifest.

    Raises Refused: ``backup.unreadable``, ``backup.foreign`` (no backup of ours), ``backup.newer``,
    ``backup.unsafe`` (a name that leads out of the folder), ``backup.truncated``, ``backup.altered``.
    """
    with _opened(archive) as tar:
        manifest = _first(archive, tar)
        expected = {entry.name: entry for entry in manifest.files}
        while (member := tar.next()) is not None:
            name = _name_of(archive, member)
            entry = expected.pop(name, None)
            if entry is None:
                raise _unsafe(archive, member.name, "the manifest does not name it")
            _extract(archive, tar, member, entry, into / name, progress)
    if expected:
        raise _truncated(archive, f"{', '.join(expected)} missing")
    return manifest


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with archive.open("rb") as file:
            if file.read(2) != b"\x1f\x8b":
                raise _foreign(archive, "it is no gzip file")
        with gzip.open(archive) as packed, tarfile.open(fileobj=packed, mode="r:") as tar:
            yield tar
            packed.read(_PADDING)  # up to the checksum at its very end
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise _truncated(archive, str(error) or type(error).__name__) from None
    except OSError as error:
        detail = f"{error.filename or archive}: {error.strerror or error}"
        raise Refused("backup.unreadable", detail) from None


def _first(archive: Path, tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    if member is None:
        raise _truncated(archive, "it is empty")
    file = tar.extractfile(member) if member.isreg() and member.name == _MANIFEST else None
    if file is None or member.size > _MAX_MANIFEST:
        raise _foreign(archive, f"its first file is not {_MANIFEST}")
    text = file.read()
    _refuse_newer(archive, text)
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        raise _foreign(archive, f"its manifest is wrong: {error.errors()[0]['msg']}") from None
    if not any(entry.name == DATABASE_FILE for entry in manifest.files):
        raise _foreign(archive, f"it holds no {DATABASE_FILE}")
    return manifest


class _Head(BaseModel):
    product: str = ""
    format: int = 0
    version: str = ""


def _refuse_newer(archive: Path, text: bytes) -> None:
    try:
        head = _Head.model_validate_json(text)
    except ValidationError:
        raise _foreign(archive, "its manifest is no JSON object") from None
    if head.format > FORMAT:
        raise Refused(
            "backup.newer",
            f"{archive} has format {head.format}, of Trunkline {head.version[:20]}; this one knows format {FORMAT}",
            "restore it with that version or a newer one",
        )


def _name_of(archive: Path, member: tarfile.TarInfo) -> str:
    """The name within the data folder; refuses what is no plain file of a known place."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not member.name.isprintable():
        raise _unsafe(archive, member.name, "it leads out of the data folder")
    if not member.isreg():
        raise _unsafe(archive, member.name, "it is no plain file")
    if len(path.parts) < 2 or path.parts[0] != _PREFIX:
        raise _unsafe(archive, member.name, f"it is not within {_PREFIX}")
    inner = PurePosixPath(*path.parts[1:])
    if str(inner) not in {DATABASE_FILE, KEY_FILE, VAPID_FILE} and (
        inner.parts[0] not in FOLDERS or len(inner.parts) < 2
    ):
        raise _unsafe(archive, member.name, "no backup holds such a file")
    return str(inner)


def _extract(
    archive: Path,
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    entry: Entry,
    target: Path,
    progress: Progress,
) -> None:
    source = tar.extractfile(member)
    if source is None or member.size != entry.size:
        raise _altered(archive, entry.name, f"{member.size} bytes, expected {entry.size}")
    try:
        digest = _copy(source, target, progress)
    except gzip.BadGzipFile:
        raise
    except OSError as error:
        raise Refused("restore.failed", f"{target}: {error.strerror or error}", status=507) from None
    if digest != entry.sha256:
        raise _altered(archive, entry.name, "its checksum is another one")


def _copy(source: IO[bytes], target: Path, progress: Progress) -> str:
    """Write a file for its owner alone; its SHA-256."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as sink:
        while block := source.read(_BLOCK):
            digest.update(block)
            sink.write(block)
            progress("unpacking", len(block))
        sink.flush()
        os.fsync(sink.fileno())
    return digest.hexdigest()


def _foreign(archive: Path, why: str) -> Refused:
    return Refused(
        "backup.foreign",
        f"{archive} is no backup of Trunkline: {why}",
        "trunkline backup FILE.tar.gz makes one",
    )


def _truncated(archive: Path, why: str) -> Refused:
    return Refused(
        "backup.truncated",
        f"{archive} is truncated or damaged: {why[:200]}",
        "copy it again, or take another backup",
    )


def _altered(archive: Path, name: str, why: str) -> Refused:
    return Refused(
        "backup.altered",
        f"{archive}: {name} is not what was backed up: {why}",
        "copy it again, or take another backup",
    )


def _unsafe(archive: Path, name: str, why: str) -> Refused:
    return Refused(
        "backup.unsafe",
        f"{archive} holds {name[:100]!r}: {why}",
        "it was not made by trunkline backup: do not use it",
    )
