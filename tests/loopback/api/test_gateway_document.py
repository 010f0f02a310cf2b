"""The OpenAPI document against a running gateway: whatever is made of it, no answer is a fault of ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.openapi import from_dict

from tests.loopback.api.test_document import CASES, CONFIG
from tests.loopback.api.test_gateway import PASSWORD, SETTINGS
from trunkline.api.openapi import openapi
from trunkline.api.principal import Principal
from trunkline.app.addresses import host_addresses
from trunkline.app.api_plane import api_server
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import AddExtension, AddTenant
from trunkline.store import Store

EXAMPLES = 4
MANY = dict.fromkeys(
    ("per_source", "per_subject", "failures", "tokens", "devices", "calls", "pushes"), 100_000
)
WITH_WEBHOOK = {
    **SETTINGS,
    "api": {"listen": "127.0.0.1:0", "limits": MANY},
    "mobile": {"domains": ["127.0.0.1"], "max_devices": 100},
    "push": {"webhook": {"url": "http://127.0.0.1:9/", "secret": "nobody listens there"}},
}
# What a document cannot say of an account, a description or a call's state is refused with these.
REFUSED = (
    CONFIG
    + "[checks.positive_data_acceptance]\nexpected-statuses = [200, 202, 204, 401, 404, 409, 410, 422]\n"
)
DEVICE = {
    "platform": "android",
    "push_token": "a-token",
    "push_token_kind": "webhook",
    "sip_username": "1001",
    "sip_password": PASSWORD,
    "sip_domain": "acme.test",
}


@dataclass
class Running:
    """``ids`` are values of path parameters that exist."""

    url: str
    token: str
    ids: dict[str, str]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """In a thread of its own, for the clients of this file wait for their replies."""
    up: Future[tuple[Running, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    data = tmp_path_factory.mktemp("gateway") / "data"
    left: list[str] = []
    thread = threading.Thread(target=lambda: asyncio.run(_run(data, up, left)))
    thread.start()
    made, loop, done = up.result(30)
    headers = {"Authorization": f"Bearer {made.token}"}
    told = requests.post(f"{made.url}/v1/devices", json=DEVICE, headers=headers, timeout=20).json()
    made.ids["device_id"] = told["device_id"]
    yield made
    loop.call_soon_threadsafe(done.set)
    thread.join(30)
    assert left == []


async def _run(data: Path, up: Future[Any], left: list[str]) -> None:
    with Store.open(data) as store:
        exchange = Exchange(complete(Settings.model_validate(WITH_WEBHOOK), host_addresses()), store, data)
        await exchange.start()
        api = api_server(exchange.settings, exchange, store)
        assert api is not None
        handlers = ExchangeHandlers(store, "pbx.test", exchange, {})
        tenant: Any = await handlers.handle(AddTenant(name="acme", domains=("acme.test",)))
        await handlers.handle(AddExtension(tenant="acme", number="1001", password=PASSWORD))
        await api.start()
        token = api.doorway.auth.mint(Principal(tenant.row.id, "alice"))
        done = asyncio.Event()
        up.set_result((Running(f"http://127.0.0.1:{api.port}", token, {}), asyncio.get_running_loop(), done))
        await done.wait()
        await api.stop()
        await exchange.stop(0)
    left += [str(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]


SCHEMA = from_dict(openapi(), config=SchemathesisConfig.from_str(REFUSED))


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_no_request_is_a_fault_of_ours(running: Running, operation: Any, mode: GenerationMode) -> None:
    operation = SCHEMA[operation.path][operation.method.upper()]
    headers = {"Authorization": f"Bearer {running.token}"}
    with requests.Session() as session:

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
            deadline=None,
        )
        def check(case: Any) -> None:
            if operation.label == "GET /v1/events":
                return listen(case, running, session)
            if operation.label == "GET /ready":
                # Red once a push was tried: nobody listens there. A 503 is what it says then.
                told = case.call(base_url=running.url, session=session)
                assert told.status_code in ({200, 503} if mode is GenerationMode.POSITIVE else {405})
                return None
            if mode is GenerationMode.POSITIVE and operation.method != "delete":
                case.path_parameters.update(
                    {name: running.ids[name] for name in case.path_parameters if name in running.ids}
                )
            case.call_and_validate(base_url=running.url, headers=headers, session=session)
            return None

        check()


def listen(case: Any, running: Running, session: requests.Session) -> None:
    """A stream does not end: its head is enough."""
    headers = {"Authorization": f"Bearer {running.token}", "Accept": "text/event-stream"}
    asked = case.as_transport_kwargs(base_url=running.url, headers=headers)
    with session.request(**asked, stream=True, timeout=20) as reply:
        assert reply.status_code in {200, 401, 404, 422}
        kind = "text/event-stream" if reply.status_code == 200 else "application/problem+json"
        assert reply.headers["content-type"].startswith(kind)
