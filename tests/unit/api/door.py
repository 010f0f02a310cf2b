"""The API without a socket: requests go straight into the application."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from tests.unit.api.backend import Backend, FakeEvents, FakeReadiness
from trunkline.api.app import Api, open_doorway
from trunkline.api.plan import ApiPlan, AuthPlan
from trunkline.api.ports import FetchJson, TenantOfKey
from trunkline.api.principal import Principal

SECRET = "a-secret-of-thirty-two-characters"
KEY = "the-backend-key"
DEFAULT = "t-default"
PLAN = ApiPlan()


@dataclass
class Told:
    """A reply."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


class Door:
    """The application with a backend in memory, and a client of it. ``leave`` makes the client go away."""

    def __init__(
        self,
        plan: ApiPlan = PLAN,
        auth: AuthPlan | None = None,
        tenant_of_key: TenantOfKey | None = None,
        fetch: FetchJson | None = None,
    ) -> None:
        self.backend = Backend()
        self.events = FakeEvents()
        self.readiness = FakeReadiness()
        auth = auth or AuthPlan(SECRET, 3600, KEY, default_tenant=DEFAULT)
        self.doorway = open_doorway(
            plan, auth, self.backend.ask, self.events, self.readiness, tenant_of_key, fetch
        )
        self.app = Api(self.doorway)
        self.leave = asyncio.Event()

    def token(self, subject: str = "alice", tenant: str = DEFAULT) -> str:
        """A token of ours."""
        return self.doorway.auth.mint(Principal(tenant, subject))

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        client: str = "192.0.2.7",
    ) -> Told:
        """One request. ``token`` "" is alice's, None is none; ``raw`` goes instead of ``body``."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if token is not None:
            sent.setdefault("authorization", f"Bearer {token or self.token()}")
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        if body is not None:
            sent.setdefault("content-type", "application/json")
        if data:
            sent.setdefault("content-length", str(len(data)))
        return await self._exchange(_scope(method, path, sent, client), data)

    async def _exchange(self, scope: dict[str, Any], data: bytes) -> Told:
        told = Told()
        parts = [{"type": "http.request", "body": data, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if parts:
                return parts.pop()
            await self.leave.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                told.status = message["status"]
                told.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                told.body += message.get("body", b"")

        async with asyncio.timeout(20):
            await self.app(scope, receive, send)
        return told


def _scope(method: str, path: str, headers: dict[str, str], client: str) -> dict[str, Any]:
    where, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": where,
        "raw_path": where.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": (client, 40000),
        "server": ("192.0.2.1", 8080),
        "state": {},
    }
