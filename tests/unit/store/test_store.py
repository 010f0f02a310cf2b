"""Opening a store."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.store.samples import SYSTEM
from trunkline.base.errors import ConfigError
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import TenantScope
from trunkline.store import SecretBox, Store
from trunkline.store.errors import KeyFileError, SchemaError, StoreUnavailableError
from trunkline.store.store import DATABASE_FILE, KEY_FILE, LOCK_FILE


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_fresh_folder_becomes_a_private_store_with_one_tenant(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there"
    with Store.open(folder) as store:
        assert [tenant.name for tenant in store.tenants.list(SYSTEM)] == ["default"]
    assert mode(folder) == 0o700
    assert mode(folder / DATABASE_FILE) == 0o600
    assert mode(folder / KEY_FILE) == 0o600


def test_reopening_keeps_everything(data: Path) -> None:
    with Store.open(data) as store:
        scope = TenantScope(store.tenants.list(SYSTEM)[0].id)
        store.extensions.add(scope, NewExtension("1001", "s3cret"))
    with Store.open(str(data)) as store:
        again = store.extensions.get(scope, "1001")
    assert again is not None
    assert again.password == "s3cret"


def test_a_url_names_the_file_and_a_given_key_is_used(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/named.db", SecretBox(b"k" * 32)) as store:
        scope = TenantScope(store.tenants.list(SYSTEM)[0].id)
        store.extensions.add(scope, NewExtension("1001", "s3cret"))
    assert (tmp_path / "named.db").exists()
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize(
    "url", ["postgresql://root:hunter2@db/trunkline", "sqlite://", "sqlite:///:memory:", "://"]
)
def test_a_url_that_is_no_sqlite_file_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///FILE") as caught:
        Store.open(url)
    assert "hunter2" not in str(caught.value)


def test_a_store_of_a_newer_program_is_refused_and_left_alone(data: Path) -> None:
    connection = sqlite3.connect(data / DATABASE_FILE)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    with pytest.raises(SchemaError, match="schema 9999, this program knows up to"):
        Store.open(data)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    connection.close()


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE_FILE)
    connection.execute("CREATE TABLE holiday_photos (name TEXT)")
    connection.close()
    with pytest.raises(SchemaError, match="holiday_photos"):
        Store.open(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_text("Dear diary, " * 100)
    with pytest.raises(SchemaError, match="expected an SQLite database"):
        Store.open(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="file/data cannot be used"):
        Store.open(tmp_path / "file" / "data")


def test_only_one_program_opens_a_store_at_a_time(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.store.store.OPEN_DEADLINE_S", 0.0)
    with (data / LOCK_FILE).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with pytest.raises(StoreUnavailableError, match="another program has been opening"):
            Store.open(data)
    Store.open(data).close()


def with_a_password(data: Path) -> None:
    with Store.open(data) as store:
        scope = TenantScope(store.tenants.list(SYSTEM)[0].id)
        store.extensions.add(scope, NewExtension("1001", "s3cret"))


def test_a_lost_key_is_not_replaced_silently(data: Path) -> None:
    with_a_password(data)
    (data / KEY_FILE).unlink()
    with pytest.raises(KeyFileError, match=r"saw no file.*restore the key file from a backup"):
        Store.open(data)
    assert not (data / KEY_FILE).exists()


def test_the_key_of_another_store_is_refused(data: Path, tmp_path: Path) -> None:
    with_a_password(data)
    Store.open(tmp_path / "elsewhere").close()
    (tmp_path / "elsewhere" / KEY_FILE).replace(data / KEY_FILE)
    with pytest.raises(KeyFileError, match="which sealed the stored passwords"):
        Store.open(data)


def test_a_lost_key_is_replaced_while_nothing_was_sealed(data: Path) -> None:
    (data / KEY_FILE).unlink()
    with_a_password(data)
    assert (data / KEY_FILE).exists()


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


ADD_EXTENSIONS = """
import sys
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.store import Store

with Store.open(sys.argv[1]) as store:
    scope = TenantScope(store.tenants.list(SystemScope("test"))[0].id)
    for number in range(25):
        store.extensions.add(scope, NewExtension(f"{sys.argv[2]}{number}", "pw"))
        store.extensions.set(scope, f"{sys.argv[2]}{number}", name="renamed")
"""


def test_processes_that_create_and_write_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    workers = [run(ADD_EXTENSIONS, str(folder), name) for name in ("a", "b")]
    outputs = [worker.communicate(timeout=60)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    with Store.open(folder) as store:
        (tenant,) = store.tenants.list(SYSTEM)
        assert len(store.extensions.list(TenantScope(tenant.id), passwords=True)) == 50


SAVE_AND_DIE = """
import asyncio, os, sys
from tests.unit.store.samples import SYSTEM, a_binding
from trunkline.store import BindingJournal, Store, Writer

async def main():
    store = Store.open(sys.argv[1])
    writer = Writer(store.database)
    writer.start()
    await BindingJournal(writer).new(a_binding(store.tenants.list(SYSTEM)[0].id, "survivor"))
    os._exit(9)

asyncio.run(main())
"""


def test_an_awaited_commit_survives_the_sudden_death_of_its_process(data: Path) -> None:
    worker = run(SAVE_AND_DIE, str(data))
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 9, output
    with Store.open(data) as store:
        assert [binding.user for binding in store.bindings.load_all(SYSTEM)] == ["survivor"]
