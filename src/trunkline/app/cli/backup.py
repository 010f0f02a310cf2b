"""``trunkline backup`` and ``trunkline restore``."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json
from trunkline.app.data_folder import find_data_folder
from trunkline.app.render import count_of
from trunkline.app.terminal import Screen

if TYPE_CHECKING:
    from trunkline.app.archive import Manifest

_ENDINGS = (".tar.gz", ".tgz")


def backup(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.tar.gz|FOLDER", help="Where to. In a folder that exists, the name tells the time."
        ),
    ],
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Leave out the key of the passwords and private TLS keys.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file when it exists.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing when all went well, as a nightly job wants it.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Back the data folder up, also while the exchange runs.

    The file has the store as of one moment, its key and certificates. Whoever has it can read every password,
    unless the key is left out.
    """
    from trunkline.app.backup import back_up, size_of  # noqa: PLC0415  (the store is slow to import)

    screen = Screen()
    folder = find_data_folder(data).path
    target = _target(file.expanduser().absolute(), force=force)
    with screen.progress(size_of(folder)) as progress:
        manifest = back_up(folder, target, with_key=not without_key, progress=progress)
    if as_json:
        screen.json({"file": str(target), "bytes": target.stat().st_size, **_facts(manifest)})
    elif not quiet:
        _show(screen, manifest, target)


def _show(screen: Screen, manifest: Manifest, target: Path) -> None:
    """What was done, and what to take care of."""
    count = count_of(len(manifest.files), "file")
    screen.line(f"{count} backed up to {target} ({_size(target.stat().st_size)})")
    if manifest.has_key:
        screen.note("it holds the key of the stored passwords: keep it as safe as the data folder")
    elif manifest.key_id:
        screen.warn(
            f"key {manifest.key_id} is not in it: keep secret.key elsewhere, without it this is useless"
        )
    for name in manifest.left_out:
        if name != "secret.key":
            screen.note(f"{name} was left out: it holds a private key")


def _target(file: Path, *, force: bool) -> Path:
    if file.is_dir():
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        return file / f"trunkline-{stamp}.tar.gz"
    if not file.name.endswith(_ENDINGS):
        raise typer.BadParameter(
            f"{file.name}: expected a name that ends with .tar.gz, or a folder that exists"
        )
    if not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent}")
    if file.exists() and not force:
        raise typer.BadParameter(f"{file} exists already; --force overwrites it")
    return file


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE.tar.gz", help="A backup that `backup` made.")],
    force: Annotated[
        bool,
        typer.Option("--force", help="Also into a folder with data, which are moved aside, not deleted."),
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="The key file, for a backup that was made without one."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Restore a backup into the data folder of an exchange that does not run.

    Everything is checked before anything is changed: the form, each file's checksum, the schema, and that the
    key opens the passwords.
    """
    from trunkline.app.archive import read_manifest  # noqa: PLC0415  (the store is slow to import)
    from trunkline.app.restore import restore as put_back  # noqa: PLC0415

    screen = Screen()
    folder = find_data_folder(data).path
    with screen.progress(read_manifest(file).size) as progress:
        restored = put_back(file, folder, force=force, key=key, progress=progress)
    manifest = restored.manifest
    if as_json:
        aside = str(restored.aside) if restored.aside is not None else None
        screen.json({"data": str(folder), "aside": aside, **_facts(manifest)})
        return
    made = datetime.fromtimestamp(manifest.made_at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    screen.line(f"{count_of(len(manifest.files), 'file')} of {made} restored to {folder}")
    if restored.aside is not None:
        screen.line(f"what was there before is in {restored.aside}")
    for name in manifest.left_out:
        if not (folder / name).exists():
            screen.warn(f"{name} is not in the backup: put it back, or a new one is made")
    screen.note(f"start the exchange: trunkline up --data {shlex.quote(str(folder))}")


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "version": manifest.version,
        "schema": manifest.schema_revision,
        "made_at": manifest.made_at,
        "key": manifest.has_key,
        "key_id": manifest.key_id,
        "files": [entry.name for entry in manifest.files],
        "left_out": manifest.left_out,
    }


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def register(app: Commands) -> None:
    """Put the commands into the program."""
    app.command(
        examples=[
            "trunkline backup /backup/trunkline.tar.gz",
            "trunkline backup /backup --data /var/lib/trunkline --quiet",
            "trunkline backup trunkline.tar.gz --without-key",
        ]
    )(backup)
    app.command(
        examples=[
            "trunkline restore /backup/trunkline.tar.gz --data /var/lib/trunkline",
            "trunkline restore trunkline.tar.gz --key /safe/secret.key --force",
        ]
    )(restore)
