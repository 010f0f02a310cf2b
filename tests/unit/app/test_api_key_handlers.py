"""Keys of tenants' backends: one tenant's key never finds another tenant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.app.api_key_handlers import ApiKeyHandlers, digest_of
from trunkline.base.messages import MakeApiKey, RemoveApiKey
from trunkline.model.tenant import SystemScope
from trunkline.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data") as opened:
        yield opened


async def test_a_key_leads_to_its_tenant_until_it_is_replaced(store: Store) -> None:
    scope = SystemScope("the test makes tenants")
    acme = store.tenants.add(scope, "acme", (), "")
    other = store.tenants.add(scope, "other", (), "")
    keys = ApiKeyHandlers(store)
    first = await keys.make("", MakeApiKey(name="acme"))
    theirs = await keys.make("", MakeApiKey(name="other"))
    assert await keys.tenant_of(digest_of(first.key)) == acme.id
    assert await keys.tenant_of(digest_of(theirs.key)) == other.id
    second = await keys.make("", MakeApiKey(name="acme"))
    assert second.replaced
    assert await keys.tenant_of(digest_of(first.key)) is None
    assert await keys.tenant_of(digest_of(second.key)) == acme.id
    await keys.remove("", RemoveApiKey(name="acme"))
    assert await keys.tenant_of(digest_of(second.key)) is None
    assert first.key not in repr(first)
