"""Apple in trouble: connections that end, hang or are refused, and calls that ring nevertheless, once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.loopback.push.apns_kit import (
    DEADLINE_S,
    all_of,
    call,
    fake_apns,
    outcomes,
    pusher,
    token_of,
    until,
)
from trunkline.push.notification import Outcome

pytestmark = pytest.mark.scenario(8)
IMPATIENT = {"patience_s": 0.25}


async def test_goaway_amid_a_burst_loses_no_call_and_pushes_none_twice(tmp_path: Path) -> None:
    async with fake_apns(delay_s=0.02, max_streams=40) as fake, pusher(fake, tmp_path) as apns:
        assert (await apns.send(call(1000))).sent
        sending = asyncio.create_task(all_of(apns, 200))
        for _ in range(50):
            await fake.next_push()
        fake.go_away()
        assert outcomes(await sending) == {Outcome.SENT}
        counts = Counter(push.token for push in fake.taken)
        assert len(counts) == 201
        assert set(counts.values()) == {1}
        assert fake.accepted >= 2
        assert apns.health().word == "ready"


async def test_goaway_that_gives_requests_back_sends_them_elsewhere(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        assert (await apns.send(call(1000))).sent
        fake.script.add(",".join(["200"] * 20 + ["goaway"]))
        assert outcomes(await all_of(apns, 200)) == {Outcome.SENT}
        counts = Counter(push.token for push in fake.taken)
        assert len(counts) == 201
        assert set(counts.values()) == {1}
        assert fake.accepted == 2


async def test_after_goaway_there_is_another_connection_before_the_next_call(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        assert (await apns.send(call())).sent
        fake.go_away()
        await until(lambda: fake.accepted == 2 and len(fake.connections) == 1)


async def test_a_refused_stream_is_sent_again(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("reset")
        assert (await apns.send(call())).sent
        assert [push.status for push in fake.pushes] == [0, 200]


async def test_a_peer_that_gives_everything_back_is_not_asked_for_ever(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("reset*")
        assert (await apns.send(call())).outcome is Outcome.UNAVAILABLE
        assert len(fake.pushes) < 20


@pytest.mark.asyncio(loop_factories=["patient"])
async def test_a_hung_stream_is_tried_once_more_on_another_connection(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path, **IMPATIENT) as apns:
        fake.script.add("hang")
        assert (await apns.send(call())).sent
        hung, taken = fake.pushes
        assert (hung.status, taken.status) == (0, 200)
        assert hung.connection != taken.connection
        assert hung.id == taken.id
        # Nothing else was answered there: the connection is left.
        await until(lambda: [one.number for one in fake.connections] == [taken.connection])


@pytest.mark.asyncio(loop_factories=["patient"])
async def test_one_that_hangs_twice_is_given_up_in_time(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path, request_s=0.6, **IMPATIENT) as apns:
        fake.script.add("hang,hang")
        fate = await apns.send(call())
        assert (fate.outcome, fate.reason) == (Outcome.UNAVAILABLE, "no answer in time")
        assert len(fake.pushes) == 2
        assert apns.health().word == "failing"
        assert (await apns.send(call())).sent
        assert apns.health().word == "ready"


@pytest.mark.asyncio(loop_factories=["patient"])
async def test_a_connection_that_goes_deaf_loses_no_call(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path, **IMPATIENT) as apns:
        assert (await apns.send(call(1000))).sent
        fake.connections[0].deaf = True
        assert outcomes(await all_of(apns, 50)) == {Outcome.SENT}
        assert {push.connection for push in fake.taken if push.token != token_of(1000)} == {2}
        await until(lambda: [one.deaf for one in fake.connections] == [False])


@pytest.mark.asyncio(loop_factories=["patient"])
async def test_a_silent_connection_is_pinged_and_replaced_when_it_is_dead(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path, ping_idle_s=0.05, pong_s=0.2) as apns:
        assert (await apns.send(call())).sent
        first = fake.connections[0]
        await until(lambda: first.pings >= 2)
        assert fake.connections == [first]
        first.deaf = True
        await until(lambda: fake.accepted == 2 and first not in fake.connections)
        assert (await apns.send(call())).sent


async def test_a_connection_that_breaks_is_replaced_and_the_call_sent_again(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("drop")
        assert (await apns.send(call())).sent
        assert [push.status for push in fake.pushes] == [0, 200]


@pytest.mark.parametrize("status", ["503", "500", "503:Shutdown"])
async def test_trouble_of_apples_is_tried_once_more_elsewhere(tmp_path: Path, status: str) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add(status)
        assert (await apns.send(call())).sent
        first, second = fake.pushes
        assert first.connection != second.connection


async def test_lasting_trouble_of_apples_is_told_after_two_attempts(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("503*")
        fates = await all_of(apns, 20)
        assert outcomes(fates) == {Outcome.UNAVAILABLE}
        assert {fate.status for fate in fates} == {503}
        assert set(Counter(push.token for push in fake.pushes).values()) == {2}
        assert (apns.health().word, apns.health().why) == ("failing", "503 ServiceUnavailable")
        assert fake.accepted == 2


async def test_when_nobody_listens_a_call_is_given_up_after_two_attempts(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        assert (await apns.send(call())).sent
        await fake.refuse()
        fate = await apns.send(call())
        assert (fate.outcome, fate.reason) == (Outcome.UNAVAILABLE, "127.0.0.1: connection refused")
        assert apns.health().word == "failing"
        await fake.start()
        await until(lambda: fake.accepted == 2)
        assert (await apns.send(call())).sent
        assert apns.health().word == "ready"


async def test_a_burst_while_nobody_listens_does_not_hammer(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        await fake.refuse()
        fates = await all_of(apns, 200)
        assert outcomes(fates) == {Outcome.UNAVAILABLE}
        assert apns.dials() < 12


@pytest.mark.asyncio(loop_factories=["patient"])
async def test_the_queue_is_bounded_while_there_is_no_connection(tmp_path: Path) -> None:
    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)

    silent: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        fake_apns() as fake,
        pusher(fake, tmp_path, production_url=url, queue=5, connect_s=0.2, request_s=1.0) as apns,
    ):
        sending = asyncio.create_task(all_of(apns, 20))
        await until(lambda: apns.health().queued == 5)
        fates = await sending
        assert Counter(fate.outcome for fate in fates) == {Outcome.DROPPED: 15, Outcome.UNAVAILABLE: 5}
        assert apns.health().word == "failing"
        assert apns.health().queued == 0
        for writer in silent:
            writer.transport.abort()
        server.close()
        await server.wait_closed()


@pytest.mark.asyncio(loop_factories=["patient"])
async def test_a_second_connection_is_opened_when_the_first_is_full(tmp_path: Path) -> None:
    async with fake_apns(max_streams=5, first_streams=5) as fake, pusher(fake, tmp_path, **IMPATIENT) as apns:
        await until(lambda: bool(fake.connections))
        fake.script.add(",".join(["hang"] * 5))
        hanging = [asyncio.create_task(apns.send(call(number))) for number in range(5)]
        for _ in hanging:
            await fake.next_push()
        async with asyncio.timeout(DEADLINE_S):
            assert outcomes(await all_of(apns, 20, 100)) == {Outcome.SENT}
            assert all([(await one).sent for one in hanging])


@pytest.mark.asyncio(loop_factories=["patient"])
async def test_a_service_that_is_away_for_a_while_is_found_again(tmp_path: Path) -> None:
    async with fake_apns() as fake, pusher(fake, tmp_path) as apns:
        fake.script.add("refuse:0.2")
        assert (await apns.send(call())).outcome is Outcome.UNAVAILABLE
        await until(lambda: fake.accepted == 2)
        assert (await apns.send(call())).sent
