"""Calls with apps where datagrams are lost, doubled and late; changes before the answer; connections that go."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.app_stage import ANSWER, HOST, OTHER, AppStage
from tests.link.memory_network import Node, Weather
from tests.link.phones import describe
from tests.link.test_app_calls_after_a_crash import crash, keep
from tests.link.test_app_changes import policies
from tests.link.test_call_reliable import ringing, update
from tests.link.virtual_time import virtual
from trunkline.base.errors import TransportError
from trunkline.call.passing_media import MediaPolicy
from trunkline.net.flow import Flow

STORM = Weather(loss=0.1, duplicate=0.05, late=0.1, late_by_s=0.3)
seeds = pytest.mark.parametrize("seed", range(15))


@pytest.mark.scenario(2)
@seeds
@policies
@virtual
async def test_a_call_is_offered_once_taken_once_and_ends_for_both(seed: int, media: MediaPolicy) -> None:
    stage = AppStage(weather=STORM, seed=seed, media=media)
    pbx, app = stage.party(), stage.app()
    await stage.talk(pbx, app)
    app.answers = OTHER
    await asyncio.sleep(seed / 10)
    app.leg.hold(True, app.on_done)
    await app.until_done()
    await pbx.reoffer(describe(pbx.host, version=3))
    app.leg.leave()
    await stage.settle(600)
    assert app.said.count("offered") == 1
    assert app.said.count("confirmed") == 1
    assert app.said[-1].startswith("ended ")
    assert pbx.dialogue.ended


@pytest.mark.scenario(3)
@seeds
@virtual
async def test_a_cancel_and_an_accept_that_meet_leave_nothing_behind(seed: int) -> None:
    stage = AppStage(weather=STORM, seed=seed)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    app.leg.ring()
    await asyncio.sleep(1)
    pbx.dialogue.hang_up()
    await asyncio.sleep(seed / 500)
    if not app.leg.done:
        app.leg.accept(ANSWER)
    await stage.settle(600)
    assert app.said[-1].startswith("ended ")
    assert pbx.dialogue.ended


@seeds
@virtual
async def test_a_call_of_an_app_that_leaves_at_any_moment_leaves_nothing_behind(seed: int) -> None:
    stage = AppStage(weather=STORM, seed=seed)
    bob, target = stage.pbx(rings_s=1.0)
    app = stage.app()
    stage.place(app, target)
    await asyncio.sleep(seed / 10)
    app.leg.leave()
    await stage.settle(600)
    assert app.said[-1].startswith("ended ")
    assert bob.session is None or bob.dialogue.ended


@seeds
@virtual
async def test_a_crash_at_any_moment_leaves_a_defined_end(seed: int) -> None:
    stage = AppStage(weather=STORM, seed=seed)
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    app.leg.keep()
    app.leg.ring()

    def take() -> None:
        if not app.leg.done:
            app.leg.accept(ANSWER)

    stage.loop.call_later(1.0, take)
    await keeping.after(seed / 5)
    _, later = await crash(keeping)
    await asyncio.sleep(40)
    if not app.leg.done:
        app.leg.leave()
    await later.settle(600)
    assert pbx.dialogue.ended or "ended bye" in pbx.said or any("failed" in one for one in pbx.said)


@pytest.mark.rfc("3311", "5.2")
@pytest.mark.parametrize("reachable", [True, False])
@virtual
async def test_a_change_of_early_media_is_the_apps_to_answer(*, reachable: bool) -> None:
    stage = AppStage()
    bob, target = stage.pbx()
    app = stage.app()
    ringing(bob, answers_s=9.0)
    stage.place(app, target)
    await app.until("183")
    await asyncio.sleep(1)
    app.answers, app.reachable = OTHER, reachable
    new = describe(bob.host, version=2, port=4100)
    outcome = await update(bob, new)
    assert outcome.status == (200 if reachable else 488)
    assert app.heard[app.said.index("asked")] == new
    if reachable:
        assert outcome.body == OTHER
    await app.until("confirmed")
    app.leg.leave()
    await stage.settle()


@virtual
async def test_a_ringing_call_by_tcp_is_taken_by_a_new_connection() -> None:
    stage = AppStage(transport="tcp")
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    app.leg.keep()
    _, stage = await crash(keeping)
    app.leg.accept(ANSWER)
    await pbx.until("answered")
    await app.until("confirmed")
    pbx.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_ringing_call_whose_connection_cannot_be_had_again_is_closed_for_the_app(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = AppStage(transport="tcp")
    keeping = keep(stage)
    pbx, app = stage.party(), stage.app()
    stage.invite(pbx)
    await app.until("offered")
    app.leg.keep()
    monkeypatch.setattr(Node, "flow_from_token", lambda _node, _token: None)

    def refuse(_node: Node, _transport: str, _host: str, _port: int) -> Flow:
        raise TransportError("nobody listens there")

    monkeypatch.setattr(Node, "flow_to", refuse)
    _, stage = await crash(keeping)
    await app.until("ended call.lost_in_crash exchange")
    await asyncio.sleep(1)
    assert not stage.calls.active
    assert {record.code for record in stage.records} == {"call.lost_in_crash"}
    assert not stage.sent(HOST, "SIP/2.0 200")
