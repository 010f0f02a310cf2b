"""The API on a socket, with a backend in memory behind it and clients before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.unit.api.backend import Backend, FakeEvents, FakeReadiness
from tests.unit.api.door import DEFAULT, KEY, SECRET
from trunkline.api.plan import ApiPlan, AuthPlan
from trunkline.api.principal import Principal
from trunkline.api.server import ApiServer


class Served:
    """``server`` is up; ``client`` is alice."""

    def __init__(self, plan: ApiPlan, default_tenant: str | None = DEFAULT) -> None:
        self.backend = Backend()
        self.events = FakeEvents()
        auth = AuthPlan(SECRET, 3600, KEY, default_tenant=default_tenant)
        self.server = ApiServer(plan, auth, self.backend.ask, self.events, FakeReadiness())

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self.server.port}"

    def token(self, tenant: str | None = DEFAULT) -> str:
        """Alice's."""
        return self.server.doorway.auth.mint(Principal(tenant, "alice"))

    def client(self, tenant: str | None = DEFAULT) -> aiohttp.ClientSession:
        """With alice's token in each request."""
        headers = {"Authorization": f"Bearer {self.token(tenant)}"}
        return aiohttp.ClientSession(self.url, headers=headers, timeout=aiohttp.ClientTimeout(total=20))


@asynccontextmanager
async def serving(plan: ApiPlan | None = None, default_tenant: str | None = DEFAULT) -> AsyncIterator[Served]:
    """Started, and stopped in the end. Port 0."""
    served = Served(plan or ApiPlan(port=0), default_tenant)
    await served.server.start()
    try:
        yield served
    finally:
        await served.server.stop()
