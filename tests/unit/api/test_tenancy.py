"""Two owners and two tenants against each other, through every endpoint of the OpenAPI document."""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from tests.unit.api.door import DEFAULT, Door, Told
from trunkline.api.openapi import openapi

DOCUMENT = openapi()
OPERATIONS = [(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods]
ATTACKERS = {"another user": (DEFAULT, "mallory"), "another tenant": ("t-other", "bob")}
VICTIM = (DEFAULT, "bob")
OPEN = {"/v1/auth/token", "/v1/push", "/health", "/ready"}


@dataclass(frozen=True)
class Ids:
    """What a request names. A parameter that is not here fails the test: say here what it names."""

    device_id: str
    call_token: str


def body_of(operation: dict[str, Any], ids: Ids) -> Any:
    """The document's example, or nothing but what is required, with the ids and with what nobody should heed."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    body = copy.deepcopy(content.get("example", {}))
    if "device_id" in body:
        body["device_id"] = ids.device_id
    return {**body, "owner": VICTIM[1], "tenant": VICTIM[0], "call_token": ids.call_token}


async def ask(door: Door, method: str, path: str, ids: Ids, token: str) -> Told:
    operation = DOCUMENT["paths"][path][method]
    query = [
        f"device_id={ids.device_id}"
        for each in operation.get("parameters", [])
        if each["name"] == "device_id" and each["in"] == "query"
    ]
    query += ["owner=bob", f"tenant={DEFAULT}"]
    where = path.format(**vars(ids)) + "?" + "&".join(query)
    headers = {"Accept": "text/event-stream", "X-Tenant": DEFAULT}
    return await door.ask(method.upper(), where, body_of(operation, ids), token=token, headers=headers)


def state(door: Door) -> tuple[Any, ...]:
    """All that is the victim's."""
    theirs = (door.backend.devices, door.backend.calls)
    return tuple(sorted((key, value) for key, value in rows.items() if value[0] == VICTIM) for rows in theirs)


@pytest.mark.scenario(15)
@pytest.mark.parametrize("attacker", ATTACKERS.values(), ids=ATTACKERS.keys())
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_what_is_anothers_is_as_if_it_were_not_there(
    door: Door, method: str, path: str, attacker: tuple[str, str]
) -> None:
    theirs = Ids(door.backend.add_device(*VICTIM), door.backend.add_call(*VICTIM))
    nobodys = Ids(str(uuid.uuid4()), str(uuid.uuid4()))
    token = door.token(attacker[1], attacker[0])
    before = state(door)
    door.backend.asked.clear()
    told = await ask(door, method, path, theirs, token)
    again = await ask(door, method, path, nobodys, token)
    assert told.status == again.status
    assert told.status < 500
    assert state(door) == before
    assert not door.events.listeners
    for secret in (*vars(theirs).values(), "bob@a.test"):
        assert secret not in told.body.decode(), "it is told that it is there"
    if "{" in path or told.status == 404:
        assert told.body == again.body
    if path not in OPEN:
        assert {(asked.tenant, getattr(asked, "owner", None)) for asked in door.backend.asked} <= {attacker}


@pytest.mark.scenario(15)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_nothing_is_done_without_a_token(door: Door, method: str, path: str) -> None:
    ids = Ids(door.backend.add_device(*VICTIM), door.backend.add_call(*VICTIM))
    operation = DOCUMENT["paths"][path][method]
    told = await door.ask(method.upper(), path.format(**vars(ids)), body_of(operation, ids), token=None)
    assert told.status == 401 or path in OPEN
    assert not door.backend.asked


def test_every_guarded_operation_says_so_in_the_document() -> None:
    without = {
        path
        for path, methods in DOCUMENT["paths"].items()
        for each in methods.values()
        if "security" not in each
    }
    assert without == OPEN


def test_every_operation_has_examples_and_its_problems_are_described() -> None:
    text = json.dumps(DOCUMENT)
    assert "HTTPValidationError" not in text
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], path
            for status, reply in operation["responses"].items():
                assert reply["description"], (path, status)
                if status[0] in "45" and path != "/ready":
                    assert list(reply["content"]) == ["application/problem+json"], (path, status)
                elif status not in {"204", "503"} and "content" in reply:
                    kinds = reply["content"].values()
                    assert all("example" in kind for kind in kinds), (method, path, status)
