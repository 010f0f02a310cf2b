"""Rates, crowds and who counts as one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.api.backend import SDP
from tests.unit.api.door import DEFAULT, KEY, Door, Told
from trunkline.api.crowds import Crowd, Sources
from trunkline.api.limits import Buckets, TooMany, source_key
from trunkline.api.plan import ApiPlan, LimitPlan, Rate


def test_a_bucket_empties_and_fills() -> None:
    now = 100.0
    buckets = Buckets(Rate(60, 2), "things", 10, lambda: now)
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(TooMany) as caught:
        buckets.take("a")
    assert caught.value.retry_after_s == 1
    buckets.take("b")
    now = 101.0
    buckets.take("a")
    with pytest.raises(TooMany):
        buckets.check("a")


def test_the_table_of_buckets_is_bounded() -> None:
    buckets = Buckets(Rate(1, 1), "things", 3, lambda: 0.0)
    for number in range(10):
        buckets.take(number)
    assert len(buckets) == 3


def test_a_crowd_is_counted_by_key_and_together() -> None:
    crowd = Crowd("things", 2, 3)
    crowd.enter("a")
    crowd.enter("a")
    with pytest.raises(TooMany):
        crowd.enter("a")
    crowd.enter("b")
    with pytest.raises(TooMany):
        crowd.enter("c")
    for key in "aab":
        crowd.leave(key)
    assert len(crowd) == 0


@pytest.mark.parametrize(
    ("host", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("x" * 200, "x" * 64),
    ],
)
def test_who_counts_as_one_source(host: str, key: str) -> None:
    assert source_key(host) == key


ONE = Rate(1, 1)


async def test_who_guesses_is_slowed_down_and_others_are_not() -> None:
    door = Door(ApiPlan(limits=LimitPlan(failures=Rate(1, 3))))
    for client in ("2001:db8::1", "2001:db8::2", "2001:db8::3"):
        told = await door.ask("GET", "/v1/devices", token="x.y.z", client=client)
        assert told.status == 401
    told = await door.ask("GET", "/v1/devices", token="x.y.z", client="2001:db8::4")
    assert (told.status, told.headers["retry-after"], told.json()["code"]) == (429, "60", "limit.rate")
    told = await door.ask("GET", "/v1/devices", token="x.y.z", client="2001:db8:0:1::1")
    assert told.status == 401
    told = await door.ask("GET", "/v1/devices", client="2001:db8::1")
    assert told.status == 200, "whoever has a good token does not suffer from a neighbour"


async def test_wrong_passwords_count_as_guesses() -> None:
    door = Door(ApiPlan(limits=LimitPlan(failures=Rate(1, 2))))
    body = {"sip_username": "a", "sip_domain": "b", "sip_password": "wrong"}
    statuses = [(await door.ask("POST", "/v1/auth/token", body, token=None)).status for _ in range(3)]
    assert statuses == [401, 401, 429]


@pytest.mark.parametrize(
    ("limit", "method", "path", "body"),
    [
        ("tokens", "POST", "/v1/auth/token", {"user_id": "a", "api_key": KEY}),
        ("calls", "POST", "/v1/calls", {"destination_uri": "b", "sdp_offer": SDP, "device_id": "?"}),
        ("pushes", "POST", "/v1/devices/?/test-push", None),
        ("per_source", "POST", "/v1/auth/token", {"user_id": "a", "api_key": KEY}),
        ("per_subject", "GET", "/v1/calls", None),
    ],
)
async def test_each_limit_holds(limit: str, method: str, path: str, body: dict[str, str] | None) -> None:
    many: dict[str, Any] = {limit: ONE}
    door = Door(ApiPlan(limits=replace(LimitPlan(), **many)))
    device = door.backend.add_device(DEFAULT, "alice")
    filled = body and {name: value.replace("?", device) for name, value in body.items()}
    statuses = [(await door.ask(method, path.replace("?", device), filled)).status for _ in range(2)]
    assert statuses == [200, 429]


# What is under way at a time


async def waits(door: Door, client: str) -> asyncio.Task[Told]:
    """A long-poll of this address that is under way."""
    before = len(door.doorway.sources.requests)
    task = asyncio.create_task(door.ask("GET", "/v1/calls/x/status?wait=20", client=client))
    async with asyncio.timeout(10):
        while len(door.doorway.sources.requests) == before:  # noqa: ASYNC110  (nobody tells the test)
            await asyncio.sleep(0)
    return task


async def test_one_address_has_so_many_requests_under_way_and_others_go_on() -> None:
    door = Door(ApiPlan(limits=LimitPlan(connections_each=2)))
    door.backend.held.add("app-call.ask-status")
    tasks = [await waits(door, "2001:db8::1"), await waits(door, "2001:db8::2")]
    told = await door.ask("GET", "/v1/calls", client="2001:db8::3")
    assert (told.status, told.json()["code"]) == (429, "limit.rate")
    assert "retry-after" in told.headers
    assert (await door.ask("GET", "/health", token=None, client="2001:db8:1::3")).status == 200
    assert door.doorway.sources.refused == 1
    door.leave.set()
    await asyncio.gather(*tasks)
    assert (await door.ask("GET", "/health", token=None, client="2001:db8::3")).status == 200
    assert len(door.doorway.sources.requests) == 0


def test_a_trusted_proxys_connections_are_not_counted_as_one_client() -> None:
    sources = Sources(1, 10, ("127.0.0.0/8", "10.1.0.0/16"))
    assert [sources.connected("10.1.2.3") for _ in range(5)] == [None] * 5
    assert sources.connected("192.0.2.1") == "192.0.2.1"
    with pytest.raises(TooMany):
        sources.connected("192.0.2.1")
    sources.connections.leave("192.0.2.1")
    assert sources.connected("192.0.2.1") == "192.0.2.1"
