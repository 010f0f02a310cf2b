"""Registrations that we make elsewhere outlive the process that made them."""

from __future__ import annotations

import pytest

from tests.unit.store.samples import SYSTEM, a_client_registration
from trunkline.model.tenant import TenantScope
from trunkline.store import Store
from trunkline.store.client_registrations import ClientRegistrationJournal
from trunkline.store.writer import Writer


@pytest.mark.asyncio
async def test_what_is_kept_comes_back_the_one_that_expires_first_first(
    store: Store, mine: TenantScope
) -> None:
    late = a_client_registration(mine.tenant, expires_at=9000.0)
    early = a_client_registration(mine.tenant, owner="trunk other")
    async with Writer(store.database) as writer:
        journal = ClientRegistrationJournal(writer)
        journal.keep([late, early])
        await writer.drain()
        assert store.client_registrations.load_all(SYSTEM) == (early, late)
        changed = a_client_registration(mine.tenant, id=late.id, cseq=400, expires_at=9500.0)
        journal.keep([changed])
        journal.forget(mine.tenant, early.id)
        await writer.drain()
    assert store.client_registrations.load_all(SYSTEM) == (changed,)
