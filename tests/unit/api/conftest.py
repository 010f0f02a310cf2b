"""A door for each test."""

from __future__ import annotations

import pytest

from tests.unit.api.door import Door


@pytest.fixture
async def door() -> Door:
    """With alice of the default tenant as the one who asks."""
    return Door()
