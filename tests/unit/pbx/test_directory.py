"""Tenants and extensions in memory."""

from __future__ import annotations

import pytest

from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx.directory import Directory
from trunkline.proto.sip.digest import ha1

ONE = Tenant("t", "default", ("example.com", "Alias.example.com"))
OTHER = Tenant("o", "other", ("other.test",))


def test_a_domain_in_any_letter_case_picks_its_tenant() -> None:
    directory = Directory([ONE, OTHER], "fallback.test")
    assert directory.tenant_of("EXAMPLE.com") == directory.tenant_of("alias.example.com") == "t"
    assert directory.tenant_of("other.test") == "o"


def test_a_domain_that_nobody_owns_is_nobodys_among_several_tenants() -> None:
    assert Directory([ONE, OTHER], "fallback.test").tenant_of("192.0.2.1") is None


def test_a_single_tenant_owns_whatever_its_phones_call_it() -> None:
    directory = Directory([ONE], "fallback.test")
    assert directory.tenant_of("192.0.2.1") == directory.tenant_of("[2001:db8::1]") == "t"


def test_without_tenants_nothing_is_owned() -> None:
    assert Directory([], "fallback.test").tenant_of("example.com") is None


def test_the_realm_is_the_first_domain_or_the_fallback() -> None:
    directory = Directory([ONE, Tenant("bare", "bare")], "fallback.test")
    assert directory.realm_of("t") == "example.com"
    assert directory.realm_of("bare") == "fallback.test"


def test_the_fallback_is_the_default_tenants_unless_somebody_owns_it() -> None:
    bare = Tenant("bare", "bare")
    assert Directory([bare, ONE], "fallback.test").tenant_of("fallback.test") == "t"
    assert Directory([bare, OTHER], "fallback.test").tenant_of("fallback.test") is None
    assert Directory([bare, ONE, OTHER], "other.test").tenant_of("other.test") == "o"


def test_tenants_come_change_and_go() -> None:
    directory = Directory([ONE], "fallback.test")
    directory.put_tenant(directory.entry_of(OTHER))
    assert directory.tenant_of("other.test") == "o"
    assert directory.tenant_of("192.0.2.1") is None
    moved = Tenant("o", "other", ("moved.test",))
    directory.put_tenant(directory.entry_of(moved, [Extension("o", "e", "301", password="quiet-otter")]))
    assert directory.tenant_of("other.test") is None
    assert directory.realm_of("o") == "moved.test"
    expected = ha1("301", "moved.test", "quiet-otter", "MD5")
    assert directory.credentials("o")("301", "moved.test", "MD5") == expected
    directory.remove_tenant("o")
    directory.remove_tenant("o")
    assert directory.tenant_of("192.0.2.1") == "t"
    assert directory.realm_of("o") == ""


def test_no_tenant_takes_the_domain_of_another() -> None:
    thief = Tenant("thief", "thief", ("thief.test", "example.com"))
    assert Directory([ONE, thief], "fallback.test").tenant_of("example.com") == "t"


def test_an_extension_is_put_replaced_and_removed() -> None:
    directory = Directory([ONE], "fallback.test")
    for password in ("first", "second"):
        directory.put(Extension("t", "e", "301", password=password))
        assert directory.credentials("t")("301", "example.com", "MD5") == ha1(
            "301", "example.com", password, "MD5"
        )
    assert directory.knows("t", "301")
    assert not directory.knows("o", "301")
    directory.remove("t", "301")
    directory.remove("t", "301")
    directory.remove("nobody", "301")
    assert directory.extension("t", "301") is None
    assert directory.credentials("t")("301", "example.com", "MD5") is None


@pytest.mark.rule("T-32")
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_user_may_name_its_realm(algorithm: str) -> None:
    directory = Directory([ONE], "fallback.test")
    directory.put(Extension("t", "e", "301", password="quiet-otter"))
    lookup = directory.credentials("t")
    expected = ha1("301@example.com", "example.com", "quiet-otter", algorithm)
    assert lookup("301@example.com", "example.com", algorithm) == expected
    assert lookup("301@other.test", "example.com", algorithm) is None
    assert lookup("302@example.com", "example.com", algorithm) is None
    assert lookup("301@example.com", "example.com", "SHA-1") is None


def test_no_secret_is_shown() -> None:
    directory = Directory([ONE], "fallback.test")
    directory.put(Extension("t", "e", "301", password="quiet-otter"))
    entry = directory.extension("t", "301")
    assert entry is not None
    assert "301" in repr(entry)
    assert not any(secret in repr(entry) for secret in entry.secrets.values())


@pytest.mark.rule("T-32")
@pytest.mark.parametrize("username", ["301", "301@Acme telephones", "301@acme.test"])
def test_a_tenant_may_have_a_realm_that_is_no_domain(username: str) -> None:
    directory = Directory([Tenant("t", "acme", ("acme.test",), "Acme telephones")], "fallback.test")
    directory.put(Extension("t", "e", "301", password="quiet-otter"))
    assert (directory.realm_of("t"), directory.domain_of("t")) == ("Acme telephones", "acme.test")
    lookup = directory.credentials("t")
    assert lookup(username, "Acme telephones", "MD5") == ha1(
        username, "Acme telephones", "quiet-otter", "MD5"
    )
    assert lookup(username, "acme.test", "MD5") is None
    assert lookup("301@other.test", "Acme telephones", "MD5") is None
