"""Texts that wait: written once, read back oldest first, gone when somebody took them."""

from __future__ import annotations

from tests.unit.store.samples import SYSTEM, a_text
from trunkline.model.tenant import TenantScope
from trunkline.store import Store, Writer
from trunkline.store.text_journal import TextJournal


async def test_what_is_kept_is_read_back_byte_by_byte_oldest_first(store: Store, mine: TenantScope) -> None:
    first = a_text(mine.tenant, id="b")
    second = a_text(mine.tenant, id="a", content_type="message/cpim", received_at=1000.25)
    async with Writer(store.database) as writer:
        journal = TextJournal(writer)
        await journal.keep(second)
        await journal.keep(first)
    assert store.texts.load_all(SYSTEM) == (first, second)


async def test_what_somebody_took_is_gone(store: Store, mine: TenantScope) -> None:
    taken, left = a_text(mine.tenant), a_text(mine.tenant)
    async with Writer(store.database) as writer:
        journal = TextJournal(writer)
        await journal.keep(taken)
        await journal.keep(left)
        journal.gone(taken)
    assert store.texts.load_all(SYSTEM) == (left,)


async def test_a_text_that_is_taken_while_it_is_written_is_gone_too(store: Store, mine: TenantScope) -> None:
    text = a_text(mine.tenant)
    async with Writer(store.database) as writer:
        journal = TextJournal(writer)
        keeping = journal.keep(text)
        journal.gone(text)
        await keeping
    assert store.texts.load_all(SYSTEM) == ()
