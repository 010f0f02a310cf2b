"""What old apps get: the very bytes, where all goes well."""

from __future__ import annotations

import json

import pytest

from tests.unit.api.backend import NOW, SDP
from tests.unit.api.door import DEFAULT, KEY, Door
from trunkline.api.plan import ApiPlan
from trunkline.base import messages as m
from trunkline.base.messages import Refused
from trunkline.push.notification import Health, Service

DEVICE = {
    "platform": "ios",
    "push_token": "aa" * 32,
    "sip_username": "alice",
    "sip_password": "secret",
    "sip_domain": "a.test",
    "sip_registrar": None,
    "nobody_knows": 1,
}


def compact(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


async def test_a_token_reply_has_exactly_two_fields(door: Door) -> None:
    told = await door.ask("POST", "/v1/auth/token", {"user_id": "alice", "api_key": KEY}, token=None)
    assert told.status == 200
    assert list(told.json()) == ["token", "expires_in"]
    assert told.json()["expires_in"] == 3600
    assert told.headers["content-type"] == "application/json"
    assert (await door.ask("GET", "/v1/devices", token=told.json()["token"])).status == 200


async def test_registering_a_device(door: Door) -> None:
    told = await door.ask("POST", "/v1/devices", DEVICE)
    made = next(iter(door.backend.devices))
    assert (told.status, told.body) == (200, compact(device_id=made, status="registering"))
    asked = door.backend.asked[-1]
    assert isinstance(asked, m.RegisterDevice)
    assert (asked.tenant, asked.owner) == (DEFAULT, "alice")
    assert asked.account == m.SipAccount("alice", "a.test", "secret")
    assert asked.push == m.PushTarget("", "aa" * 32)


async def test_a_device_key_is_told_only_to_those_who_want_it(door: Door) -> None:
    told = await door.ask("POST", "/v1/devices", {**DEVICE, "want_device_key": True})
    assert told.json()["device_key"] == "a-new-key"
    brought = {**DEVICE, "want_device_key": True, "device_key": "my own"}
    assert "device_key" not in (await door.ask("POST", "/v1/devices", brought)).json()


async def test_a_device_as_old_apps_know_it(door: Door) -> None:
    made = door.backend.add_device(DEFAULT, "alice")
    told = await door.ask("GET", f"/v1/devices/{made}")
    assert (told.status, told.body) == (200, compact(device_id=made, sip_status="registered", active=True))
    detail = (await door.ask("GET", f"/v1/devices/{made}?detail=true")).json()
    assert detail["address"] == "alice@a.test"
    listed = (await door.ask("GET", "/v1/devices")).json()
    assert listed == {"devices": [detail], "next": None}
    assert (await door.ask("PATCH", f"/v1/devices/{made}", {"environment": "sandbox"})).json() == detail


async def test_a_device_is_removed_and_may_be_removed_again(door: Door) -> None:
    made = door.backend.add_device(DEFAULT, "alice")
    for _ in range(2):
        told = await door.ask("DELETE", f"/v1/devices/{made}")
        assert (told.status, told.body) == (204, b"")
    assert not door.backend.devices


async def test_a_heartbeat_has_no_body_either_way(door: Door) -> None:
    made = door.backend.add_device(DEFAULT, "alice")
    told = await door.ask("POST", f"/v1/devices/{made}/heartbeat")
    assert (told.status, told.body) == (204, b"")
    assert "content-type" not in told.headers


async def test_placing_a_call_as_old_apps_do(door: Door) -> None:
    body = {
        "destination_uri": "sip:bob@a.test",
        "sdp_offer": SDP,
        "sip_username": "alice",
        "sip_password": "secret",
        "sip_domain": "a.test",
    }
    told = await door.ask("POST", "/v1/calls", body)
    made = next(iter(door.backend.calls))
    assert (told.status, told.body) == (200, compact(call_token=made, sdp_answer=SDP))
    asked = door.backend.asked[-1]
    assert isinstance(asked, m.PlaceCall)
    assert (asked.wait, asked.key, asked.device_id) == (True, "", "")


@pytest.mark.parametrize(
    ("more", "headers", "applied"),
    [({"async": True}, {}, None), ({}, {"Prefer": "wait=5, respond-async"}, "respond-async")],
)
async def test_placing_a_call_without_waiting(
    door: Door, more: dict[str, object], headers: dict[str, str], applied: str | None
) -> None:
    device = door.backend.add_device(DEFAULT, "alice")
    body = {"destination_uri": "bob", "sdp_offer": SDP, "device_id": device, **more}
    told = await door.ask("POST", "/v1/calls", body, headers={**headers, "Idempotency-Key": "once"})
    made = next(iter(door.backend.calls))
    assert (told.status, told.body) == (202, compact(call_token=made))
    assert told.headers.get("preference-applied") == applied
    asked = door.backend.asked[-1]
    assert isinstance(asked, m.PlaceCall)
    assert (asked.wait, asked.key, asked.account) == (False, "once", None)


async def test_the_offer_of_a_call(door: Door) -> None:
    made = door.backend.add_call(DEFAULT, "alice")
    told = await door.ask("GET", f"/v1/calls/{made}")
    expected = compact(call_token=made, caller_uri="bob@a.test", caller_name=None, sdp_offer=SDP)
    assert (told.status, told.body) == (200, expected)


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("ringing", None),
        ("accept", {"sdp_answer": SDP}),
        ("reject", None),
        ("reject", {"reason": "busy"}),
        ("hangup", None),
        ("dtmf", {"digits": "12#"}),
        ("transfer", {"destination_uri": "carol"}),
        ("renegotiate", {"sdp_answer": SDP, "renegotiation": 3}),
        ("renegotiate", {}),
    ],
)
async def test_what_is_done_is_told_with_an_empty_200(door: Door, verb: str, body: object) -> None:
    made = door.backend.add_call(DEFAULT, "alice")
    told = await door.ask("POST", f"/v1/calls/{made}/{verb}", body)
    assert (told.status, told.body, told.headers["content-length"]) == (200, b"", "0")


