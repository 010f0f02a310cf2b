"""The journal of calls: what is written is read back, what has ended is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.store.samples import SYSTEM, a_kept_call, a_mobile_call, a_record
from trunkline.model.kept_call import KeptCall
from trunkline.model.tenant import TenantScope
from trunkline.store import RecordJournal, Store, Writer
from trunkline.store.call_journal import CallJournal
from trunkline.store.mobile_journal import MobileCallJournal
from trunkline.store.sealed_cells import open_body, seal_body
from trunkline.store.secret_box import SecretBox

PASSWORD = "x9cml/YzichV2+XlhiMu8gx9"
WITH_PATHS = f'{{"version": 1, "offer": "v=0\\r\\na=ice-pwd:{PASSWORD}\\r\\n"}}'


async def kept_after(store: Store, *steps: Callable[[CallJournal], None]) -> tuple[KeptCall, ...]:
    """What node 1 finds after a writer has carried out the steps."""
    async with Writer(store.database) as writer:
        journal = CallJournal(writer)
        for step in steps:
            step(journal)
    return store.kept_calls.load_all(SYSTEM, 1)


async def test_what_is_written_last_is_read_back(store: Store, mine: TenantScope) -> None:
    old, other = a_kept_call(mine.tenant), a_kept_call(mine.tenant)
    new = KeptCall(old.tenant, old.id, 1, '{"version": 1, "who": "\\udcff"}', 1070.0)
    kept = await kept_after(store, lambda j: j.write([old, other]), lambda j: j.write([new]))
    assert sorted(kept, key=lambda one: one.updated_at) == [other, new]


async def test_a_call_that_ended_is_gone_whenever_it_was_written(store: Store, mine: TenantScope) -> None:
    call = a_kept_call(mine.tenant)
    steps = (lambda j: j.write([call]), lambda j: j.gone([(call.tenant, call.id)]), lambda j: j.gone([]))
    assert await kept_after(store, *steps) == ()


async def test_calls_of_other_nodes_are_not_ours(store: Store, mine: TenantScope) -> None:
    call = a_kept_call(mine.tenant, node=2)
    assert await kept_after(store, lambda j: j.write([call])) == ()
    assert store.kept_calls.load_all(SYSTEM, 2) == (call,)


async def test_calls_are_known_to_be_up_later_than_they_changed(store: Store, mine: TenantScope) -> None:
    ours, theirs = a_kept_call(mine.tenant), a_kept_call(mine.tenant, node=2)
    kept = await kept_after(store, lambda j: j.write([ours, theirs]), lambda j: j.alive(1, 1234.5))
    assert [one.updated_at for one in kept] == [1234.5]
    assert store.kept_calls.load_all(SYSTEM, 2)[0].updated_at == theirs.updated_at


async def test_a_call_with_a_record_has_ended(store: Store, mine: TenantScope) -> None:
    ended, up = a_kept_call(mine.tenant), a_kept_call(mine.tenant)
    async with Writer(store.database) as writer:
        CallJournal(writer).write([ended, up])
        RecordJournal(writer).append(a_record(mine.tenant, call=ended.id))
    assert store.kept_calls.load_all(SYSTEM, 1) == (up,)
    assert store.kept_calls.load_recorded(SYSTEM, 1) == (ended,)
    assert store.kept_calls.delete_recorded(SYSTEM, 1) == 1
    assert store.kept_calls.delete_recorded(SYSTEM, 1) == 0
    assert store.kept_calls.load_all(SYSTEM, 1) == (up,)


@pytest.mark.rfc("8839", "5.4")
async def test_passwords_of_paths_are_in_no_file_and_come_back(store: Store, mine: TenantScope) -> None:
    """Where media passes by us the parties' own descriptions are kept, as they are to be told again."""
    kept, part = a_kept_call(mine.tenant, body=WITH_PATHS), a_mobile_call(mine.tenant, body=WITH_PATHS)
    later = a_mobile_call(mine.tenant, body=WITH_PATHS)
    async with Writer(store.database) as writer:
        CallJournal(writer).write([kept])
        MobileCallJournal(writer).keep_calls([later])
        await MobileCallJournal(writer).write_call(part)
        folder = store.database.path.parent
        assert PASSWORD.encode() not in b"".join(one.read_bytes() for one in folder.iterdir())
    assert store.kept_calls.load_all(SYSTEM, 1) == (kept,)
    assert set(store.mobile_calls.load_all(SYSTEM)) == {part, later}


async def test_what_has_no_password_stands_as_it_is(store: Store, mine: TenantScope) -> None:
    """Sealing is work, which calls without such paths do not pay."""
    kept = a_kept_call(mine.tenant)
    await kept_after(store, lambda j: j.write([kept]))
    with store.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT body FROM call_journal").scalar() == kept.body


async def test_a_call_that_another_key_has_sealed_is_lost_alone(tmp_path: Path) -> None:
    """A store without passwords may get a new key file: it starts, and the other calls go on."""
    with Store.open(tmp_path) as store:
        tenant = store.tenants.list(SYSTEM)[0].id
        sealed, plain = a_kept_call(tenant, body=WITH_PATHS), a_kept_call(tenant)
        part = a_mobile_call(tenant, body=WITH_PATHS)
        await kept_after(store, lambda j: j.write([sealed, plain]))
        async with Writer(store.database) as writer:
            await MobileCallJournal(writer).write_call(part)
    (tmp_path / "secret.key").unlink()
    with Store.open(tmp_path) as again:
        found = {one.id: one.body for one in again.kept_calls.load_all(SYSTEM, 1)}
        (theirs,) = again.mobile_calls.load_all(SYSTEM)
        assert found[plain.id] == plain.body
        for body in (found[sealed.id], theirs.body):
            assert body.startswith("1.")
            assert PASSWORD not in body


def test_a_body_opens_for_its_own_call_alone() -> None:
    box = SecretBox(bytes(32))
    sealed = seal_body(box, WITH_PATHS, "t", "a")
    assert open_body(box, sealed, "t", "a") == WITH_PATHS
    assert open_body(box, sealed, "t", "b") == open_body(box, sealed, "u", "a") == sealed
