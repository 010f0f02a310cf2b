"""What became of a call while its gateway was away, or in its last moment, is found out by the next process."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.app_stage import ANSWER, HOST, AppStage
from tests.link.test_app_calls_after_a_crash import crash, keep, policies
from tests.link.virtual_time import virtual
from trunkline.call.passing_media import MediaPolicy

pytestmark = [pytest.mark.scenario(11)]


@policies
@virtual
async def test_who_hung_up_while_nobody_was_there_says_so_when_it_is_asked(media: MediaPolicy) -> None:
    stage = AppStage(media=media)
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    await stage.talk(pbx, app)
    await asyncio.sleep(1)
    stage.network.drop = lambda _data, _source, target: target[0] == HOST
    pbx.dialogue.hang_up()
    await asyncio.sleep(40)  # its BYEs go nowhere
    stage.network.drop = lambda _data, _source, _target: False
    _, stage = await crash(keeping)
    await app.until("ended call.lost exchange", within_s=60)
    await stage.settle()


@policies
@virtual
async def test_a_caller_that_has_its_200_gets_the_very_same_again(media: MediaPolicy) -> None:
    stage = AppStage(media=media)
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    app.leg.keep()
    kept = dict(keeping.journal.rows)
    app.leg.accept(ANSWER)
    await pbx.until("answered")
    keeping.journal.rows.update(kept)  # of what came after the app's word nothing was written
    _, stage = await crash(keeping)
    app.leg.accept(ANSWER)
    await app.until("confirmed")
    first, *again = [one for one in stage.sent(HOST, "SIP/2.0 200") if b"INVITE\r\n" in one]
    assert again
    assert set(again) == {first}
    app.leg.leave()
    await pbx.until("ended bye")
    await stage.settle()


@virtual
async def test_a_callee_is_acknowledged_when_its_answer_is_on_disk() -> None:
    stage = AppStage()
    keeping = keep(stage)
    keeping.journal.takes_s = 0.3
    bob, target = stage.pbx()
    app = stage.app()
    stage.place(app, target)
    await app.until("confirmed")
    assert not stage.sent(HOST, "ACK")
    _, stage = await crash(keeping)
    await bob.until("acknowledged")
    app.leg.leave()
    await bob.until("ended bye")
    await stage.settle()