async def test_a_body_that_is_not_needed_is_not_looked_at(door: Door) -> None:
    made = door.backend.add_call(DEFAULT, "alice")
    told = await door.ask(
        "POST", f"/v1/calls/{made}/hangup", raw=b"{", headers={"content-type": "text/plain"}
    )
    assert told.status == 200


@pytest.mark.parametrize("verb", ["hold", "resume"])
async def test_hold_and_resume_tell_what_the_other_side_said(door: Door, verb: str) -> None:
    made = door.backend.add_call(DEFAULT, "alice", "active")
    told = await door.ask("POST", f"/v1/calls/{made}/{verb}")
    assert (told.status, told.body) == (200, compact(sdp_answer=""))
    listed = (await door.ask("GET", "/v1/calls")).json()["calls"]
    assert [row["held"] for row in listed] == [verb == "hold"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (m.AppCallRow("t", "pending", state="sent"), compact(status="pending")),
        (m.AppCallRow("t", "active"), compact(status="active")),
        (
            m.AppCallRow("t", "ended", reason="bye_from_remote", ended_at=NOW),
            compact(status="ended", reason="bye_from_remote", ended_at="2026-01-31T08:00:00.250000+00:00"),
        ),
        (m.AppCallRow("t", "unknown"), compact(status="unknown")),
    ],
)
async def test_the_status_of_a_call(door: Door, row: m.AppCallRow, expected: bytes) -> None:
    door.backend.calls["t"] = (DEFAULT, "alice"), row
    for query in ("", "?wait=1&seen=active"):
        told = await door.ask("GET", f"/v1/calls/t/status{query}")
        assert (told.status, told.body) == (200, expected)


async def test_the_short_way_to_a_status_says_what_the_route_says(door: Door) -> None:
    """The plain question is answered before the framework; with a query the route answers it."""
    mine, other = door.backend.add_call(DEFAULT, "alice", "active"), door.backend.add_call(DEFAULT, "bob")
    path = f"/v1/calls/{mine}/status"
    for asked, token in (
        (path, door.token()),
        (path, None),
        (path, "no.jwt.x"),
        (f"/v1/calls/{other}/status", ""),
    ):
        short = await door.ask("GET", asked, token=token)
        long = await door.ask("GET", f"{asked}?seen=", token=token)
        assert (short.status, short.body, short.headers) == (long.status, long.body, long.headers)
    door.backend.fails[m.AskAppCall.type] = Refused("store.unavailable", "not now", "later", 503)
    short, long = await door.ask("GET", path), await door.ask("GET", f"{path}?seen=")
    assert (short.status, short.body) == (long.status, long.body) == (503, long.body)


