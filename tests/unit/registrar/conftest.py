"""An office for each test, closed after it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.unit.registrar.office import Office, Phone


@pytest_asyncio.fixture
async def office() -> AsyncIterator[Office]:
    made = Office()
    yield made
    await made.close()


@pytest.fixture
def phone(office: Office) -> Phone:
    """Extension 301 of a.test."""
    return Phone(office)
