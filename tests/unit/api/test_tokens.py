"""Tokens: who gets one, and which are believed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import Any

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from tests.unit.api.door import DEFAULT, KEY, SECRET, Door
from trunkline.api.auth import Auth
from trunkline.api.limits import Limits
from trunkline.api.oidc import ALLOWED, RETRY_S, Oidc
from trunkline.api.plan import AuthPlan, LimitPlan, OidcPlan
from trunkline.api.principal import Principal
from trunkline.api.tickets import LIFE_S, MAX_TICKETS, Tickets
from trunkline.api.tokens import BadToken, Tokens
from trunkline.base.errors import ConfigError, TransportError
from trunkline.base.messages import Refused

NOW = 1_800_000_000.0
ISSUER = "https://login.example.com"
KEY_OF_OURS = OctKey.import_key(SECRET.encode())
OTHER_SECRET = "another-secret-of-many-characters"


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"alg": algorithm}, claims, OctKey.import_key(secret.encode()), [algorithm])


def fresh(**claims: Any) -> dict[str, Any]:
    return {"sub": "alice", "iat": int(NOW), "exp": int(NOW) + 100, **claims}


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in (header, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET, 1000, lambda: NOW)


@pytest.mark.parametrize("principal", [Principal(None, "alice"), Principal("t1", "sip:a@b", "app")])
def test_what_is_minted_is_read(tokens: Tokens, principal: Principal) -> None:
    assert tokens.read(tokens.mint(principal)) == principal


def test_a_token_that_was_read_before_still_expires_and_one_that_is_like_it_is_none() -> None:
    now = [NOW]
    tokens = Tokens(SECRET, 1000, lambda: now[0])
    token = tokens.mint(Principal(None, "alice"))
    assert tokens.read(token) == tokens.read(token)
    assert tokens.knows(token)
    changed = token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
    with pytest.raises(BadToken, match="not one of ours"):
        tokens.read(changed)
    assert not tokens.knows(changed)
    now[0] += 1031
    with pytest.raises(BadToken, match="expired"):
        tokens.read(token)


def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.api.tokens.REMEMBERED", 2)
    tokens = Tokens(SECRET, 1000, lambda: NOW)
    first, *others = (tokens.mint(Principal(None, name)) for name in ("alice", "bob", "carol"))
    for token in (first, *others):
        tokens.read(token)
    assert [tokens.knows(token) for token in (first, *others)] == [False, True, True]


def test_tokens_of_the_existing_gateway_go_on(tokens: Tokens) -> None:
    assert tokens.read(signed(**fresh())) == Principal(None, "alice", "backend")


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (signed(OTHER_SECRET, **fresh()), "auth.bad_token"),
        (signed(SECRET, "HS384", **fresh()), "auth.bad_token"),
        (unsigned({"alg": "none"}, fresh()), "auth.bad_token"),
        (unsigned({"alg": "HS256"}, fresh()), "auth.bad_token"),
        (signed(**fresh(exp=int(NOW) - 60)), "auth.token_expired"),
        (signed(sub="alice", iat=int(NOW)), "auth.bad_token"),
        (signed(**fresh(iat=int(NOW) - 2000)), "auth.token_expired"),
        (signed(sub="alice", exp=int(NOW) + 100), "auth.token_expired"),
        (signed(**fresh(iat=int(NOW) + 600)), "auth.bad_token"),
        (signed(**fresh(nbf=int(NOW) + 600)), "auth.bad_token"),
        (signed(**fresh(exp=True)), "auth.bad_token"),
        (signed(**fresh(exp=1e300)), "auth.bad_token"),
        (signed(**fresh(sub="")), "auth.bad_token"),
        (signed(**fresh(sub=5)), "auth.bad_token"),
        (signed(**fresh(sub="a\nb")), "auth.bad_token"),
        (signed(**fresh(sub="x" * 256)), "auth.bad_token"),
        (signed(**fresh(sub="sip:alice@a.test")), "auth.bad_token"),
        (signed(**fresh(kind="operator")), "auth.bad_token"),
        (signed(**fresh(kind=["app"])), "auth.bad_token"),
        (signed(**fresh(tenant=5)), "auth.bad_token"),
        (jws.serialize_compact({"alg": "HS256"}, b"[" * 3000, KEY_OF_OURS), "auth.bad_token"),
    ],
)
def test_tokens_that_are_not_believed(tokens: Tokens, token: str, code: str) -> None:
    with pytest.raises(BadToken) as caught:
        tokens.read(token)
    assert caught.value.code == code


def test_what_everybody_knows_is_no_secret(issuer: Issuer) -> None:
    key = issuer.keys["RS256"]
    assert isinstance(key, RSAKey)
    with pytest.raises(ConfigError, match=r"auth\.secret"):
        Tokens(key.as_pem(private=False).decode(), 1000)


def test_clocks_may_differ_a_little(tokens: Tokens) -> None:
    assert tokens.read(signed(**fresh(iat=int(NOW) + 20, exp=int(NOW) - 20))).subject == "alice"


@pytest.mark.scenario(15)
@pytest.mark.parametrize("key", [None, "", "auto", "wrong", SECRET])
async def test_a_name_alone_gets_no_token(door: Door, key: str | None) -> None:
    body = {"user_id": "alice"} | ({} if key is None else {"api_key": key})
    told = await door.ask("POST", "/v1/auth/token", body, token=None)
    assert told.status == 401
    assert "api_key" in told.json()["hint"]
    assert told.headers["www-authenticate"] == "Bearer"


async def test_without_a_key_of_ours_no_key_fits() -> None:
    door = Door(auth=AuthPlan(SECRET, 3600, ""))
    for key in ("", "x"):
        told = await door.ask("POST", "/v1/auth/token", {"user_id": "a", "api_key": key}, token=None)
        assert told.status == 401


@pytest.mark.parametrize("user", ["sip:alice@a.test", "SIP:x"])
async def test_a_backend_cannot_name_a_proven_account(door: Door, user: str) -> None:
    told = await door.ask("POST", "/v1/auth/token", {"user_id": user, "api_key": KEY}, token=None)
    assert (told.status, told.json()["code"]) == (422, "auth.user")


@pytest.mark.parametrize("user", ["a\u2028b", "a\u0085", "\u202ebob"])
async def test_nobody_gets_a_token_that_nobody_could_read(door: Door, user: str) -> None:
    told = await door.ask("POST", "/v1/auth/token", {"user_id": user, "api_key": KEY}, token=None)
    assert (told.status, told.json()["code"]) == (422, "auth.user")


async def test_each_tenant_has_a_key_of_its_own() -> None:
    keys = {hashlib.sha256(b"theirs").hexdigest(): "t2"}

    async def tenant_of_key(digest: str) -> str | None:
        return keys.get(digest)

    door = Door(tenant_of_key=tenant_of_key)
    for key, tenant in (("theirs", "t2"), (KEY, DEFAULT)):
        body = {"user_id": "alice", "api_key": key}
        token = (await door.ask("POST", "/v1/auth/token", body, token=None)).json()["token"]
        await door.ask("GET", "/v1/devices", token=token)
        assert door.backend.asked[-1].tenant == tenant
    told = await door.ask("POST", "/v1/auth/token", {"user_id": "alice", "api_key": "else"}, token=None)
    assert told.status == 401


@pytest.mark.parametrize(
    ("body", "owner"),
    [
        ({"sip_username": "al", "sip_domain": "a.test", "sip_password": "right"}, "sip:al@a.test"),
        ({"device_id": "d", "device_key": "right"}, "alice"),
    ],
)
async def test_an_app_proves_who_it_is(door: Door, body: dict[str, str], owner: str) -> None:
    told = await door.ask("POST", "/v1/auth/token", body, token=None)
    assert told.status == 200
    await door.ask("GET", "/v1/devices", token=told.json()["token"])
    asked: Any = door.backend.asked[-1]
    assert (asked.tenant, asked.owner) == ("t1", owner)
    wrong = {name: "wrong" if value == "right" else value for name, value in body.items()}
    assert (await door.ask("POST", "/v1/auth/token", wrong, token=None)).status == 401


async def test_nobody_is_nobody(door: Door) -> None:
    assert (await door.ask("POST", "/v1/auth/token", {}, token=None)).status == 422


class Issuer:
    """An issuer of tokens with keys of all sorts."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {
            "RS256": RSAKey.generate_key(2048, {"kid": "r"}),
            "ES256": ECKey.generate_key("P-256", {"kid": "e"}),
            "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "o"}),
            "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "n"}),
        }
        self.shown = list(self.keys.values())
        self.fetched: list[str] = []
        self.down = False
        self.now = 0.0

    async def fetch(self, url: str) -> object:
        self.fetched.append(url)
        if self.down:
            raise TransportError("down")
        if url.endswith("openid-configuration"):
            return {"jwks_uri": f"{ISSUER}/keys"}
        return {"keys": [key.as_dict(private=False) for key in self.shown] + [{"kty": "odd"}, 5]}

    def oidc(self, **plan: Any) -> Oidc:
        made = OidcPlan(ISSUER, "voice", **plan)
        return Oidc(made, self.fetch, lambda: NOW, lambda: self.now)

    def token(self, algorithm: str = "ES256", **claims: Any) -> tuple[str, dict[str, Any]]:
        key = self.keys[algorithm]
        header = {"alg": algorithm, "kid": key.kid}
        named = {"iss": ISSUER, "aud": "voice", **fresh(), **claims}
        return jwt.encode(header, named, key, registry=ALLOWED), header


