"""A migrated store to each test: built once, copied for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.store.samples import SYSTEM
from trunkline.model.tenant import TenantScope
from trunkline.store import Store


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a store that was opened for the first time and closed."""
    folder = tmp_path_factory.mktemp("pristine") / "data"
    Store.open(folder).close()
    return folder


@pytest.fixture
def data(pristine: Path, tmp_path: Path) -> Path:
    """A data folder with a fresh store."""
    return Path(shutil.copytree(pristine, tmp_path / "data"))


@pytest.fixture
def store(data: Path) -> Iterator[Store]:
    """An open store with the default tenant."""
    with Store.open(data) as opened:
        yield opened


@pytest.fixture
def mine(store: Store) -> TenantScope:
    """The scope of the default tenant."""
    (tenant,) = store.tenants.list(SYSTEM)
    return TenantScope(tenant.id)


@pytest.fixture
def other(store: Store) -> TenantScope:
    """The scope of another tenant."""
    return TenantScope(store.tenants.add(SYSTEM, "other", ["other.example"]).id)
