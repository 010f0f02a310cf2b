"""Tenants, the directory and extensions."""

from __future__ import annotations

import pytest

from tests.unit.store.samples import SYSTEM
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import TenantScope
from trunkline.store import Store
from trunkline.store.errors import DuplicateError, InvalidValueError, NotFoundError


def test_a_domain_finds_its_tenant_in_any_case(store: Store) -> None:
    tenant = store.tenants.add(SYSTEM, "acme", ["PBX.Example.COM", "192.0.2.1", "[2001:DB8::1]"])
    for spelling in ("pbx.example.com", "Pbx.EXAMPLE.com", "pbx.example.com."):
        assert store.directory.tenant_of(SYSTEM, spelling) == tenant.id
    assert store.directory.tenant_of(SYSTEM, "[2001:db8::1]") == tenant.id
    assert store.directory.tenant_of(SYSTEM, "example.com") is None
    assert store.directory.domains(SYSTEM) == dict.fromkeys(
        ("pbx.example.com", "192.0.2.1", "[2001:db8::1]"), tenant.id
    )


def test_domains_keep_their_order_and_the_first_is_the_realm(store: Store) -> None:
    scope = TenantScope(store.tenants.add(SYSTEM, "acme", ["zz.example"]).id)
    for domain in ("aa.example", "mm.example"):
        store.tenants.add_domain(scope, domain)
    assert store.tenants.remove_domain(scope, "AA.example")
    store.tenants.add_domain(scope, "bb.example")
    (tenant,) = store.tenants.list(scope)
    assert tenant.domains == ("zz.example", "mm.example", "bb.example")


def test_a_domain_belongs_to_one_tenant(store: Store, mine: TenantScope, other: TenantScope) -> None:
    with pytest.raises(DuplicateError, match=r"other\.example is taken"):
        store.tenants.add_domain(mine, "OTHER.example")
    with pytest.raises(DuplicateError, match=r"other\.example is taken"):
        store.tenants.add(SYSTEM, "third", ["third.example", "other.example"])
    assert store.tenants.get(SYSTEM, "third") is None


def test_a_tenants_name_is_unique(store: Store) -> None:
    with pytest.raises(DuplicateError, match="'default'"):
        store.tenants.add(SYSTEM, "default")


@pytest.mark.parametrize(
    "domain", ["", ".", "a b", "user@host", "host:5060", "sip:host", "x" * 254, "a\0b", "<a>"]
)
def test_what_can_be_no_domain_is_refused(store: Store, mine: TenantScope, domain: str) -> None:
    with pytest.raises(InvalidValueError, match="expected a host name or address"):
        store.tenants.add_domain(mine, domain)


