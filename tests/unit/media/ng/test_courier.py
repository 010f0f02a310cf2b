"""Questions to an rtpengine by their cookies."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.media.ng.bencode import encode
from trunkline.media.ng.courier import Courier


async def test_who_gives_a_question_up_as_its_answer_comes_is_not_held() -> None:
    """Whoever stops an instance waits for the end of its pings: one that forgot to end would be waited for for ever."""
    sent: list[bytes] = []
    courier = Courier("an instance", sent.append)
    ping = asyncio.create_task(courier.ask({"command": "ping"}, 0.3))
    await asyncio.sleep(0)
    cookie, _, _ = sent[0].partition(b" ")
    courier.receive(cookie + b" " + encode({"result": "pong"}))
    ping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ping
