"""The OpenAPI document against the server: whatever is made of it is answered as it says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests.loopback.api.serving import Served
from trunkline.api.openapi import openapi
from trunkline.api.plan import ApiPlan, LimitPlan, Rate

MANY = Rate(10_000_000, 10_000_000)
PLAN = ApiPlan(port=0, limits=LimitPlan(MANY, MANY, MANY, MANY, MANY, MANY, MANY), wait_s=0)
EXAMPLES = 15
SCHEMA = schemathesis.openapi.from_dict(openapi())
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations()]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """In a thread of its own, for the clients of this file wait for their replies. Event streams end at once."""
    up: Future[tuple[Served, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(up)))
    thread.start()
    made, loop, done = up.result(20)
    yield made
    loop.call_soon_threadsafe(done.set)
    thread.join(20)


async def _serve(up: Future[tuple[Served, asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    served = Served(PLAN)
    subscribe = served.events.subscribe

    def briefly(*args: Any) -> Any:
        made = subscribe(*args)
        made.take(None)
        return made

    served.events.subscribe = briefly  # type: ignore[method-assign]
    await served.server.start()
    done = asyncio.Event()
    up.set_result((served, asyncio.get_running_loop(), done))
    await done.wait()
    await served.server.stop()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_answers_are_as_the_document_says(served: Served, operation: Any, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {served.token()}"}
    with requests.Session() as session:

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
        )
        def check(case: Any) -> None:
            case.call_and_validate(base_url=served.url, headers=headers, session=session)

        check()