def test_a_domain_needs_a_tenant_that_exists(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.tenants.add_domain(TenantScope("nobody"), "nobody.example")


def test_an_extension_comes_back_whole(store: Store, mine: TenantScope) -> None:
    added = store.extensions.add(mine, NewExtension("1001", "s3cret", "Ann Example", "sip:door@192.0.2.9"))
    assert store.extensions.get(mine, "1001") == added
    assert (added.tenant, added.password, added.contact) == (mine.tenant, "s3cret", "sip:door@192.0.2.9")


def test_a_list_is_sorted_and_shows_passwords_only_when_asked(store: Store, mine: TenantScope) -> None:
    for number in ("u100000", "1002", "1001"):
        store.extensions.add(mine, NewExtension(number, "s3cret"))
    assert [one.number for one in store.extensions.list(mine)] == ["1001", "1002", "u100000"]
    assert {one.password for one in store.extensions.list(mine)} == {""}
    assert {one.password for one in store.extensions.list(mine, passwords=True)} == {"s3cret"}


def test_setting_changes_only_what_is_given(store: Store, mine: TenantScope) -> None:
    added = store.extensions.add(mine, NewExtension("1001", "old", "Ann", "sip:door@192.0.2.9"))
    changed = store.extensions.set(mine, "1001", password="new")
    assert (changed.id, changed.password, changed.name) == (added.id, "new", "Ann")
    changed = store.extensions.set(mine, "1001", name="Bob", contact="")
    assert (changed.password, changed.name, changed.contact) == ("new", "Bob", None)
    assert store.extensions.get(mine, "1001") == changed
    with pytest.raises(NotFoundError, match="no extension 1009"):
        store.extensions.set(mine, "1009", name="Nobody")


def test_removing_tells_whether_there_was_one(store: Store, mine: TenantScope) -> None:
    store.extensions.add(mine, NewExtension("1001"))
    assert store.extensions.remove(mine, "1001")
    assert not store.extensions.remove(mine, "1001")
    assert store.extensions.get(mine, "1001") is None


def test_a_number_is_unique_in_its_tenant_alone(store: Store, mine: TenantScope, other: TenantScope) -> None:
    store.extensions.add(mine, NewExtension("1001", "mine"))
    store.extensions.add(other, NewExtension("1001", "theirs"))
    with pytest.raises(DuplicateError, match="extension 1001 already"):
        store.extensions.add(mine, NewExtension("1001"))
    found = store.extensions.get(other, "1001")
    assert found is not None
    assert found.password == "theirs"


@pytest.mark.parametrize("number", ["", "10 01", "1001@host", "1" * 65, "10\n01", "<1001>", "*98"])
def test_what_can_be_no_number_is_refused(store: Store, mine: TenantScope, number: str) -> None:
    with pytest.raises(InvalidValueError, match="expected 1 to 64 letters"):
        store.extensions.add(mine, NewExtension(number))


def test_an_extension_needs_a_tenant_that_exists(store: Store) -> None:
    with pytest.raises(InvalidValueError, match="no tenant nobody"):
        store.extensions.add(TenantScope("nobody"), NewExtension("1001"))


def test_passwords_are_not_in_the_file(store: Store, mine: TenantScope) -> None:
    store.extensions.add(mine, NewExtension("1001", "hunter2-hunter2"))
    folder = store.database.path.parent
    store.close()
    for path in folder.iterdir():
        assert b"hunter2-hunter2" not in path.read_bytes(), path


def test_no_text_of_an_extension_or_error_shows_a_password(store: Store, mine: TenantScope) -> None:
    new = NewExtension("1001", "hunter2")
    added = store.extensions.add(mine, new)
    with pytest.raises(DuplicateError) as caught:
        store.extensions.add(mine, new)
    shown = f"{new!r} {added!r} {caught.value} {caught.value.__cause__}"
    assert "hunter2" not in shown


def test_ten_thousand_extensions_are_imported_with_progress(store: Store, mine: TenantScope) -> None:
    seen: list[int] = []
    rows = (NewExtension(f"u{number}", f"pw{number}") for number in range(100_000, 110_000))
    assert store.extensions.import_many(mine, rows, seen.append) == 10_000
    assert seen == sorted(set(seen))
    assert seen[-1] == 10_000
    assert len(seen) >= 10
    last = store.extensions.get(mine, "u109999")
    assert last is not None
    assert last.password == "pw109999"


def test_an_import_that_repeats_a_number_names_both_rows_and_writes_nothing(
    store: Store, mine: TenantScope
) -> None:
    rows = [NewExtension("1001"), NewExtension("1002"), NewExtension("1001")]
    with pytest.raises(DuplicateError, match="1001 comes twice: in row 1 and row 3"):
        store.extensions.import_many(mine, rows)
    assert store.extensions.list(mine) == ()


def test_an_import_of_existing_numbers_names_some_and_writes_nothing(store: Store, mine: TenantScope) -> None:
    store.extensions.import_many(mine, [NewExtension(str(number)) for number in range(1000, 1010)])
    with pytest.raises(DuplicateError, match=r"nothing was imported: .* 1003, 1004, .* and 2 more"):
        store.extensions.import_many(mine, [NewExtension(str(number)) for number in range(1003, 1020)])
    assert len(store.extensions.list(mine)) == 10


def test_an_import_that_is_interrupted_writes_nothing(store: Store, mine: TenantScope) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.extensions.import_many(mine, [NewExtension("1001")], interrupt)
    assert store.extensions.list(mine) == ()


def test_a_tenant_has_a_realm_of_its_own_until_it_is_taken_back(store: Store) -> None:
    tenant = store.tenants.add(SYSTEM, "acme", ["acme.example"], "Acme telephones")
    assert store.tenants.list(TenantScope(tenant.id)) == (tenant,)
    store.tenants.set_realm(TenantScope(tenant.id), "")
    assert store.tenants.list(TenantScope(tenant.id))[0].realm == ""
    with pytest.raises(NotFoundError):
        store.tenants.set_realm(TenantScope("nobody"), "x")


@pytest.mark.parametrize("realm", ['a"b', "a\\b", " a", "a\nb", "x" * 256])
def test_a_realm_that_no_challenge_can_carry_is_refused(store: Store, realm: str) -> None:
    with pytest.raises(InvalidValueError, match="realm"):
        store.tenants.set_realm(TenantScope(store.tenants.list(SYSTEM)[0].id), realm)
