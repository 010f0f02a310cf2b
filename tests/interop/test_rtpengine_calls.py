"""Whole calls between phones through an exchange whose calls are relayed by two rtpengine processes."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.interop.conftest import EXTENSIONS, NewPhone
from tests.peers.baresip import Baresip
from tests.peers.exchange import ECHO_NUMBER, ExchangeProcess
from tests.peers.ports import free_ports
from tests.peers.rtpengine import RtpengineProcess
from tests.peers.tones import read_channels, tone_level_dbfs
from trunkline.media.ng.instance import transport_to

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLER_HZ, CALLEE_HZ = 700.0, 1200.0
Pair = tuple[Baresip, Baresip]
Cluster = dict[str, RtpengineProcess]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keys_at() -> str:
    return f"127.0.0.1:{free_ports(1)}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory, keys_at: str) -> AsyncIterator[Cluster]:
    """Two rtpengines, one spoken to by UDP, the other by WebSocket, by the addresses that the settings have."""
    folder = tmp_path_factory.mktemp("rtpengine")
    async with (
        RtpengineProcess(folder, "one", keys_at=keys_at) as one,
        RtpengineProcess(folder, "two", keys_at=keys_at) as two,
    ):
        yield {one.udp: one, two.websocket: two}


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def whole_cluster(cluster: Cluster) -> AsyncIterator[None]:
    """A test that fails leaves no instance dead: the next ones would fail for it."""
    yield
    for one in cluster.values():
        if not one.is_running:
            await one.start()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(
    tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, keys_at: str
) -> AsyncIterator[ExchangeProcess]:
    media = 'engine = "rtpengine"\n[media.rtpengine]\n'
    media += (
        f'instances = {json.dumps(list(cluster))}\ntimeout_s = 3.0\nping_s = 0.3\nkeys_at = "{keys_at}"\n'
    )
    async with ExchangeProcess(tmp_path_factory.mktemp("exchange"), EXTENSIONS, media=media) as running:
        yield running


async def instances(exchange: ExchangeProcess) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in (await exchange.ask("status"))["media"]}


async def are(exchange: ExchangeProcess, *states: str) -> dict[str, dict[str, Any]]:
    """The instances, once they are so."""
    async with asyncio.timeout(60):
        while True:
            rows = await instances(exchange)
            if sorted(one["state"] for one in rows.values()) == sorted(states):
                return rows
            await asyncio.sleep(0.2)


async def story_of(exchange: ExchangeProcess, caller: Baresip) -> list[dict[str, Any]]:
    """The steps of a phone's last call, once it is over."""
    async with asyncio.timeout(60):
        while True:
            for record in await exchange.ask("records"):
                if record["direction"] == "in" and record["caller"] == caller.account.user:
                    steps: list[dict[str, Any]] = record["story"]
                    return steps
            await asyncio.sleep(0.2)


@pytest_asyncio.fixture(loop_scope="module")
async def phones(new_phone: NewPhone) -> Pair:
    return await new_phone(CALLER_HZ), await new_phone(CALLEE_HZ)


async def set_up(caller: Baresip, callee: Baresip) -> None:
    """A call in which each hears the other."""
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.event("CALL_ESTABLISHED")
    await callee.event("CALL_ESTABLISHED")
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)


async def new_call(new_phone: NewPhone) -> Pair:
    """Two phones that talk."""
    caller, callee = await new_phone(CALLER_HZ), await new_phone(CALLEE_HZ)
    await set_up(caller, callee)
    return caller, callee


async def home_of_the_call(exchange: ExchangeProcess) -> str:
    """The one instance that has sessions."""
    (name,) = [name for name, one in (await instances(exchange)).items() if one["sessions"]]
    return name


async def test_a_call_with_hold_and_keys(exchange: ExchangeProcess, phones: Pair) -> None:
    await are(exchange, "up", "up")
    caller, callee = phones
    await set_up(caller, callee)
    assert sorted(one["sessions"] for one in (await instances(exchange)).values()) == [0, 1]
    await caller.hold()
    await callee.hears_nothing_of(CALLER_HZ)
    await caller.resume()
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)
    await caller.send_digits("159#")
    for digit in "159#":
        await callee.event("CALL_DTMF_START", param=digit)
        await callee.event("CALL_DTMF_END")
    await caller.hangup()
    await callee.event("CALL_CLOSED")
    await exchange.no_calls()
    codes = [step["code"] for step in await story_of(exchange, caller)]
    assert codes.count("media.key") == 4


