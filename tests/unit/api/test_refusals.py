"""What goes wrong, told as problem details."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.unit.api.backend import SDP
from tests.unit.api.door import DEFAULT, Door, Told
from trunkline.api.plan import ApiPlan
from trunkline.base.messages import Refused

CALL = {
    "destination_uri": "bob",
    "sdp_offer": SDP,
    "sip_username": "a",
    "sip_password": "b",
    "sip_domain": "c",
}
DEVICE = {
    "platform": "ios",
    "push_token": "aa" * 32,
    "sip_username": "alice",
    "sip_password": "hush-hush",
    "sip_domain": "a.test",
}


def check(told: Told, status: int, code: str) -> None:
    body = told.json()
    assert (told.status, body["status"], body["code"]) == (status, status, code)
    assert told.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "detail"} <= set(body)


@pytest.mark.parametrize(
    ("method", "path", "body", "type_", "error", "status"),
    [
        (
            "POST",
            "/v1/devices",
            DEVICE,
            "device.register",
            Refused("account.domain", "not listed", "", 422),
            422,
        ),
        (
            "POST",
            "/v1/devices",
            DEVICE,
            "device.register",
            Refused("account.password", "wrong", "", 401),
            401,
        ),
        ("POST", "/v1/devices", DEVICE, "device.register", Refused("device.limit", "enough", "", 429), 429),
        ("POST", "/v1/devices/x/heartbeat", None, "device.heard", None, 404),
        (
            "POST",
            "/v1/devices/x/heartbeat",
            None,
            "device.heartbeat",
            Refused("device.inactive", "no", "", 410),
            410,
        ),
        (
            "POST",
            "/v1/devices/x/test-push",
            None,
            "device.test-push",
            Refused("device.no_alert_token", "no", "", 409),
            409,
        ),
        (
            "POST",
            "/v1/calls/x/accept",
            {"sdp_answer": SDP},
            "app-call.accept",
            Refused("call.sdp", "no", "", 422),
            422,
        ),
        ("POST", "/v1/calls", CALL, "app-call.place", Refused("call.limit", "enough", "", 429), 429),
    ],
)
async def test_refusals_of_the_backend(
    door: Door, method: str, path: str, body: object, type_: str, error: Refused | None, status: int
) -> None:
    if error:
        door.backend.fails[type_] = error
    told = await door.ask(method, path, body)
    check(told, status, error.problem.code if error else "device.unknown")
    assert ("retry-after" in told.headers) == (status == 429)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            Refused("call.failed", "bob is busy", "", 502, sip_status=486, reason="Busy Here"),
            {"error": "bob is busy", "sip_status": 486, "reason": "Busy Here"},
        ),
        (
            Refused("call.failed", "nobody answered", "", 504, sip_status=408),
            {"error": "nobody answered", "sip_status": 408, "reason": "nobody answered"},
        ),
        (
            Refused("call.failed", "no such host", "look at DNS", 502),
            {"error": "no such host", "hint": "look at DNS"},
        ),
    ],
)
async def test_a_call_that_failed_tells_the_sip_status(
    door: Door, error: Refused, expected: dict[str, object]
) -> None:
    door.backend.fails["app-call.place"] = error
    told = await door.ask("POST", "/v1/calls", CALL)
    check(told, error.problem.status, "call.failed")
    assert expected.items() <= told.json().items()


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [("call.over", "cancelled", 410), ("call.elsewhere", "answered_elsewhere", 409)],
)
async def test_a_call_that_is_gone_tells_why(door: Door, code: str, reason: str, status: int) -> None:
    door.backend.fails["app-call.accept"] = Refused(code, "too late", "", status, reason=reason)
    told = await door.ask("POST", "/v1/calls/x/accept", {"sdp_answer": SDP})
    check(told, status, code)
    assert told.json()["reason"] == reason
    assert "hint" not in told.json()


@pytest.mark.scenario(15)
@pytest.mark.parametrize("path", ["/v1/devices", "/v1/devices/x", "/v1/calls", "/v1/calls/x", "/v1/events"])
@pytest.mark.parametrize("value", [None, "Basic YTpi", "Bearer", "Bearer x.y.z", "Bearer " + "a" * 9000])
async def test_without_a_token_nothing_is_told(door: Door, path: str, value: str | None) -> None:
    headers = {} if value is None else {"Authorization": value}
    told = await door.ask("GET", path, token=None, headers=headers)
    assert told.status == 401
    assert told.headers["www-authenticate"] == "Bearer"
    assert not door.backend.asked


async def test_a_token_comes_before_the_body(door: Door) -> None:
    told = await door.ask("POST", "/v1/devices", raw=b"{", token=None, headers={"content-type": "text/plain"})
    assert told.status == 401


@pytest.mark.parametrize(
    ("raw", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "request.json"),
        (b"\xff\xfe", "application/json", 400, "request.json"),
        (b"[" * 60_000, "application/json", 400, "request.malformed"),
        (b"{}", "text/plain", 415, "request.content_type"),
        (b"{}", "", 415, "request.content_type"),
        (b"", "", 415, "request.content_type"),
        (b"{}", "application/json", 422, "request.invalid"),
        (b"", "application/json", 422, "request.invalid"),
        (b"[]", "application/json; charset=utf-8", 422, "request.invalid"),
        (b'"' + b"x" * 65_536 + b'"', "application/json", 413, "request.too_large"),
    ],
)
async def test_bodies_that_cannot_be_used(door: Door, raw: bytes, kind: str, status: int, code: str) -> None:
    headers = {"content-type": kind} if kind else {}
    check(await door.ask("POST", "/v1/devices", raw=raw, headers=headers), status, code)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("platform", "symbian"),
        ("sip_port", "5060"),
        ("sip_port", 70_000),
        ("sip_port", True),
        ("sip_username", "alice\r\nVia: x"),
        ("sip_password", None),
        ("sip_transport", "carrier pigeon"),
        ("push_token", "x" * 5000),
        ("push_token", "\ud800"),
    ],
)
async def test_a_wrong_field_is_named_and_its_value_is_not(door: Door, field: str, value: object) -> None:
    told = await door.ask("POST", "/v1/devices", {**DEVICE, field: value})
    check(told, 422, "request.invalid")
    assert told.json()["errors"][0]["field"] == field
    assert b"hush-hush" not in told.body
    assert b"pigeon" not in told.body


async def test_a_call_needs_somebody_who_calls(door: Door) -> None:
    told = await door.ask("POST", "/v1/calls", {"destination_uri": "bob", "sdp_offer": SDP})
    check(told, 422, "request.invalid")
    assert "device_id" in told.json()["hint"]


async def test_addresses_and_methods_that_are_none(door: Door) -> None:
    check(await door.ask("GET", "/v2/devices"), 404, "request.not_found")
    told = await door.ask("PUT", "/v1/devices/x")
    check(told, 405, "request.method")
    assert told.headers["allow"] == "DELETE, GET, PATCH"


async def test_a_fault_of_ours_is_no_page_of_python(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    door.backend.fails["device.list"] = RuntimeError("hush-hush")  # type: ignore[assignment]  # a bug
    told = await door.ask("GET", "/v1/devices")
    check(told, 500, "request.failed")
    assert b"hush" not in told.body


async def test_a_tenant_that_is_gone_takes_its_tokens_along(door: Door) -> None:
    door.backend.fails["device.list"] = Refused("tenant.unknown", "there is no tenant t9", "", 404)
    check(await door.ask("GET", "/v1/devices"), 401, "auth.bad_token")


async def test_an_answer_that_does_not_come() -> None:
    door = Door(ApiPlan(request_s=0.01))
    door.backend.held.add("device.list")
    check(await door.ask("GET", "/v1/devices"), 504, "request.deadline")
    assert door.backend.cancelled.is_set()


@pytest.mark.scenario(14)
async def test_a_caller_who_leaves_gives_the_call_up(door: Door) -> None:
    door.backend.held.add("app-call.place")
    asking = asyncio.create_task(door.ask("POST", "/v1/calls", CALL))
    async with asyncio.timeout(10):
        await door.backend.asking.wait()
        assert not door.backend.cancelled.is_set()
        door.leave.set()
        await door.backend.cancelled.wait()
        assert (await asking).status == 0


async def test_whoever_waits_is_sent_away_when_we_stop(door: Door) -> None:
    door.backend.held.add("app-call.ask-status")
    asking = asyncio.create_task(door.ask("GET", "/v1/calls/x/status?wait=20"))
    async with asyncio.timeout(10):
        await door.backend.asking.wait()
        door.doorway.closing.set()
        check(await asking, 503, "request.stopping")
    assert len(door.doorway.waits) == 0


@pytest.mark.scenario(15)
@pytest.mark.parametrize("tenant", [DEFAULT, "t2"])
async def test_what_is_anothers_looks_like_what_is_not_there(door: Door, tenant: str) -> None:
    device = door.backend.add_device(tenant, "bob")
    call = door.backend.add_call(tenant, "bob")
    for path, missing in (
        (f"/v1/devices/{device}", "/v1/devices/none"),
        (f"/v1/calls/{call}", "/v1/calls/none"),
    ):
        theirs, nobodys = await door.ask("GET", path), await door.ask("GET", missing)
        assert (theirs.status, theirs.body) == (404, nobodys.body)
    assert (await door.ask("DELETE", f"/v1/devices/{device}")).status == 204
    assert device in door.backend.devices


async def test_bytes_of_peers_that_are_no_text(door: Door) -> None:
    door.backend.fails["app-call.place"] = Refused("call.failed", "Besetzt \udcfc", "", 502, sip_status=486)
    assert (await door.ask("POST", "/v1/calls", CALL)).json()["reason"] == "Besetzt \ufffd"
    call = door.backend.add_call(DEFAULT, "alice")
    owner, row = door.backend.calls[call]
    door.backend.calls[call] = owner, replace(row, peer="b\udcfcb\u00e9")
    assert (await door.ask("GET", "/v1/calls")).json()["calls"][0]["peer"] == "b\ufffdb\u00e9"


async def test_a_long_poll_ends_with_its_token(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [0.5, 0.0]
    monkeypatch.setattr(door.doorway.auth, "left_s", lambda _principal: left.pop(0))
    call = door.backend.add_call(DEFAULT, "alice")
    check(await door.ask("GET", f"/v1/calls/{call}/status?wait=20"), 401, "auth.token_expired")
    assert door.backend.asked[-1].wait_s == 0.5  # type: ignore[attr-defined]
    assert len(door.doorway.waits) == 0
