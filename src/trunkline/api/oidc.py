"""Tokens of an issuer that the operator trusts: OpenID Connect, keys by JWKS (RFC 7517).

The keys are fetched in the background and kept while the issuer cannot be reached. A token with a key that we do not
know makes us look again, at most once a minute, so that nobody makes us knock at the issuer's door by inventing names.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog
from joserfc import jwk, jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import JWSRegistry

from trunkline.api.plan import OidcPlan
from trunkline.api.ports import FetchJson
from trunkline.api.principal import SIP, Principal, Trust
from trunkline.api.tokens import LEEWAY_S, BadToken, check_times, subject_of
from trunkline.base.errors import TransportError

log = structlog.get_logger("api")

ALGORITHMS: Final = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
"""What may sign, and with which type of key: a key is never used for another sort of algorithm (RFC 8725 §3.1)."""


class _Allowed(JWSRegistry):
    """Our list of algorithms and no other; headers that we do not know are the issuer's affair."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


ALLOWED: Final = _Allowed(strict_check_header=False)
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "key_ops"})
REFRESH_S: Final = 3600.0
RETRY_S: Final = 60.0
MAX_KEYS: Final = 64
MIN_RSA_BITS: Final = 2048
_FETCH_S: Final = 10.0


class Oidc:
    """Reads tokens of ``plan.issuer``. ``clock`` gives Unix seconds, ``ticks`` monotonic ones."""

    def __init__(
        self,
        plan: OidcPlan,
        fetch: FetchJson,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._fetch = fetch
        self._clock = clock
        self._ticks = ticks
        self._keys: tuple[jwk.Key, ...] = ()
        self._looked = -RETRY_S
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.trust = Trust()

    def follow(self, known: Oidc) -> None:
        """Go on with the keys of ``known``, and its tokens, if it is the same issuer who vouches for the same."""
        ours, theirs = self._plan, known._plan
        if (ours.issuer, ours.audience, ours.tenant_claim) == (
            theirs.issuer,
            theirs.audience,
            theirs.tenant_claim,
        ):
            self._keys, self.trust = known._keys, known.trust

    def start(self) -> None:
        """Begin to keep the keys fresh."""
        self._task = asyncio.create_task(self._keep(), name="oidc keys")

    async def stop(self) -> None:
        """End it. Harmless when not started."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def read(self, token: str, header: Mapping[str, Any]) -> Principal:
        """Whose it is; ``header`` is the token's, not yet verified. Raises BadToken."""
        key = self._key(header)
        if key is None:
            await self._look_again()
            key = self._key(header)
        if key is None:
            raise BadToken("auth.bad_token", "the token is signed with a key that the issuer does not show")
        try:
            claims = jwt.decode(token, key, registry=ALLOWED).claims
        except (JoseError, ValueError, RecursionError) as error:
            raise BadToken("auth.bad_token", "the token's signature is wrong") from error
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        check_times(claims, self._clock())
        audience = claims.get("aud")
        if claims.get("iss") != self._plan.issuer:
            raise BadToken("auth.bad_token", "the token is of another issuer")
        if self._plan.audience not in (audience if isinstance(audience, list) else [audience]):
            raise BadToken("auth.bad_token", "the token is for another audience")
        subject = subject_of(claims)
        if subject.startswith(SIP):
            raise BadToken("auth.bad_token", f"a subject that begins with {SIP} must have been proven here")
        expires_at = float(claims["exp"]) + LEEWAY_S
        if not self._plan.tenant_claim:
            return Principal(None, subject, expires_at=expires_at, trust=self.trust)
        tenant = claims.get(self._plan.tenant_claim)
        if not isinstance(tenant, str) or not tenant:
            raise BadToken("auth.bad_token", f"the token has no claim {self._plan.tenant_claim}")
        return Principal(tenant, subject, expires_at=expires_at, trust=self.trust)

    def _key(self, header: Mapping[str, Any]) -> jwk.Key | None:
        kind = ALGORITHMS.get(header.get("alg", ""))
        if kind is None:
            raise BadToken("auth.bad_token", f"expected a token signed by {', '.join(ALGORITHMS)}")
        fitting = [key for key in self._keys if key.key_type == kind]
        kid = header.get("kid")
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.kid == kid), None)

    async def _look_again(self) -> None:
        async with self._lock:
            if self._ticks() - self._looked >= RETRY_S:
                await self._look()

    async def _keep(self) -> None:
        while True:
            async with self._lock:
                found = await self._look()
            # Keys that came from elsewhere, or long ago, are no reason to wait for those that hold now.
            await asyncio.sleep(REFRESH_S if found else RETRY_S)

    async def _look(self) -> bool:
        """Fetch the keys, and say whether they are there; those we have stay when that fails."""
        self._looked = self._ticks()
        try:
            async with asyncio.timeout(_FETCH_S):
                keys = _keys_of(await self._fetch(await self._url()))
        except (TransportError, TimeoutError, BadToken) as error:
            log.warning(
                "the keys of an issuer were not fetched",
                issuer=self._plan.issuer,
                why=str(error) or "no answer in time",
            )
            return False
        self._keys = keys
        return bool(keys)

    async def _url(self) -> str:
        if self._plan.jwks_url:
            return self._plan.jwks_url
        # OpenID Connect Discovery 1.0 §4
        found = await self._fetch(self._plan.issuer.rstrip("/") + "/.well-known/openid-configuration")
        url = found.get("jwks_uri") if isinstance(found, dict) else None
        if not isinstance(url, str):
            raise BadToken("auth.bad_token", "the issuer's discovery document names no jwks_uri")
        return url


def _keys_of(document: object) -> tuple[jwk.Key, ...]:
    """The keys that may verify; what we do not understand is passed over (RFC 7517 §5)."""
    rows = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise BadToken("auth.bad_token", "the issuer's key set has no keys")
    keys = []
    for row in rows[:MAX_KEYS]:
        if not isinstance(row, dict) or row.get("use", "sig") != "sig" or row.get("kty") == "oct":
            continue
        with suppress(JoseError, ValueError, KeyError, TypeError):
            key = jwk.import_key({name: value for name, value in row.items() if name not in _PRIVATE})
            if not isinstance(key, jwk.RSAKey) or key.public_key.key_size >= MIN_RSA_BITS:
                keys.append(key)
    return tuple(keys)
