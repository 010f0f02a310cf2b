"""Backups: what is in them, what they can be restored into, and everything that must be refused."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import shutil
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from typer.testing import CliRunner, Result

from tests.unit.store.samples import SYSTEM, a_binding, a_record
from trunkline.app.archive import read_manifest
from trunkline.app.cli import app
from trunkline.app.folder_lock import FolderLock
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import TenantScope
from trunkline.store import Store
from trunkline.store.commit import Operation
from trunkline.store.database import Database
from trunkline.store.rows import UPSERT_BINDING, binding_row
from trunkline.store.schema import HEAD, alembic_config
from trunkline.store.writer import Writer

PREFIX = "trunkline-backup"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two extensions, a record, a key and a certificate with its key."""
    data = tmp_path_factory.mktemp("filled") / "data"
    with Store.open(data) as store:
        scope = TenantScope(store.tenants.list(SYSTEM)[0].id)
        for number in ("1001", "1002"):
            store.extensions.add(scope, NewExtension(number, f"secret of {number}"))
        store.records.append_many(SYSTEM, [a_record(scope.tenant)])
    (data / "tls").mkdir()
    (data / "tls" / "self-signed.pem").write_text(
        "-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n"
    )
    (data / "tls" / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    return data


@pytest.fixture
def data(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path / "data"))
    return Path(shutil.copytree(filled, tmp_path / "data"))


@pytest.fixture
def archive(data: Path, tmp_path: Path) -> Path:
    """A backup of it."""
    assert run("backup", str(tmp_path / "b.tar.gz")).exit_code == 0
    return tmp_path / "b.tar.gz"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def passwords_in(data: Path) -> dict[str, str]:
    with Store.open(data) as store:
        return {one.number: one.password for one in store.extensions.list(SYSTEM, passwords=True)}


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {member.name: content(tar, member) for member in tar}


def content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file is not None else b""


