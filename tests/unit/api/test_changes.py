"""Settings of the API that change while it serves: they hold from the next request on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from tests.unit.api.door import DEFAULT, KEY, PLAN, SECRET, Door
from tests.unit.api.test_tokens import ISSUER, Issuer, issuer, keys
from trunkline.api.by_plan import ByPlan, behind_proxies
from trunkline.api.plan import ApiPlan, AuthPlan, LimitPlan, OidcPlan, Rate
from trunkline.api.ports import FetchJson
from trunkline.api.principal import Principal
from trunkline.api.server import ApiServer
from trunkline.base.errors import ConfigError

__all__ = ["issuer", "keys"]  # fixtures

AUTH = AuthPlan(SECRET, 3600, KEY, default_tenant=DEFAULT)
OTHER = replace(AUTH, secret="another-secret-of-thirty-two-chars")
PAGE = {"origin": "https://phone.example.com"}


class Changing(Door):
    """A server that was not started, asked without a socket."""

    def __init__(self, auth: AuthPlan = AUTH, fetch: FetchJson | None = None) -> None:
        super().__init__()
        self.server = ApiServer(PLAN, auth, self.backend.ask, self.events, self.readiness, fetch=fetch)
        self.doorway, self.app = self.server.doorway, self.server.app

    async def change(
        self,
        plan: ApiPlan = PLAN,
        auth: AuthPlan = AUTH,
        fetch: FetchJson | None = None,
        *,
        anew: bool = False,
    ) -> int:
        """How many ended with their tokens."""
        return await self.server.take(self.server.prepared(plan, auth, fetch, anew=anew))


async def test_tokens_of_the_secret_before_are_refused() -> None:
    door = Changing()
    before = door.token()
    assert (await door.ask("GET", "/v1/calls", token=before)).status == 200
    await door.change(auth=OTHER)
    told = await door.ask("GET", "/v1/calls", token=before)
    assert (told.status, told.json()["code"]) == (401, "auth.bad_token")
    assert (await door.ask("GET", "/v1/calls", token=door.token())).status == 200


async def test_tokens_stay_good_when_something_else_changes() -> None:
    door = Changing()
    before = door.token()
    assert await door.change(auth=replace(AUTH, api_key="another key of the backend")) == 0
    assert (await door.ask("GET", "/v1/calls", token=before)).status == 200
    for key, status in ((KEY, 401), ("another key of the backend", 200)):
        body = {"user_id": "alice", "api_key": key}
        assert (await door.ask("POST", "/v1/auth/token", body, token=None)).status == status
    await door.change(auth=replace(AUTH, expires_s=60))
    body = {"user_id": "alice", "api_key": KEY}
    assert (await door.ask("POST", "/v1/auth/token", body, token=None)).json()["expires_in"] == 60


async def test_a_secret_that_is_none_changes_nothing() -> None:
    door = Changing()
    before = door.token()
    with pytest.raises(ConfigError, match=r"auth\.secret"):
        await door.change(auth=replace(AUTH, secret=""))
    assert (await door.ask("GET", "/v1/calls", token=before)).status == 200


async def test_who_waits_in_the_name_of_a_token_ends_with_its_secret() -> None:
    door, asked = Changing(), asyncio.Event()
    made = door.backend.add_call(DEFAULT, "alice", "active")

    async def never(_request: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    door.doorway.ask = never
    waiting = asyncio.create_task(door.ask("GET", f"/v1/calls/{made}/status?wait=20"))
    await asked.wait()
    assert await door.change(plan=replace(PLAN, docs=True)) == 0
    assert await door.change(auth=OTHER) == 1
    told = await waiting
    assert (told.status, told.json()["code"]) == (401, "auth.token_expired")
    assert len(door.doorway.waits) == 0


async def test_a_shorter_life_holds_for_who_is_there() -> None:
    door = Changing()
    principal = await door.doorway.auth.by_token(door.token(), "192.0.2.7")
    assert door.doorway.auth.left_s(principal) > 3000
    await door.change(auth=replace(AUTH, expires_s=60))
    assert door.doorway.auth.left_s(principal) <= 90


async def test_another_audience_of_the_issuer_holds_at_once(issuer: Issuer) -> None:
    plan = replace(AUTH, oidc=OidcPlan(ISSUER, "voice"))
    door = Changing(plan, issuer.fetch)
    auth = door.doorway.auth
    token = issuer.token(iat=None, exp=4_000_000_000)[0]
    principal = await auth.by_token(token, "192.0.2.7")
    moved = replace(plan, oidc=OidcPlan(ISSUER, "voice", f"{ISSUER}/other-keys"))
    await door.change(auth=moved, fetch=issuer.fetch, anew=True)
    assert auth.left_s(principal) > 0, "the same issuer vouches for the same"
    issuer.down = True
    assert (await auth.by_token(token, "192.0.2.7")).subject == "alice", "with the keys that were known"
    await door.change(auth=replace(plan, oidc=OidcPlan(ISSUER, "mail")), fetch=issuer.fetch)
    assert auth.left_s(principal) == 0
    assert (await door.ask("GET", "/v1/calls", token=token)).status == 401
    await door.change()
    assert (await door.ask("GET", "/v1/calls", token=token)).status == 401
    await auth.stop()


async def test_a_key_that_the_issuer_dropped_meanwhile_stays_dropped(issuer: Issuer) -> None:
    plan = replace(AUTH, oidc=OidcPlan(ISSUER, "voice"))
    door = Changing(plan, issuer.fetch)
    auth, dropped = door.doorway.auth, issuer.token("ES256", iat=None, exp=4_000_000_000)[0]
    assert (await auth.by_token(dropped, "192.0.2.7")).subject == "alice"
    moved = replace(plan, oidc=OidcPlan(ISSUER, "voice", f"{ISSUER}/other-keys"))
    change = door.server.prepared(PLAN, moved, issuer.fetch)
    issuer.shown = [issuer.keys["RS256"]]
    auth.start()
    await asyncio.sleep(0)
    issuer.down = True
    await door.server.take(change)
    assert (await door.ask("GET", "/v1/calls", token=dropped)).status == 401
    await auth.stop()


async def test_other_limits_hold_for_who_has_used_some_up() -> None:
    door = Changing()
    await door.change(replace(PLAN, limits=LimitPlan(per_subject=Rate(2, 2), connections_each=0)))
    assert (await door.ask("GET", "/v1/calls")).status == 429, "no more connections"
    await door.change(replace(PLAN, limits=LimitPlan(per_subject=Rate(2, 2))))
    assert [(await door.ask("GET", "/v1/calls")).status for _ in range(3)] == [200, 200, 429]
    await door.change(replace(PLAN, limits=LimitPlan(per_subject=Rate(6_000_000, 600))))
    assert [(await door.ask("GET", "/v1/calls")).status for _ in range(3)][1:] == [200, 200]


async def test_pages_come_and_go() -> None:
    door = Changing()
    assert "access-control-allow-origin" not in (await door.ask("GET", "/health", headers=PAGE)).headers
    await door.change(replace(PLAN, origins=(PAGE["origin"],)))
    told = await door.ask("GET", "/health", headers=PAGE)
    assert told.headers["access-control-allow-origin"] == PAGE["origin"]
    await door.change()
    assert "access-control-allow-origin" not in (await door.ask("GET", "/health", headers=PAGE)).headers


async def test_the_description_comes_and_goes_and_says_where_we_are() -> None:
    door = Changing()
    assert (await door.ask("GET", "/openapi.json")).status == 404
    await door.change(replace(PLAN, docs=True, public_url="https://voice.example.com"))
    told = await door.ask("GET", "/openapi.json")
    assert told.json()["servers"] == [{"url": "https://voice.example.com"}]
    await door.change()
    assert (await door.ask("GET", "/openapi.json")).status == 404


async def test_another_prefix_holds_at_once() -> None:
    door = Changing()
    assert (await door.ask("GET", "/voice/v1/calls")).status == 404
    await door.change(replace(PLAN, root_path="/voice"))
    assert [(await door.ask("GET", path)).status for path in ("/voice/v1/calls", "/v1/calls")] == [200, 200]


async def test_other_proxies_are_believed_at_once() -> None:
    door, seen = Changing(), []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["client"][0])

    async def nothing(*_args: Any) -> Any:
        return {}

    layer = ByPlan(app, door.doorway, behind_proxies)
    for proxies in ((), ("192.0.2.0/24",), ("198.51.100.0/24",)):
        await door.change(replace(PLAN, proxies=proxies))
        headers = [(b"x-forwarded-for", b"203.0.113.9")]
        await layer({"type": "http", "client": ("192.0.2.7", 1), "headers": headers}, nothing, nothing)
    assert seen == ["192.0.2.7", "203.0.113.9", "192.0.2.7"]
    door.doorway.sources.adjust(1, ("192.0.2.0/24",))
    assert door.doorway.sources.connected("192.0.2.7") is None


def test_a_principal_is_the_same_whatever_believed_it() -> None:
    assert Principal("t", "alice", issued_at=1.0) == Principal("t", "alice")
