"""Mobile accounts, devices, calls and keys of backends come back as they were written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command

from tests.unit.store.samples import SYSTEM, a_binding, a_mobile_account, a_mobile_call, a_mobile_device
from trunkline.model.tenant import TenantScope
from trunkline.store import Store
from trunkline.store.copying import copy_database, sealed_secret
from trunkline.store.database import Database
from trunkline.store.errors import KeyFileError
from trunkline.store.journals import BindingJournal
from trunkline.store.mobile_journal import MobileCallJournal, MobileJournal
from trunkline.store.mobile_rows import (
    UPSERT_MOBILE_ACCOUNT,
    UPSERT_MOBILE_DEVICE,
    mobile_account_row,
    mobile_device_row,
)
from trunkline.store.schema import HEAD, alembic_config, migrate, revision
from trunkline.store.writer import Writer


async def test_what_the_journal_wrote_is_read_back(
    store: Store, mine: TenantScope, other: TenantScope
) -> None:
    account, device = a_mobile_account(mine.tenant), a_mobile_device(mine.tenant)
    call, theirs = a_mobile_call(mine.tenant), a_mobile_device(other.tenant)
    async with Writer(store.database) as writer:
        journal = MobileJournal(writer)
        await journal.new_device(device, account)
        journal.keep_devices([theirs])
        await MobileCallJournal(writer).write_call(call)
    assert store.mobile_accounts.load_all(mine) == (account,)
    assert store.mobile_devices.load_all(mine) == (device,)
    assert store.mobile_calls.load_all(mine) == (call,)
    assert set(map(id_of, store.mobile_devices.load_all(SYSTEM))) == {device.id, theirs.id}


async def test_what_was_forgotten_is_gone_and_what_changed_is_new(store: Store, mine: TenantScope) -> None:
    account, device = a_mobile_account(mine.tenant), a_mobile_device(mine.tenant)
    call = a_mobile_call(mine.tenant)
    async with Writer(store.database) as writer:
        journal = MobileJournal(writer)
        await journal.new_device(device, account)
        MobileCallJournal(writer).keep_calls([call])
        journal.keep_accounts([replace(account, secret=None)])
        await writer.drain()
        assert store.mobile_accounts.load_all(mine)[0].secret is None
        journal.forget_account(mine.tenant, account.id)
        journal.forget_device(mine.tenant, device.id)
        MobileCallJournal(writer).forget_calls([(mine.tenant, call.id)])
        MobileCallJournal(writer).forget_calls([])
    kept = (store.mobile_accounts, store.mobile_devices, store.mobile_calls)
    assert [one.load_all(SYSTEM) for one in kept] == [(), (), ()]


def test_a_tenant_has_one_key(store: Store, mine: TenantScope, other: TenantScope) -> None:
    store.api_keys.set(mine, "aa" * 32)
    store.api_keys.set(other, "bb" * 32)
    store.api_keys.set(mine, "cc" * 32)
    kept = {one.tenant: one.hash for one in store.api_keys.load_all(SYSTEM)}
    assert kept == {mine.tenant: "cc" * 32, other.tenant: "bb" * 32}
    assert store.api_keys.remove(mine)
    assert not store.api_keys.remove(mine)


async def test_a_copy_has_devices_but_no_calls(store: Store, mine: TenantScope, tmp_path: Path) -> None:
    sealed = store.box.seal("secret", mine.tenant, "a" * 32)
    account = a_mobile_account(mine.tenant, id="a" * 32, secret=sealed)
    async with Writer(store.database) as writer:
        journal = MobileJournal(writer)
        await journal.new_device(a_mobile_device(mine.tenant), account)
        await MobileCallJournal(writer).write_call(a_mobile_call(mine.tenant))
    copy = tmp_path / "copy.db"
    copy_database(store.database.path, copy)
    found = sealed_secret(copy)
    assert found is not None
    assert (found.secret, found.owner) == (sealed, "a" * 32)
    with Store.open(f"sqlite:///{copy}", store.box) as copied:
        assert len(copied.mobile_devices.load_all(SYSTEM)) == 1
        assert copied.mobile_calls.load_all(SYSTEM) == ()


def test_the_key_of_a_store_with_mobile_passwords_alone_is_not_made_anew(tmp_path: Path) -> None:

    with Store.open(tmp_path) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        account = a_mobile_account(tenant, secret=store.box.seal("x", tenant, "y"))
        with store.database.writing() as connection:
            connection.exec_driver_sql(UPSERT_MOBILE_ACCOUNT.sql, mobile_account_row(account))
    (tmp_path / "secret.key").unlink()
    with pytest.raises(KeyFileError):
        Store.open(tmp_path)


def test_a_store_of_the_schema_before_is_brought_up_with_all_that_is_in_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "trunkline.db")
    database.prepare_file()
    config = alembic_config()
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        connection.exec_driver_sql("INSERT INTO tenant (id, name) VALUES ('t', 'default')")
        connection.exec_driver_sql(
            "INSERT INTO extension (tenant_id, id, number, name) VALUES ('t', 'e', '1001', 'Anna')"
        )
        migrate(connection)
        assert revision(connection) == HEAD
    database.close()
    with Store.open(tmp_path) as store:
        assert [one.name for one in store.extensions.list(SYSTEM)] == ["Anna"]
        assert store.mobile_devices.load_all(SYSTEM) == ()
        store.api_keys.set(TenantScope("t"), "ab" * 32)


def id_of(row: object) -> str:
    return str(getattr(row, "id", ""))


TOKEN = "a-push-token-of-nobody-else"
CONTACT = f"<sip:1001@10.0.0.1;pn-provider=fcm;pn-param=x;pn-prid={TOKEN}>"


def stored(path: Path) -> bytes:
    """All that is in the folder but the key."""
    return b"".join(file.read_bytes() for file in path.iterdir() if file.name != "secret.key")


async def test_push_tokens_are_in_no_file(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        device = a_mobile_device(
            tenant, push_token=TOKEN, alert_token=TOKEN[::-1], auth="a secret of Web Push"
        )
        async with Writer(store.database) as writer:
            await MobileJournal(writer).new_device(device, None)
            await BindingJournal(writer).new(binding := a_binding(tenant, "1001", contact=CONTACT))
        assert store.mobile_devices.load_all(SYSTEM) == (device,)
        assert [one.contact for one in store.bindings.load_all(SYSTEM)] == [binding.contact]
        for secret in (TOKEN, TOKEN[::-1], "a secret of Web Push"):
            assert secret.encode() not in stored(tmp_path)
    with Store.open(tmp_path) as again:
        assert again.mobile_devices.load_all(SYSTEM) == (device,)
    assert TOKEN.encode() not in stored(tmp_path)
    (tmp_path / "secret.key").unlink()
    with pytest.raises(KeyFileError):
        Store.open(tmp_path)


def test_a_contact_that_names_its_token_in_capitals_is_sealed_too(tmp_path: Path) -> None:
    contact = CONTACT.replace("pn-prid", "PN-Prid")
    with Store.open(tmp_path) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        store.bindings.upsert_many(SYSTEM, [a_binding(tenant, "1001", contact=contact)])
        assert [one.contact for one in store.bindings.load_all(SYSTEM)] == [contact]
    assert TOKEN.encode() not in stored(tmp_path)


async def test_a_token_that_was_copied_to_another_device_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        async with Writer(store.database) as writer:
            journal = MobileJournal(writer)
            await journal.new_device(a_mobile_device(tenant, id="a", push_token=TOKEN), None)
            await journal.new_device(a_mobile_device(tenant, id="b", push_token="other"), None)
        with store.database.writing() as connection:
            connection.exec_driver_sql(
                "UPDATE mobile_device SET push_token = (SELECT push_token FROM mobile_device WHERE id = 'a') "
                "WHERE id = 'b'"
            )
        with pytest.raises(KeyFileError):
            store.mobile_devices.load_all(SYSTEM)


def test_tokens_of_the_schema_before_are_sealed_and_the_way_back_opens_them(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        plain = a_mobile_device(tenant, push_token=TOKEN, alert_token="", auth="a secret of Web Push")
        binding = a_binding(tenant, "1001", contact=CONTACT)
        other = a_binding(tenant, "1002")
        store.bindings.upsert_many(SYSTEM, [binding, other])
        with store.database.writing() as connection:
            connection.exec_driver_sql(UPSERT_MOBILE_DEVICE.sql, mobile_device_row(plain, store.box))
            config = alembic_config()
            config.attributes["connection"] = connection
            config.attributes["box"] = lambda: store.box
            command.downgrade(config, "0008")
            row = connection.exec_driver_sql("SELECT push_token, alert_token, auth FROM mobile_device").one()
            assert tuple(row) == (TOKEN, "", "a secret of Web Push")
            contacts = connection.exec_driver_sql("SELECT contact FROM binding").scalars()
            assert set(contacts) == {CONTACT, other.contact}
    assert TOKEN.encode() in stored(tmp_path)
    with Store.open(tmp_path) as again:
        assert again.mobile_devices.load_all(SYSTEM) == (plain,)
        assert {one.contact for one in again.bindings.load_all(SYSTEM)} == {CONTACT, other.contact}
    assert TOKEN.encode() not in stored(tmp_path)


@pytest.mark.parametrize("before", ["0002", "0005", "0007"])
def test_a_phone_with_a_token_in_its_contact_is_carried_over_from_each_schema_before(
    tmp_path: Path, before: str
) -> None:
    with Store.open(tmp_path) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        store.bindings.upsert_many(SYSTEM, [a_binding(tenant, "1001", contact=CONTACT)])
        with store.database.writing() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            config.attributes["box"] = lambda: store.box
            command.downgrade(config, before)
    with Store.open(tmp_path) as again:
        assert [one.contact for one in again.bindings.load_all(SYSTEM)] == [CONTACT]
    assert TOKEN.encode() not in stored(tmp_path)


def test_a_table_of_several_pages_is_sealed_whole_and_rows_without_a_token_stay(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        rows = [
            a_binding(tenant, str(number), id=f"b{number:05}", contact=f"<sip:{number}@10.0.0.1;{tail}>")
            for number in range(4100)
            for tail in (f"pn-prid={TOKEN}{number}" if number % 3 else "transport=tcp",)
        ]
        store.bindings.upsert_many(SYSTEM, rows)
        devices = [a_mobile_device(tenant, id=f"d{n}", push_token=TOKEN * n, auth="") for n in range(2)]
        with store.database.writing() as connection:
            for one in devices:
                connection.exec_driver_sql(UPSERT_MOBILE_DEVICE.sql, mobile_device_row(one, store.box))
            config = alembic_config()
            config.attributes["connection"] = connection
            config.attributes["box"] = lambda: store.box
            command.downgrade(config, "0008")
            plain = connection.exec_driver_sql("SELECT id, contact FROM binding").all()
        assert {one.id: one.contact for one in rows} == dict(map(tuple, plain))
    with Store.open(tmp_path) as again:
        assert {one.id: one.contact for one in again.bindings.load_all(SYSTEM)} == dict(map(tuple, plain))
        assert again.mobile_devices.load_all(SYSTEM) == tuple(devices)
    assert TOKEN.encode() not in stored(tmp_path)