async def test_other_questions_about_a_status_go_to_the_routes(door: Door) -> None:
    assert (await door.ask("POST", "/v1/calls/t/status")).status == 405
    assert (await door.ask("GET", "/v1/calls/t/status/")).status == 404
    assert (await door.ask("GET", f"/v1/calls/{'t' * 65}/status")).json() == {"status": "unknown"}
    assert len(door.backend.asked) == 0


async def test_under_a_prefix_a_status_is_found_too() -> None:
    door = Door(ApiPlan(root_path="/voice"))
    made = door.backend.add_call(DEFAULT, "alice")
    for path in (f"/voice/v1/calls/{made}/status", f"/v1/calls/{made}/status"):
        assert (await door.ask("GET", path)).json() == {"status": "pending"}


async def test_the_status_of_a_call_that_never_was(door: Door) -> None:
    for token in ("nonsense", "x" * 200):
        told = await door.ask("GET", f"/v1/calls/{token}/status")
        assert (told.status, told.body) == (200, b'{"status":"unknown"}')


async def test_health_is_a_word(door: Door) -> None:
    told = await door.ask("GET", "/health", token=None)
    assert (told.status, told.body) == (200, b"ok")
    assert told.headers["content-type"] == "text/plain; charset=utf-8"
    assert (await door.ask("HEAD", "/health", token=None)).status == 200


async def test_ready_tells_of_each_push_provider(door: Door) -> None:
    told = await door.ask("GET", "/ready", token=None)
    assert told.status == 200
    assert told.json()["push"][0] == {
        "service": "apns",
        "state": "ready",
        "why": "",
        "since": "2026-01-31T08:00:00.250000+00:00",
        "queued": 2,
    }


@pytest.mark.rfc("8292", "3.2")
async def test_an_app_learns_how_it_can_be_woken_and_what_it_subscribes_with(door: Door) -> None:
    door.readiness.providers.append(Health(Service.FCM, "unset"))
    told = await door.ask("GET", "/v1/push", token=None)
    assert (told.status, told.json()) == (
        200,
        {"services": ["apns"], "application_server_key": "BPub-of-ours"},
    )
    door.readiness.key = ""
    assert (await door.ask("GET", "/v1/push", token=None)).json()["application_server_key"] is None


async def test_ready_goes_red(door: Door) -> None:
    door.readiness.why.append("draining")
    door.readiness.providers[0] = type(door.readiness.providers[0])(
        door.readiness.providers[0].service, "failing", "certificate expired"
    )
    told = await door.ask("GET", "/ready", token=None)
    assert told.status == 503
    assert told.json()["reasons"] == ["draining", "push apns: certificate expired"]


async def test_one_phone_with_a_wrong_token_takes_no_gateway_out_of_its_pool(door: Door) -> None:
    door.readiness.providers[0] = Health(Service.APNS, "suspect", "look at bundle_id")
    told = await door.ask("GET", "/ready", token=None)
    assert (told.status, told.json()["reasons"]) == (200, [])
    assert (told.json()["push"][0]["state"], told.json()["push"][0]["why"]) == (
        "suspect",
        "look at bundle_id",
    )


async def test_all_replies_carry_what_browsers_are_to_heed(door: Door) -> None:
    for path in ("/health", "/v1/devices", "/nowhere"):
        told = await door.ask("GET", path)
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["cache-control"] == "no-store"


async def test_no_request_goes_through_a_pool_of_threads(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework sends each plain function there, which takes the interpreter from calls."""

    def explode(*_arguments: object, **_more: object) -> None:
        raise AssertionError("a thread was asked for")

    monkeypatch.setattr("anyio.to_thread.run_sync", explode)
    assert (await door.ask("GET", "/v1/devices")).status == 200
    assert (await door.ask("GET", "/v1/calls/none/status")).status == 200
    assert (await door.ask("GET", "/ready", token=None)).status == 200
    told = await door.ask("POST", "/v1/auth/token", {"user_id": "alice", "api_key": KEY}, token=None)
    assert told.status == 200
