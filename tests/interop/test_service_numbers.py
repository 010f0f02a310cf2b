"""The service numbers, called by a real phone."""

from __future__ import annotations

import pytest

from tests.interop.conftest import NewPhone
from tests.peers.exchange import ECHO_NUMBER, TONE_NUMBER, ExchangeProcess
from tests.peers.tones import tone_level_dbfs

pytestmark = pytest.mark.asyncio(loop_scope="module")

TONE_HZ = 440.0


async def test_echo_plays_back_what_the_phone_says(new_phone: NewPhone, exchange: ExchangeProcess) -> None:
    phone = await new_phone(700)
    await phone.dial(ECHO_NUMBER)
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(700)
    assert tone_level_dbfs(phone.heard(0.5), 700) == pytest.approx(-10, abs=1.5)
    await phone.hangup()
    await exchange.no_calls()


async def test_tone_is_steady_and_alone(new_phone: NewPhone, exchange: ExchangeProcess) -> None:
    phone = await new_phone(1200)
    await phone.dial(TONE_NUMBER)
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(TONE_HZ, above_dbfs=-20, for_s=1.0)
    assert tone_level_dbfs(phone.heard(0.5), 1200) < -50
    await phone.hangup()
    await exchange.no_calls()
