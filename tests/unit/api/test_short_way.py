"""The short way says what the framework's says, byte for byte, and goes to the same route."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import structlog.testing
from fastapi.routing import APIRoute
from starlette.routing import Match

from tests.unit.api.backend import SDP
from tests.unit.api.door import DEFAULT, Door, Told
from tests.unit.api.test_changes import AUTH, OTHER, Changing
from trunkline.api import app as whole
from trunkline.api.guarded import GuardedRoute
from trunkline.api.plan import ApiPlan, LimitPlan, Rate
from trunkline.api.short_way import ways_of
from trunkline.api.v1 import ROUTERS

ANSWER = {"sdp_answer": SDP}
CALL, DEVICE = "/v1/calls/{call}", "/v1/devices/{device}"

PLAIN: list[tuple[str, str, Any]] = [
    ("GET", CALL, None),
    ("GET", f"{CALL}/status", None),
    ("POST", f"{CALL}/ringing", None),
    ("POST", f"{CALL}/accept", ANSWER),
    ("POST", f"{CALL}/accept", {**ANSWER, "sdp_answer": "v=0\r\ns=\u00e9\r\n", "nobody_knows": [1]}),
    ("POST", f"{CALL}/reject", None),
    ("POST", f"{CALL}/reject", {"reason": "busy"}),
    ("POST", f"{CALL}/hangup", None),
    ("POST", f"{CALL}/dtmf", {"digits": "1#", "duration_ms": 160.0}),
    ("POST", f"{CALL}/hold", None),
    ("POST", f"{CALL}/hold", {"sdp_offer": SDP}),
    ("POST", f"{CALL}/resume", {}),
    ("POST", f"{CALL}/transfer", {"destination_uri": "carol"}),
    ("POST", f"{CALL}/renegotiate", {"sdp_answer": SDP, "renegotiation": 2}),
    ("GET", "/v1/calls", None),
    ("GET", "/v1/devices", None),
    ("GET", DEVICE, None),
    ("DELETE", DEVICE, None),
    ("PATCH", DEVICE, {"push_token": "bb" * 32}),
    ("POST", f"{DEVICE}/heartbeat", None),
    ("POST", f"{DEVICE}/test-push", None),
]


@pytest.fixture
async def doors(monkeypatch: pytest.MonkeyPatch) -> tuple[Door, Door]:
    """With the short way, and without."""
    short = Door()
    monkeypatch.setattr(whole, "ways_of", lambda _routes: {})
    return short, Door()


async def both(
    doors: tuple[Door, Door], method: str, path: str, *, status: str = "active", **more: Any
) -> tuple[Told, Told]:
    """The replies of both, each with one device and one call, alice's."""
    told = []
    for door in doors:
        door.backend.calls.clear()
        door.backend.devices.clear()
        call, device = (
            door.backend.add_call(DEFAULT, "alice", status),
            door.backend.add_device(DEFAULT, "alice"),
        )
        reply = await door.ask(method, path.replace("{call}", call).replace("{device}", device), **more)
        reply.body = reply.body.replace(call.encode(), b"call").replace(device.encode(), b"device")
        told.append(reply)
    return told[0], told[1]


def same(told: tuple[Told, Told], doors: tuple[Door, Door]) -> None:
    """Status, headers and bytes; and as much was asked behind them."""
    first, second = told
    assert (first.status, list(first.headers.items()), first.body) == (
        second.status,
        list(second.headers.items()),
        second.body,
    )
    assert [one.type for one in doors[0].backend.asked] == [one.type for one in doors[1].backend.asked]


async def test_what_is_plain(doors: tuple[Door, Door], monkeypatch: pytest.MonkeyPatch) -> None:
    framework = doors[0].app.framework.router
    taken: list[str] = []
    monkeypatch.setattr(framework, "middleware_stack", _counting(taken, framework.middleware_stack))
    for method, path, body in PLAIN:
        told = await both(doors, method, path, body=body)
        assert told[0].status in {200, 204}
        assert not taken, "it went by the framework"
        same(told, doors)


def _counting(taken: list[str], inner: Callable[..., Any]) -> Callable[..., Any]:
    def counted(scope: Any, *more: Any) -> Any:
        taken.append(scope["path"])
        return inner(scope, *more)

    return counted


JSON = {"content-type": "application/json"}


BODIES: list[tuple[bytes, dict[str, str]]] = [
    (b"", JSON),
    (b"", {}),
    (b"{", JSON),
    (b"null", JSON),
    (b"[]", JSON),
    (b'"x"', JSON),
    (b"{}", JSON),
    (b'{"sdp_answer": 1}', JSON),
    (b'{"sdp_answer": ""}', JSON),
    (b'{"sdp_answer": "\\ud800"}', JSON),
    (b'{"sdp_answer": "v=0", "sdp_answer": "v=1"}', JSON),
    (b"\xff\xfe", JSON),
    (json.dumps(ANSWER).encode("utf-16"), JSON),
    (b"[" * 50_000, JSON),
    (json.dumps(ANSWER).encode(), {"content-type": "text/plain"}),
    (json.dumps(ANSWER).encode(), {"content-type": "application/jsonp"}),
    (json.dumps(ANSWER).encode(), {"content-type": "application/problem+json"}),
    (json.dumps(ANSWER).encode(), {"content-type": "Application/JSON; charset=utf-8"}),
    (json.dumps(ANSWER).encode(), {"content-type": "application/json;charset=utf-8"}),
    (json.dumps(ANSWER).encode(), {}),
]


