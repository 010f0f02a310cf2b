"""Bindings at rest."""

from __future__ import annotations

from tests.unit.store.samples import SYSTEM, a_binding, fields_of
from trunkline.model.tenant import TenantScope
from trunkline.store import Store


def test_a_binding_comes_back_whole(store: Store, mine: TenantScope) -> None:
    binding = a_binding(mine.tenant, id="1")
    bare = a_binding(mine.tenant, id="2", instance=None, reg_id=0, path="", user_agent="")
    store.bindings.upsert_many(mine, [binding, bare])
    assert [fields_of(one) for one in store.bindings.load_all(mine)] == [fields_of(binding), fields_of(bare)]


def test_writing_a_known_binding_replaces_it(store: Store, mine: TenantScope) -> None:
    binding = a_binding(mine.tenant)
    store.bindings.upsert_many(mine, [binding])
    changed = a_binding(
        mine.tenant,
        id=binding.id,
        contact="sip:new@192.0.2.1",
        cseq=8,
        expires_at=9999.5,
        instance=None,
        q=1000,
    )
    store.bindings.upsert_many(mine, [changed])
    (found,) = store.bindings.load_all(mine)
    assert fields_of(found) == fields_of(changed)


def test_expired_bindings_are_left_out_and_deleted(store: Store, mine: TenantScope) -> None:
    early, late = a_binding(mine.tenant, expires_at=100.0), a_binding(mine.tenant, expires_at=100.5)
    store.bindings.upsert_many(mine, [early, late])
    assert [one.id for one in store.bindings.load_all(mine, alive_at=100.0)] == [late.id]
    assert store.bindings.delete_expired(SYSTEM, 100.0) == 1
    assert [one.id for one in store.bindings.load_all(mine)] == [late.id]


def test_many_are_deleted_at_once(store: Store, mine: TenantScope) -> None:
    bindings = [a_binding(mine.tenant, id=f"{number:04}") for number in range(1203)]
    store.bindings.upsert_many(mine, bindings)
    assert store.bindings.delete_many(mine, [one.id for one in bindings[3:]] + ["unknown"]) == 1200
    assert [one.id for one in store.bindings.load_all(mine)] == [one.id for one in bindings[:3]]


def test_bytes_that_are_no_utf8_are_stored_escaped(store: Store, mine: TenantScope) -> None:
    contact = b"sip:caf\xe9@192.0.2.7".decode("utf-8", "surrogateescape")
    store.bindings.upsert_many(mine, [a_binding(mine.tenant, contact=contact, user_agent="Büro ☎ \ud800")])
    (found,) = store.bindings.load_all(mine)
    assert found.contact == "sip:caf%E9@192.0.2.7"
    assert found.user_agent == "Büro ☎ ?"
