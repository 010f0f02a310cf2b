"""Which HA1s the directory holds: those of passwords, and no others."""

from __future__ import annotations

import pytest

from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx.directory import ALGORITHMS, Directory
from trunkline.proto.sip.digest import ha1


def directory_with(password: str) -> Directory:
    directory = Directory([Tenant("t", "default", ("example.com",))], "example.com")
    directory.put(Extension("t", "e", "3001", "Door", password, "sip:door@192.0.2.10"))
    return directory


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_password_has_an_ha1_for_each_algorithm(algorithm: str) -> None:
    lookup = directory_with("quiet-otter").credentials("t")
    assert lookup("3001", "example.com", algorithm) == ha1("3001", "example.com", "quiet-otter", algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_extension_without_a_password_cannot_prove_itself_with_an_empty_one(algorithm: str) -> None:
    directory = directory_with("")
    assert directory.knows("t", "3001")
    assert directory.credentials("t")("3001", "example.com", algorithm) is None


def test_an_ha1_serves_its_own_realm_alone() -> None:
    assert directory_with("quiet-otter").credentials("t")("3001", "example.org", "MD5") is None
