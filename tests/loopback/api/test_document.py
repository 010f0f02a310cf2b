"""The OpenAPI document against the server: whatever is made of it is answered as it says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from tests.loopback.api.serving import Served
from trunkline.api.openapi import openapi
from trunkline.api.plan import ApiPlan, LimitPlan, Rate

MANY = Rate(10_000_000, 10_000_000)
PLAN = ApiPlan(port=0, limits=LimitPlan(MANY, MANY, MANY, MANY, MANY, MANY, MANY), wait_s=0)
EXAMPLES = 8
CONFIG = """
[generation]
allow-extra-parameters = false

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 406, 408, 409, 410, 413, 415, 422]
"""
SCHEMA = schemathesis.openapi.from_dict(openapi(), config=SchemathesisConfig.from_str(CONFIG))
OPERATIONS = [cast("Any", result).ok() for result in SCHEMA.get_all_operations()]


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

    served.events.subscribe = briefly  # type: ignore[method-assign, assignment]
    await served.server.start()
    done = asyncio.Event()
    up.set_result((served, asyncio.get_running_loop(), done))
    await done.wait()
    await served.server.stop()


CASES = [
    pytest.param(operation, mode, id=f"{operation.label}-{mode.value}")
    for operation in OPERATIONS
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or operation.definition.raw.get("security") or operation.body
]
"""Where nothing can be given, nothing can be given wrongly."""


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_answers_are_as_the_document_says(served: Served, operation: Any, mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {served.token()}"}
    if operation.label == "GET /v1/events":
        headers["Accept"] = "text/event-stream"
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
