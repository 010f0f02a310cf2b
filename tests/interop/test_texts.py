"""Texts from one real phone to another."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.conftest import NewPhone
from tests.peers.baresip import Transport
from tests.peers.exchange import DOMAIN

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.rfc("3428", "4")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_text_is_shown_by_the_other_phone_with_who_wrote_it(
    new_phone: NewPhone, transport: Transport
) -> None:
    reader = await new_phone(transport=transport)
    writer = await new_phone(transport=transport, writes_to=reader.account.user)
    async with reader.screen() as screen, asyncio.timeout(10):
        await writer.write("Grüße aus dem Nebenzimmer")
        shown = await screen.readuntil(b"\n")
        while b"Nebenzimmer" not in shown:
            shown = await screen.readuntil(b"\n")
    assert '"Grüße aus dem Nebenzimmer"' in shown.decode()
    assert f"sip:{writer.account.user}@{DOMAIN}" in shown.decode()