@pytest.mark.parametrize("verb", ["accept", "reject"])
async def test_bodies_of_all_sorts(doors: tuple[Door, Door], verb: str) -> None:
    for raw, headers in BODIES:
        same(await both(doors, "POST", f"{CALL}/{verb}", raw=raw, headers=headers), doors)


REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", CALL, {"token": None}),
    ("GET", CALL, {"token": "a.b.c"}),
    ("GET", CALL, {"headers": {"authorization": "Basic YTpi"}}),
    ("GET", CALL, {"status": "ended"}),
    ("GET", "/v1/calls/none", {}),
    ("GET", "/v1/calls/{}", {}),
    ("GET", "/v1/calls/", {}),
    ("GET", "/v1/calls//status", {}),
    ("GET", f"/v1/calls/{'x' * 65}/status", {}),
    ("GET", f"{CALL}/status?wait=x", {}),
    ("GET", f"{CALL}/nothing", {}),
    ("GET", f"{CALL}/status/more", {}),
    ("GET", "/v1/calls?limit=0", {}),
    ("PUT", CALL, {}),
    ("GET", f"{CALL}/accept", {}),
    ("HEAD", CALL, {}),
    ("POST", f"{CALL}/accept", {"token": None, "raw": b"{"}),
    ("GET", "/v2/calls", {}),
    ("GET", "", {}),
]


async def test_what_is_refused(doors: tuple[Door, Door]) -> None:
    for method, path, more in REFUSED:
        told = await both(doors, method, path, **more)
        assert told[0].status >= 400 or told[0].body == b'{"status":"unknown"}'
        same(told, doors)


def test_each_way_leads_where_the_router_would() -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    ways = ways_of(routes)
    for (method, shape), way in ways.items():
        scope = {"type": "http", "method": method, "path": shape.replace("{}", "x"), "root_path": ""}
        first = next(one for one in routes if one.matches(dict(scope))[0] is Match.FULL)
        assert first is way.route


def test_all_routes_have_one_but_those_that_need_more() -> None:
    routes = [one for router in ROUTERS for one in router.routes if isinstance(one, APIRoute)]
    short = {way.route.operation_id for way in ways_of(routes).values()}
    guarded = {one.operation_id for one in routes if isinstance(one, GuardedRoute)}
    assert guarded - short == {"placeCall"}
    assert short <= guarded


async def test_a_request_with_a_wrong_body_is_one_request() -> None:
    door = Door(ApiPlan(limits=LimitPlan(per_subject=Rate(1, 1))))
    path = CALL.format(call=door.backend.add_call(DEFAULT, "alice"))
    assert (await door.ask("POST", f"{path}/accept", {"sdp_answer": 1})).status == 422
    assert (await door.ask("POST", f"{path}/accept", ANSWER)).status == 429


async def test_a_secret_that_was_taken_back_ends_its_tokens_at_once() -> None:
    door = Changing()
    before, path = door.token(), CALL.format(call=door.backend.add_call(DEFAULT, "alice"))
    assert (await door.ask("GET", path, token=before)).status == 200
    await door.change(auth=OTHER)
    asked = len(door.backend.asked)
    for method, where, body in (("GET", path, None), ("POST", f"{path}/accept", ANSWER)):
        told = await door.ask(method, where, body, token=before)
        assert (told.status, told.json()["code"]) == (401, "auth.bad_token")
    await door.change(auth=AUTH)
    assert len(door.backend.asked) == asked


async def test_a_fault_is_told_as_any_other_and_names_the_route(doors: tuple[Door, Door]) -> None:
    async def broken(_request: Any) -> Any:
        raise RuntimeError("an accident")

    for door in doors:
        door.doorway.ask = broken
    with structlog.testing.capture_logs() as logged:
        told = await both(doors, "GET", CALL)
    assert (told[0].status, told[0].json()["code"]) == (500, "request.failed")
    assert [one["route"] for one in logged] == ["/v1/calls/{call_token}"] * 2
    same(told, doors)


async def test_under_a_prefix() -> None:
    door = Door(ApiPlan(root_path="/voice"))
    path = CALL.format(call=door.backend.add_call(DEFAULT, "alice"))
    first, second = await door.ask("GET", path), await door.ask("GET", f"/voice{path}")
    assert (first.status, first.body) == (second.status, second.body)
    assert first.status == 200