async def test_a_service_is_served_by_the_exchange_itself(
    exchange: ExchangeProcess, new_phone: NewPhone
) -> None:
    caller = await new_phone(CALLER_HZ)
    await caller.dial(ECHO_NUMBER)
    await caller.event("CALL_ESTABLISHED")
    await caller.hears(CALLER_HZ)
    assert [one["sessions"] for one in (await instances(exchange)).values()] == [0, 0]
    await caller.hangup()
    await exchange.no_calls()


async def test_a_relayed_call_is_recorded_by_the_exchange(exchange: ExchangeProcess, phones: Pair) -> None:
    await are(exchange, "up", "up")
    caller, callee = phones
    await set_up(caller, callee)
    (call,) = await exchange.ask("calls")
    await exchange.run("recording", "start", call["call"])
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)
    done = json.loads(await exchange.run("recording", "stop", call["call"], "--json"))
    left, right = read_channels(Path(done["file"]))
    for recording, there, not_there in ((left, CALLER_HZ, CALLEE_HZ), (right, CALLEE_HZ, CALLER_HZ)):
        assert tone_level_dbfs(recording, there) == pytest.approx(-10, abs=3)
        assert tone_level_dbfs(recording, not_there) < -40
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)
    await caller.hangup()
    await callee.event("CALL_CLOSED")
    await exchange.no_calls()


async def test_an_instance_dies_and_its_calls_go_on_at_the_other(
    exchange: ExchangeProcess, cluster: Cluster, new_phone: NewPhone
) -> None:
    await are(exchange, "up", "up")
    first = await new_phone(CALLER_HZ), await new_phone(CALLEE_HZ)
    await set_up(*first)
    name = await home_of_the_call(exchange)
    await cluster[name].kill()
    second = await new_phone(CALLER_HZ), await new_phone(CALLEE_HZ)
    await set_up(*second)
    rows = await are(exchange, "up", "down")
    assert (rows[name]["state"], rows[name]["failures"]) == ("down", 1)
    await first[0].hears(CALLEE_HZ)
    await first[1].hears(CALLER_HZ)
    assert [one["sessions"] for one in (await instances(exchange)).values() if one["name"] != name] == [2]
    warnings = (await exchange.ask("status"))["warnings"]
    assert any(f"rtpengine {name} does not answer" in warning for warning in warnings)
    await first[0].hold()
    await first[1].hears_nothing_of(CALLER_HZ)
    await first[0].resume()
    await first[0].hears(CALLEE_HZ)
    await first[1].hears(CALLER_HZ)
    await cluster[name].start()
    rows = await are(exchange, "up", "up")
    assert rows[name]["sessions"] == 0, "nothing moves back"
    await first[0].hangup()
    await first[1].event("CALL_CLOSED")
    story = {step["code"]: step["text"] for step in await story_of(exchange, first[0])}
    assert name in story["media.engine_lost"]
    assert f"from {name} to " in story["media.moved"]
    await second[0].hangup()
    await second[1].event("CALL_CLOSED")
    await exchange.no_calls()


async def test_an_instance_is_drained_and_its_calls_move_without_a_gap(
    exchange: ExchangeProcess, cluster: Cluster, new_phone: NewPhone
) -> None:
    await are(exchange, "up", "up")
    caller, callee = await new_call(new_phone)
    name = await home_of_the_call(exchange)
    done = json.loads(await exchange.run("media", "drain", name, "--move", "--json"))
    assert done["moving"] == 1
    async with asyncio.timeout(60):
        while (await instances(exchange))[name]["sessions"]:  # noqa: ASYNC110  (no event tells it)
            await asyncio.sleep(0.1)
    await cluster[name].kill()
    await are(exchange, "up", "down")
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)
    await cluster[name].start()
    await are(exchange, "up", "up")
    assert "drained" in await exchange.run("media", "list")
    others = await new_phone(CALLER_HZ), await new_phone(CALLEE_HZ)
    await set_up(*others)
    assert (await instances(exchange))[name]["sessions"] == 0
    await exchange.run("media", "drain", name, "--undo")
    assert not (await instances(exchange))[name]["draining"]
    for one, other in ((caller, callee), others):
        await one.hangup()
        await other.event("CALL_CLOSED")
    await exchange.no_calls()


async def test_a_call_on_hold_moves_too_and_is_resumed(
    exchange: ExchangeProcess, cluster: Cluster, new_phone: NewPhone
) -> None:
    await are(exchange, "up", "up")
    caller, callee = await new_call(new_phone)
    await caller.hold()
    await callee.hears_nothing_of(CALLER_HZ)
    name = await home_of_the_call(exchange)
    await cluster[name].kill()
    rows = await are(exchange, "up", "down")
    async with asyncio.timeout(60):
        while sum(one["sessions"] for other, one in rows.items() if other != name) != 1:
            rows = await instances(exchange)
    await caller.resume()
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)
    await callee.hangup()
    await caller.event("CALL_CLOSED")
    assert "media.moved" in [step["code"] for step in await story_of(exchange, caller)]


