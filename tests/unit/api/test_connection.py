"""A connection whose client turns to nonsense, or breaks, where a request is under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import Any

import pytest
import structlog.testing

from tests.unit.api.door import Door
from tests.unit.api.test_usual import connected, settled

UNTIL_BODY = b"POST /v1/calls/none/accept HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
ACCEPT = UNTIL_BODY + b"Content-Type: application/json\r\nAuthorization: Bearer %b\r\n\r\n"
NO_CHUNK = b"zz\r\n"


@pytest.fixture
async def faults() -> list[dict[str, Any]]:
    """What the loop is told of."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, what: found.append(what))
    return found


def errors_of(logged: list[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    """Not the warnings of uvicorn: whether they come here depends on what the tests before have set up."""
    return [line for line in logged if line["log_level"] not in {"debug", "info", "warning"}]


@pytest.mark.parametrize("told", [False, True])
async def test_a_body_that_is_no_http_is_no_fault_of_ours(told: bool, faults: list[dict[str, Any]]) -> None:
    """Whether it comes before the reply (400) or after it (nothing more is said)."""
    door = Door()
    http, wire = connected(door.app)
    with structlog.testing.capture_logs() as logged:
        if told:
            http.data_received(UNTIL_BODY + b"\r\n")
            async with asyncio.timeout(10):
                await asyncio.gather(*http.tasks)
            assert wire.told.startswith(b"HTTP/1.1 401 ")
            http.data_received(NO_CHUNK)
        else:
            http.data_received(UNTIL_BODY + b"\r\n" + NO_CHUNK)
        await http_ended(http)
    assert wire.told.count(b"HTTP/1.1 ") == 1
    assert wire.told.startswith(b"HTTP/1.1 401 " if told else b"HTTP/1.1 400 ")
    assert http.transport.is_closing()
    http.connection_lost(None)
    assert (errors_of(logged), faults) == ([], [])


async def test_who_waits_for_a_body_is_told_that_none_comes(faults: list[dict[str, Any]]) -> None:
    door = Door()
    http, wire = connected(door.app)
    http.data_received(ACCEPT % door.token().encode())
    await asyncio.sleep(0)
    assert http.tasks
    http.data_received(NO_CHUNK)
    with structlog.testing.capture_logs() as logged:
        await http_ended(http)  # at once, and not when its patience is over
    assert wire.told.startswith(b"HTTP/1.1 400 ")
    http.connection_lost(None)
    assert (errors_of(logged), faults) == ([], [])


async def test_nothing_is_written_behind_a_reply_that_was_broken_off() -> None:
    half = asyncio.Event()

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await half.wait()
        await send({"type": "http.response.body", "body": b"late"})

    http, wire = connected(app)
    http.data_received(UNTIL_BODY + b"\r\n")
    await asyncio.sleep(0)
    http.data_received(NO_CHUNK)
    before = wire.told
    half.set()
    await http_ended(http)
    assert (wire.told, http.transport.is_closing()) == (before, True)
    http.connection_lost(None)


async def test_nonsense_behind_a_usual_request_is_refused_after_its_reply(
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = Door()
    http, wire = connected(door.app)
    http.data_received(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
    http.data_received(b"\x16\x03\x01\r\n\r\n")
    with caplog.at_level(logging.ERROR):
        await http_ended(http)
    replies = wire.told.split(b"HTTP/1.1 ")[1:]
    assert [one[:3] for one in replies] == [b"200", b"400"]
    assert not caplog.records
    await settled(http)


async def http_ended(http: Any) -> None:
    """Until nothing is under way; raises what a task raised."""
    async with asyncio.timeout(5):
        while http.tasks:
            await asyncio.gather(*http.tasks)