def rewrite(archive: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Another archive with changed members, in their order."""
    files = members(archive)
    change(files)
    target = archive.with_name("changed.tar.gz")
    with tarfile.open(target, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return target


NOT_NOW = (
    "holds data already", "running already", "does not open the stored passwords", "no store in", "No space left",
)  # fmt: skip


def refusal(*arguments: str) -> str:
    """1 when it cannot be done now, 2 when what was given is wrong."""
    result = run(*arguments)
    now = (
        "holds data already",
        "running already",
        "does not open the stored passwords",
        "Permission denied",
        "no store in",
        "No space left",
    )
    assert result.exit_code == (1 if any(words in result.stderr for words in now) else 2), result.output
    assert result.stdout == ""
    return result.stderr


# What a backup is


def test_a_backup_holds_store_key_and_certificates_and_says_so(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    result = run("backup", str(target))
    assert result.stdout.startswith(f"4 files backed up to {target} (")
    assert "holds the key of the stored passwords" in result.stderr
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(members(target)) == [
        f"{PREFIX}/{name}"
        for name in ("manifest.json", "trunkline.db", "secret.key", "tls/ca.pem", "tls/self-signed.pem")
    ]
    manifest = json.loads(members(target)[f"{PREFIX}/manifest.json"])
    assert (manifest["format"], manifest["schema_revision"]) == (1, HEAD)
    assert not list(tmp_path.glob(".trunkline-backup-*"))
    assert not list(tmp_path.glob("*.partial"))


def test_a_backup_without_key_holds_nothing_private(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.tar.gz"
    facts = json.loads(run("backup", str(target), "--without-key", "--json").stdout)
    result = run("backup", str(target), "--without-key", "--force")
    assert facts["key"] is False
    assert facts["left_out"] == ["secret.key", "tls/self-signed.pem"]
    assert facts["key_id"] in (data / "secret.key").read_text()
    assert f"key {facts['key_id']} is not in it" in result.stderr
    assert "tls/self-signed.pem was left out" in result.stderr
    assert set(members(target)) == {
        f"{PREFIX}/{name}" for name in ("manifest.json", "trunkline.db", "tls/ca.pem")
    }
    assert not any(b"PRIVATE KEY" in data for data in members(target).values())


def test_the_key_of_web_push_goes_with_the_other_keys(data: Path, tmp_path: Path) -> None:
    (data / "vapid.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    whole, open_one = tmp_path / "whole.tar.gz", tmp_path / "open.tar.gz"
    assert run("backup", str(whole)).exit_code == 0
    assert run("restore", str(whole), "--data", str(tmp_path / "new")).exit_code == 0
    assert (tmp_path / "new" / "vapid.pem").read_text() == (data / "vapid.pem").read_text()
    assert run("backup", str(open_one), "--without-key").exit_code == 0
    assert f"{PREFIX}/vapid.pem" not in members(open_one)


def test_in_a_folder_a_backup_is_named_by_its_time(data: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    assert run("backup", str(tmp_path / "backups")).exit_code == 0
    (made,) = (tmp_path / "backups").iterdir()
    assert made.match("trunkline-????????-??????.tar.gz")


def test_a_backup_does_not_overwrite_by_accident(archive: Path) -> None:
    assert run("backup", str(archive)).exit_code == 2
    assert run("backup", str(archive), "--force").exit_code == 0
    assert run("backup", str(archive.with_name("b.zip"))).exit_code == 2
    assert run("backup", str(archive.parent / "none" / "b.tar.gz")).exit_code == 2


def test_a_folder_without_a_store_cannot_be_backed_up(tmp_path: Path) -> None:
    said = refusal("backup", str(tmp_path / "b.tar.gz"), "--data", str(tmp_path / "none"))
    assert "there is no store in" in said
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / "b.tar.gz").exists()


def test_a_backup_whose_key_opens_nothing_is_refused(data: Path, tmp_path: Path) -> None:
    Store.open(tmp_path / "other").close()
    shutil.copy(tmp_path / "other" / "secret.key", data / "secret.key")
    assert "does not open the stored passwords" in refusal("backup", str(tmp_path / "b.tar.gz"))
    assert run("backup", str(tmp_path / "b.tar.gz"), "--without-key").exit_code == 0


def test_calls_in_progress_are_not_backed_up(data: Path, tmp_path: Path) -> None:
    with sqlite3.connect(data / "trunkline.db") as store:
        columns = [row[1:3] for row in store.execute("PRAGMA table_info(call_journal)")]
        tenant = store.execute("SELECT id FROM tenant").fetchone()[0]
        row = [tenant if name == "tenant_id" else 1 if "INT" in kind else "x" for name, kind in columns]
        marks = ", ".join("?" * len(row))
        store.execute(f"INSERT INTO call_journal VALUES ({marks})", row)  # noqa: S608
    store.close()
    run("backup", str(tmp_path / "b.tar.gz"))
    (tmp_path / "copy.db").write_bytes(members(tmp_path / "b.tar.gz")[f"{PREFIX}/trunkline.db"])
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT count(*) FROM call_journal").fetchone() == (0,)
    assert copy.execute("SELECT count(*) FROM call_record").fetchone() == (1,)
    copy.close()


async def test_a_backup_beside_a_busy_writer_is_of_one_moment(data: Path, tmp_path: Path) -> None:
    """Each operation writes two bindings of equal CSeq: a copy that saw half of one would hold two."""
    stop = threading.Event()
    with Store.open(data) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        async with Writer(store.database, linger_s=0) as writer:
            pairs = [a_binding(tenant, f"{n:04}", id=f"{n:04}-{half}") for n in range(300) for half in "ab"]
            await writer.commit(Operation(UPSERT_BINDING, [binding_row(one) for one in pairs]))

            written = asyncio.Event()

            async def write() -> None:
                rounds = 0
                while not stop.is_set():
                    rounds += 1
                    for binding in pairs:
                        binding.cseq = rounds
                    await writer.commit(Operation(UPSERT_BINDING, [binding_row(one) for one in pairs]))
                    written.set()

            writing = asyncio.create_task(write())
            targets = [tmp_path / f"{number}.tar.gz" for number in range(5)]
            for target in targets:
                written.clear()
                await written.wait()  # between any two of them something is new
                result = await asyncio.to_thread(run, "backup", str(target))
                assert result.exit_code == 0, result.output
            stop.set()
            await writing
    for target in targets:
        folder = tmp_path / target.name.partition(".")[0]
        assert run("restore", str(target), "--data", str(folder)).exit_code == 0
        with Store.open(folder) as restored, restored.database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert len({one.cseq for one in restored.bindings.load_all(SYSTEM)}) == 1
            assert len(restored.bindings.load_all(SYSTEM)) == 600


# What a restore does


def test_a_backup_is_restored_into_a_folder_that_is_not_there(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    result = run("restore", str(archive), "--data", str(folder))
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"restored to {folder}\n")
    assert passwords_in(folder) == {"1001": "secret of 1001", "1002": "secret of 1002"}
    assert (folder / "tls" / "ca.pem").read_text() == "-----BEGIN CERTIFICATE-----\n"
    for name in ("trunkline.db", "secret.key", "tls/self-signed.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_is_there_is_kept_aside_with_force_and_untouched_without(archive: Path, data: Path) -> None:
    run("extension", "add", "1003")
    said = refusal("restore", str(archive))
    assert "holds data already: secret.key, tls, trunkline.db" in said
    assert "--force" in said
    assert "1003" in passwords_in(data)
    facts = json.loads(run("restore", str(archive), "--force", "--json").stdout)
    aside = Path(facts["aside"])
    assert aside.name.startswith("data.before-restore-")
    assert "1003" not in passwords_in(data)
    assert "1003" in passwords_in(aside)


def test_a_folder_of_a_volume_of_its_own_keeps_the_old_data_inside(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def across(self: Path, target: Path) -> Path:
        if Path(target).parent.name.startswith("data.before"):
            raise OSError(18, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
    aside = Path(json.loads(run("restore", str(archive), "--force", "--json").stdout)["aside"])
    assert aside.parent == data
    assert (aside / "trunkline.db").exists()
    assert not list(data.parent.glob("data.before*"))
    assert passwords_in(data)


def test_a_restore_that_fails_half_way_leaves_everything_as_it_was(
    archive: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {
        path: path.read_bytes() for path in data.rglob("*") if path.is_file() and path.suffix != ".lock"
    }
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if Path(target) == data / "trunkline.db" and ".restoring" in self.parts:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    assert "No space left on device" in refusal("restore", str(archive), "--force")
    after = {path: path.read_bytes() for path in data.rglob("*") if path.is_file() and path.suffix != ".lock"}
    assert after == before
    assert not list(data.parent.glob("data.before*"))


def test_a_folder_that_an_exchange_uses_is_refused(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "used"
    folder.mkdir()
    lock = FolderLock(folder / "control.lock")
    lock.acquire()
    try:
        said = refusal("restore", str(archive), "--data", str(folder), "--force")
    finally:
        lock.release()
    assert "running already with" in said
    assert f"trunkline stop --data {folder}" in said
    assert [path.name for path in folder.iterdir()] == ["control.lock"]


def test_an_older_schema_is_restored_and_migrated_when_it_is_opened(data: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(data / "secret.key", old)
    database = Database(old / "trunkline.db")
    database.prepare_file()
    config = alembic_config()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    database.close()
    assert run("backup", str(tmp_path / "old.tar.gz"), "--data", str(old)).exit_code == 0
    assert read_manifest(tmp_path / "old.tar.gz").schema_revision == "0001"
    folder = tmp_path / "new"
    assert run("restore", str(tmp_path / "old.tar.gz"), "--data", str(folder)).exit_code == 0
    with Store.open(folder) as store, store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD


# What a restore refuses; nothing may be left behind


def refused_restore(archive: Path, *options: str) -> str:
    folder = archive.parent / "target"
    said = refusal("restore", str(archive), "--data", str(folder), *options)
    assert not folder.exists()
    return said


def test_a_lost_key_is_told_apart_from_a_wrong_one(data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar.gz"
    run("backup", str(archive), "--without-key")
    name = read_manifest(archive).key_id
    lost = refused_restore(archive)
    assert f"holds no key, and its passwords were sealed with key {name}" in lost
    assert "--key FILE" in lost
    Store.open(tmp_path / "other").close()
    wrong = refused_restore(archive, "--key", str(tmp_path / "other" / "secret.key"))
    assert f"does not open the passwords of this backup (they need key {name})" in wrong
    assert "no file" in refused_restore(archive, "--key", str(tmp_path / "nothing"))
    (tmp_path / "damaged").write_text("no key at all")
    assert "the key " in refused_restore(archive, "--key", str(tmp_path / "damaged"))
    folder = tmp_path / "new"
    key = str(data / "secret.key")
    result = run("restore", str(archive), "--data", str(folder), "--key", key)
    assert result.exit_code == 0, result.output
    assert "tls/self-signed.pem is not in the backup" in result.stderr
    assert passwords_in(folder)["1001"] == "secret of 1001"


def test_a_key_in_the_backup_that_opens_nothing_is_refused(archive: Path, tmp_path: Path) -> None:
    Store.open(tmp_path / "other").close()
    other = (tmp_path / "other" / "secret.key").read_bytes()

    def change(files: dict[str, bytes]) -> None:
        files[f"{PREFIX}/secret.key"] = other
        manifest = json.loads(files[f"{PREFIX}/manifest.json"])
        for entry in manifest["files"]:
            if entry["name"] == "secret.key":
                entry.update(size=len(other), sha256=hashlib.sha256(other).hexdigest())
        files[f"{PREFIX}/manifest.json"] = json.dumps(manifest).encode()

    assert "does not open the passwords" in refused_restore(rewrite(archive, change))


def manifest_with(**changes: Any) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        manifest = json.loads(files[f"{PREFIX}/manifest.json"]) | changes
        files[f"{PREFIX}/manifest.json"] = json.dumps(manifest).encode()

    return change


def altered(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        data = bytearray(files[f"{PREFIX}/{name}"])
        data[len(data) // 2] ^= 1
        files[f"{PREFIX}/{name}"] = bytes(data)

    return change


def without(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__delitem__(f"{PREFIX}/{name}") if name else None


def with_member(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda files: files.__setitem__(name, b"x")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (manifest_with(format=2), "has format 2"),
        (manifest_with(product="other"), "is no backup of Trunkline"),
        (manifest_with(files="none"), "its manifest is wrong"),
        (manifest_with(files=[]), "it holds no trunkline.db"),
        (without("manifest.json"), "its first file is not trunkline-backup/manifest.json"),
        (without("trunkline.db"), "is truncated or damaged: trunkline.db missing"),
        (altered("trunkline.db"), "trunkline.db is not what was backed up: its checksum is another one"),
        (altered("secret.key"), "secret.key is not what was backed up"),
        (with_member(f"{PREFIX}/../../evil"), "it leads out of the data folder"),
        (with_member("/etc/evil"), "it leads out of the data folder"),
        (with_member(f"{PREFIX}/tls/../../../evil"), "it leads out of the data folder"),
        (with_member("evil"), "it is not within trunkline-backup"),
        (with_member(f"{PREFIX}/evil"), "no backup holds such a file"),
        (with_member(f"{PREFIX}/tls/evil"), "the manifest does not name it"),
    ],
)
def test_what_is_no_good_backup_is_refused(
    archive: Path, change: Callable[[dict[str, bytes]], None], said: str
) -> None:
    assert said in refused_restore(rewrite(archive, change))
    assert not list(archive.parent.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_what_is_no_plain_file_is_refused(archive: Path, kind: bytes) -> None:
    target = archive.with_name("changed.tar.gz")
    with tarfile.open(target, "w:gz") as tar:
        for name, data in members(archive).items():
            member = tarfile.TarInfo(name)
            if name.endswith("secret.key"):
                member.type, member.linkname = kind, "/etc/passwd"
                tar.addfile(member)
                continue
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    assert "it is no plain file" in refused_restore(target)


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_refused_wherever_it_was_cut(archive: Path, kept: float) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * kept)])
    assert "is truncated or damaged" in refused_restore(archive)


def test_a_tar_that_was_cut_between_two_files_is_refused(archive: Path) -> None:
    plain = gzip.decompress(archive.read_bytes())
    cut = plain.index(f"{PREFIX}/secret.key".encode())
    archive.write_bytes(gzip.compress(plain[: cut - cut % 512]))
    assert "is truncated or damaged" in refused_restore(archive)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.tar.gz").write_text("hello")
    assert "is no backup of Trunkline: it is no gzip file" in refused_restore(tmp_path / "b.tar.gz")
    assert "No such file" in refused_restore(tmp_path / "none.tar.gz")
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(b"hello" * 1000))
    refused_restore(tmp_path / "b.tar.gz")


def test_a_newer_schema_is_refused(data: Path, tmp_path: Path) -> None:
    with sqlite3.connect(data / "trunkline.db") as store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    run("backup", str(tmp_path / "b.tar.gz"))
    said = refused_restore(tmp_path / "b.tar.gz")
    assert "the store has schema 9999" in said
    assert "a newer Trunkline wrote it" in said
