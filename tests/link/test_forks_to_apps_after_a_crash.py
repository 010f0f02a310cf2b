"""A call that rings several apps, or a phone beside one: a crash in any instant leaves a caller that asks again."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.mobile import TENANT, App, MobileStage, until
from tests.link.peering import open_to_peer
from tests.link.test_mobile_after_a_crash import SlowDisk
from tests.link.virtual_time import virtual
from trunkline.mobile.office import HandOverPolicy
from trunkline.model.device import MobileCall
from trunkline.pbx.peer_door import Peer
from trunkline.ua.sessions.server import ServerSession


@pytest.mark.scenario(11)
@pytest.mark.parametrize("after_ms", [0, 3, 7, 9, 11, 20, 70, 160])
@virtual
async def test_all_apps_of_a_call_ring_once_whenever_the_gateway_dies(after_ms: int) -> None:
    stage = MobileStage()
    disk = SlowDisk(stage)
    first, second = stage.app("first"), stage.app("second")
    stage.ring_app()
    await asyncio.sleep(0.01 + after_ms / 1000)
    new = await disk.crash()
    first.stage = second.stage = new
    await new.until_pushed(2)
    await first.accept()
    await new.pbx.until("answered")
    await until(lambda: "call.answered_elsewhere" in second.events)
    assert sorted(new.provider.calls) == ["voip-first", "voip-second"]
    await first.hang_up()
    await new.settle()


@pytest.mark.scenario(11)
@pytest.mark.parametrize("after_ms", [1, 7, 9, 25, 50, 58, 61, 90, 160])
@pytest.mark.parametrize("peer", [False, True])
@virtual
async def test_an_extensions_app_rings_once_beside_its_phone_whenever_the_exchange_dies(
    after_ms: int, peer: bool
) -> None:
    stage = MobileStage()
    desk = stage.party(answers=False)
    phone = stage.app("phone")
    disk = SlowDisk(stage, takes_s=0.06)  # the phone rings before
    lead_to_desk(stage, phone, peer=peer)
    stage.dial(stage.pbx, "1002")
    await asyncio.sleep((0.01 if peer else 0.03) + after_ms / 1000)  # who is no peer is challenged
    new = await disk.crash()
    phone.stage = new
    lead_to_desk(new, phone, peer=peer)
    await new.until_pushed()
    await phone.accept()
    await new.pbx.until("answered")
    await until(lambda: "call.confirmed" in phone.events)
    assert new.provider.calls == ["voip-phone"]
    await phone.hang_up()
    await new.pbx.until("ended bye")
    for left in tuple(desk.endpoint.sessions.values()):
        assert isinstance(left, ServerSession)
        left.refuse(480)  # what the dead process has let ring is called off by nobody
    await new.settle()


def lead_to_desk(stage: MobileStage, phone: App, *, peer: bool) -> None:
    """1002 is the desk phone of the second party, and the app."""
    stage.door.has_apps = lambda _tenant, number: number == "1002"
    if peer:
        open_to_peer(stage, stage.pbx, Peer("carrier", TENANT))
    stage.contacts["1002"] = [stage.contacts["1002"][0], *stage.incoming.targets([phone.device])]


@pytest.mark.rfc("3261", "17.2.1")
@virtual
async def test_a_caller_relies_on_us_when_the_last_of_its_apps_is_kept() -> None:
    stage = MobileStage()
    disk = SlowDisk(stage, takes_s=0.02)
    stage.app("first")
    stage.app("second")
    write = stage.rows.write_call

    def slower_each_time(call: MobileCall) -> asyncio.Future[None]:
        disk.takes_s += 0.04
        stage.rows.takes_s = disk.takes_s
        return write(call)

    stage.rows.write_call = slower_each_time  # type: ignore[method-assign]
    stage.ring_app()
    await until(lambda: len(stage.rows.rows) == 1)
    await asyncio.sleep(0.02)
    assert not stage.answers()
    await until(lambda: len(stage.rows.rows) == 2)
    await asyncio.sleep(0.02)
    assert stage.answers("SIP/2.0 100")
    stage.pbx.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "17.2.1")
@pytest.mark.parametrize("dead", [False, True])
@virtual
async def test_a_caller_relies_on_nobody_while_an_app_waits_for_its_ports(dead: bool) -> None:
    stage = MobileStage(HandOverPolicy(gateway_url="https://gw.example", media="relay"), media_delay_s=0.03)
    SlowDisk(stage, takes_s=0.002)
    stage.app("first", disabled_why="Unregistered" if dead else "")  # who cannot be woken leaves at once
    stage.app("second")
    wanted = 1 if dead else 2
    told_before: list[bytes] = []
    write = stage.rows.write_call

    def note(call: MobileCall) -> asyncio.Future[None]:
        told_before[:] = stage.answers()
        return write(call)

    stage.rows.write_call = note  # type: ignore[method-assign]
    stage.ring_app()
    await stage.until_pushed(wanted)
    assert not told_before, "the last one was not on disk yet"
    assert stage.answers("SIP/2.0 100")
    stage.pbx.dialogue.hang_up()
    await stage.settle()