@pytest.fixture(scope="module")
def keys() -> Issuer:
    return Issuer()


@pytest.fixture
def issuer(keys: Issuer) -> Issuer:
    made = Issuer.__new__(Issuer)
    made.__dict__.update(keys.__dict__, fetched=[], down=False, shown=list(keys.keys.values()), now=0.0)
    return made


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "Ed25519"])
async def test_tokens_of_an_issuer(issuer: Issuer, algorithm: str) -> None:
    oidc = issuer.oidc()
    assert await oidc.read(*issuer.token(algorithm)) == Principal(None, "alice")
    assert issuer.fetched == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://else.example.com"},
        {"aud": "mail"},
        {"aud": ["mail"]},
        {"exp": int(NOW) - 100},
        {"sub": "sip:bob@a.test"},
        {"sub": None},
    ],
)
async def test_tokens_of_an_issuer_that_are_not_for_us(issuer: Issuer, claims: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        await issuer.oidc().read(*issuer.token(**claims))


@pytest.mark.parametrize(
    "header", [b'{"alg":[]}', b'{"alg":{}}', b'{"kid":1}', b"[" * 3000, b'{"alg":' + b"[" * 3000]
)
async def test_heads_of_tokens_that_are_none(issuer: Issuer, header: bytes) -> None:
    auth = Auth(AuthPlan(SECRET, oidc=OidcPlan(ISSUER, "voice")), Limits(LimitPlan()), None, issuer.fetch)
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (header, b"{}", b"x"))
    with pytest.raises(Refused) as caught:
        await auth.by_token(token, "192.0.2.1")
    assert caught.value.problem.code == "auth.bad_token"


