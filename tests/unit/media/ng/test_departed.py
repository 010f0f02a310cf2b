"""Calls that were left at an instance: when they are deleted there."""

from __future__ import annotations

import asyncio

from tests.link.virtual_time import virtual
from tests.unit.media.ng.test_strays import Hunt, Rtpengine
from trunkline.media.ng.departed import KEPT_S, Departed

CALL = "trunkline-call"


@virtual
async def test_a_call_that_has_come_back_after_it_was_deleted_is_not_deleted_again() -> None:
    hunt = Hunt(Rtpengine([CALL]))
    await hunt.instance.start()
    departed = Departed(hunt._spawn)
    departed.leave(hunt.instance, CALL)
    await departed.clear(hunt.instance)  # it was started anew
    assert hunt.rtpengine.calls == []
    hunt.rtpengine.calls.append(CALL)
    await asyncio.sleep(2 * KEPT_S)
    assert hunt.rtpengine.calls == [CALL]
    await hunt.end()


@virtual
async def test_a_call_that_was_left_passes_packets_for_a_while() -> None:
    hunt = Hunt(Rtpengine([CALL]))
    await hunt.instance.start()
    departed = Departed(hunt._spawn)
    departed.leave(hunt.instance, CALL)
    await asyncio.sleep(KEPT_S / 2)
    assert hunt.rtpengine.calls == [CALL]
    await asyncio.sleep(KEPT_S)
    assert hunt.rtpengine.calls == []
    assert not departed.waits_for(hunt.instance)
    await hunt.end()