async def test_a_recorded_call_moves_with_its_loop(
    exchange: ExchangeProcess, cluster: Cluster, new_phone: NewPhone
) -> None:
    await are(exchange, "up", "up")
    caller, callee = await new_call(new_phone)
    (call,) = await exchange.ask("calls")
    await exchange.run("recording", "start", call["call"])
    name = await home_of_the_call(exchange)
    await cluster[name].kill()
    await are(exchange, "up", "down")
    async with asyncio.timeout(60):
        rows = await instances(exchange)
        while not sum(one["sessions"] for other, one in rows.items() if other != name):
            rows = await instances(exchange)
    # For so long that it reaches over the gap: half a second could have been heard before it.
    await caller.hears(CALLEE_HZ, for_s=2.0)
    await callee.hears(CALLER_HZ, for_s=2.0)
    done = json.loads(await exchange.run("recording", "stop", call["call"], "--json"))
    left, right = read_channels(Path(done["file"]))
    # Before and after the move; the gap between may be the greater part of the recording.
    for channel, hz in ((left, CALLER_HZ), (right, CALLEE_HZ)):
        levels = channel.levels_dbfs(hz)
        assert max(levels[:10]) == pytest.approx(-10, abs=3)
        assert statistics.median(levels[-10:]) == pytest.approx(-10, abs=3)
    await caller.hangup()
    await callee.event("CALL_CLOSED")
    await exchange.no_calls()


async def test_a_call_goes_on_while_the_exchange_is_killed_and_started_again(
    exchange: ExchangeProcess, new_phone: NewPhone
) -> None:
    await are(exchange, "up", "up")
    caller, callee = await new_call(new_phone)
    await exchange.has_kept_calls(1)
    await exchange.crash()
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)
    await exchange.restart()
    await caller.hold()
    await callee.hears_nothing_of(CALLER_HZ)
    await caller.resume()
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)
    await callee.hangup()
    await caller.event("CALL_CLOSED")
    await exchange.no_calls()


async def test_a_call_goes_on_when_the_exchange_and_its_instance_die_together(
    exchange: ExchangeProcess, cluster: Cluster, new_phone: NewPhone
) -> None:
    await are(exchange, "up", "up")
    caller, callee = await new_call(new_phone)
    name = await home_of_the_call(exchange)
    await exchange.has_kept_calls(1)
    await exchange.crash()
    await cluster[name].kill()
    await exchange.restart()
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)
    await callee.hangup()
    await caller.event("CALL_CLOSED")
    codes = [step["code"] for step in await story_of(exchange, caller)]
    assert codes.index("call.restored") < codes.index("media.moved")


async def test_a_call_that_rang_when_the_exchange_was_killed_leaves_nothing_at_its_instance(
    exchange: ExchangeProcess, cluster: Cluster, new_phone: NewPhone
) -> None:
    await are(exchange, "up", "up")
    caller, callee = await new_phone(CALLER_HZ), await new_phone(CALLEE_HZ)
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    assert sum(one["sessions"] for one in (await instances(exchange)).values()) == 1
    assert await known_at(cluster) == 1
    await exchange.crash()
    assert await known_at(cluster) == 1
    await exchange.restart()
    async with asyncio.timeout(60):
        while await known_at(cluster):  # noqa: ASYNC110  (it tells no event)
            await asyncio.sleep(0.1)


async def known_at(cluster: Cluster) -> int:
    """How many calls all instances know, as they tell it themselves."""
    known = 0
    for one in cluster.values():
        way = transport_to(one.udp)
        await way.start()
        listed = (await way.ask({"command": "list"}, 5.0))["calls"]
        await way.stop()
        assert isinstance(listed, list)
        known += len(listed)
    return known


async def test_check_pings_each(exchange: ExchangeProcess, cluster: Cluster) -> None:
    said = await exchange.run("check", "--config", str(exchange.settings))
    for name in cluster:
        assert f"{name} answers" in said


async def test_metrics_tell_how_they_do(exchange: ExchangeProcess, cluster: Cluster) -> None:
    await are(exchange, "up", "up")
    metrics = await exchange.metrics()
    for name in cluster:
        assert metrics[f'trunkline_media_instances_up{{instance="{name}"}}'] == 1