async def test_an_issuer_names_the_tenant_only_where_it_may(issuer: Issuer) -> None:
    assert (await issuer.oidc().read(*issuer.token(tenant="t2"))).tenant is None
    oidc = issuer.oidc(tenant_claim="org")
    assert (await oidc.read(*issuer.token(org="t2", aud=["a", "voice"]))).tenant == "t2"
    with pytest.raises(BadToken):
        await oidc.read(*issuer.token())


async def test_a_secret_cannot_be_made_of_a_public_key(issuer: Issuer) -> None:
    oidc = issuer.oidc()
    await oidc.read(*issuer.token())
    forged = signed(str(issuer.keys["RS256"].as_dict(private=False)), **fresh())
    with pytest.raises(BadToken):
        await oidc.read(forged, {"alg": "HS256", "kid": "r"})
    token, _ = issuer.token("ES256")
    with pytest.raises(BadToken):
        await oidc.read(token, {"alg": "RS256", "kid": "e"})


async def test_unknown_keys_are_looked_for_once_a_minute(issuer: Issuer) -> None:
    oidc = issuer.oidc(jwks_url=f"{ISSUER}/keys")
    shown, issuer.shown = issuer.shown, []
    for _ in range(5):
        with pytest.raises(BadToken):
            await oidc.read(*issuer.token())
    assert len(issuer.fetched) == 1
    issuer.shown, issuer.now = shown, RETRY_S
    assert (await oidc.read(*issuer.token())).subject == "alice"
    issuer.down, issuer.now = True, 10 * RETRY_S
    assert (await oidc.read(*issuer.token())).subject == "alice"


async def test_keys_of_before_are_no_reason_to_ask_a_silent_issuer_seldom(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.api.oidc.RETRY_S", 0.0)
    known, oidc, asked_again = issuer.oidc(), issuer.oidc(jwks_url=f"{ISSUER}/other"), asyncio.Event()
    await known.read(*issuer.token())

    async def fetch(url: str) -> object:
        if issuer.fetched[-1] == url:
            asked_again.set()
        issuer.fetched.append(url)
        raise TransportError("down")

    oidc.follow(known)
    oidc._fetch = fetch
    oidc.start()
    async with asyncio.timeout(20):
        await asked_again.wait()
    await oidc.stop()
    assert (await oidc.read(*issuer.token())).subject == "alice"


async def test_keys_are_fetched_in_the_background_and_it_ends(issuer: Issuer) -> None:
    oidc = issuer.oidc(jwks_url=f"{ISSUER}/keys")
    oidc.start()
    await oidc.read(*issuer.token())
    await oidc.stop()
    await oidc.stop()
    assert len(issuer.fetched) == 1


def test_a_ticket_is_good_once_and_not_for_long() -> None:
    now = 0.0
    tickets = Tickets(lambda: now)
    alice = Principal(None, "alice")
    first, second = tickets.issue(alice), tickets.issue(alice)
    assert tickets.redeem(first) == alice
    assert tickets.redeem(first) is None
    now = LIFE_S
    assert tickets.redeem(second) is None
    for _ in range(MAX_TICKETS + 5):
        tickets.issue(alice)
    assert len(tickets) == MAX_TICKETS


def test_there_are_limits_of_all_sorts() -> None:
    limits = Limits(LimitPlan(), lambda: 0.0)
    assert limits.calls is not limits.devices
