"""Who asks, and who gets a token."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError

from trunkline.api.limits import Limits, source_key
from trunkline.api.oidc import Oidc
from trunkline.api.plan import AuthPlan
from trunkline.api.ports import FetchJson, TenantOfKey
from trunkline.api.principal import SIP, Principal
from trunkline.api.tickets import Tickets
from trunkline.api.tokens import ALGORITHM, LEEWAY_S, MAX_SUBJECT, MAX_TOKEN, BadToken, Tokens, is_subject
from trunkline.base.messages import Refused

_AUTO: Final = "auto"
EXPIRED: Final = "auth.token_expired"
NO_KEY_HINT: Final = (
    "a backend sends its api_key, from a server and never from an app; "
    "an app sends sip_username, sip_password and sip_domain, or device_id and device_key"
)


@dataclass(frozen=True, slots=True)
class AuthChange:
    """What ``Auth.take`` puts into its place."""

    plan: AuthPlan
    tokens: Tokens
    oidc: Oidc | None


class Auth:
    """Reads tokens, issues them, and slows down those who guess.

    ``tenant_of_key`` finds the tenants' own api keys; without it there is only the default tenant's. ``fetch`` gets the
    keys of ``plan.oidc``.
    """

    def __init__(
        self,
        plan: AuthPlan,
        limits: Limits,
        tenant_of_key: TenantOfKey | None = None,
        fetch: FetchJson | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._plan = plan
        self._limits = limits
        self._tenant_of_key = tenant_of_key
        self._clock = clock
        self._tokens = Tokens(plan.secret, plan.expires_s, clock)
        self._oidc = Oidc(plan.oidc, fetch, clock) if plan.oidc and fetch else None
        self.tickets = Tickets()

    def prepared(self, plan: AuthPlan, fetch: FetchJson | None, *, anew: bool = False) -> AuthChange:
        """What ``plan`` changes; raises ConfigError. ``anew``: ``fetch`` asks the issuer by another way than so far."""
        tokens, oidc = self._tokens, self._oidc
        if plan.secret != self._plan.secret:
            tokens = Tokens(plan.secret, plan.expires_s, self._clock)
        if anew or plan.oidc != self._plan.oidc:
            oidc = Oidc(plan.oidc, fetch, self._clock) if plan.oidc and fetch else None
        return AuthChange(plan, tokens, oidc)

    def take(self, change: AuthChange) -> Oidc | None:
        """From the next request on; what is returned is to be stopped."""
        old, self._oidc = self._oidc, change.oidc
        if old is not None and change.oidc is not None and change.oidc is not old:
            change.oidc.follow(old)  # now, for the issuer may have dropped a key since this was prepared
        trusts = {change.tokens.trust, *([change.oidc.trust] if change.oidc is not None else [])}
        for before in (self._tokens, old):
            if before is not None and before.trust not in trusts:
                before.trust.ended = True
        self._plan, self._tokens = change.plan, change.tokens
        self._tokens.expires_s = change.plan.expires_s
        if change.oidc is old:
            return None
        self.start()
        return old

    @property
    def default_tenant(self) -> str | None:
        """The id of the tenant whose tokens name none."""
        return self._plan.default_tenant

    @property
    def expires_s(self) -> int:
        """How long our tokens live."""
        return self._plan.expires_s

    def start(self) -> None:
        """Begin what it does in the background."""
        if self._oidc:
            self._oidc.start()

    async def stop(self) -> None:
        """End it."""
        if self._oidc:
            await self._oidc.stop()

    async def by_header(self, value: str, source: str) -> Principal:
        """Whose ``Authorization`` header this is. Raises Refused: 401, or 429 after too many wrong ones."""
        scheme, _, token = value.partition(" ")
        if not value or scheme.lower() != "bearer":
            raise Refused("auth.no_token", "a bearer token is needed", "POST /v1/auth/token gives one", 401)
        return await self.by_token(token.strip(), source)

    @staticmethod
    def expired() -> Refused:
        """What a request is told whose token has expired while it waited."""
        return Refused(EXPIRED, "the token has expired", "ask for a new token", 401)

    async def by_token(self, token: str, source: str) -> Principal:
        """As ``by_header``, for the token alone."""
        try:
            principal = await self._read(token)
        except BadToken as error:
            # Only after the token was read: whoever has a good one must not suffer from a neighbour who has none.
            self._limits.failures.take(source_key(source))
            raise Refused(error.code, str(error), "ask for a new token", 401) from error
        self._limits.subjects.take((principal.tenant, principal.subject))
        return principal

    def by_ticket(self, ticket: str, source: str) -> Principal:
        """Whose ticket this is. Raises Refused as ``by_header``."""
        principal = self.tickets.redeem(ticket)
        if principal is None:
            self._limits.failures.take(source_key(source))
            hint = "POST /v1/events/ticket gives a new one, good once"
            raise Refused("auth.bad_ticket", "the ticket is used up, too old, or none of ours", hint, 401)
        return principal

    def left_s(self, principal: Principal) -> float:
        """For how many seconds the token is still good."""
        if principal.trust is not None and principal.trust.ended:
            return 0.0
        if principal.expires_at is None:
            return math.inf
        until = principal.expires_at
        if principal.issued_at is not None:  # tokens of ours live shorter as soon as the settings say so
            until = min(until, principal.issued_at + self._plan.expires_s + LEEWAY_S)
        return max(0.0, until - self._clock())

    async def _read(self, token: str) -> Principal:
        header = {"alg": ALGORITHM} if self._tokens.knows(token) else _header(token)
        if header.get("alg") == ALGORITHM:
            principal = self._tokens.read(token)
        elif self._oidc is not None:
            principal = await self._oidc.read(token, header)
        else:
            raise BadToken("auth.bad_token", "the token is not one of ours")
        if principal.tenant is None:
            return replace(principal, tenant=self._plan.default_tenant)
        return principal

    def wrong(self, source: str) -> None:
        """Credentials from there were wrong."""
        self._limits.failures.spend(source_key(source))

    def admit(self, source: str) -> None:
        """May ``source`` ask for something without a token? Raises Refused, 429."""
        self._limits.sources.take(source_key(source))

    def admit_token(self, source: str) -> None:
        """May ``source`` ask for a token now? Raises Refused, 429."""
        self._limits.failures.check(source_key(source))
        self._limits.tokens.take(source_key(source))

    def mint(self, principal: Principal) -> str:
        """A token of ours. Raises Refused, 422, for a subject that no token may have."""
        if not is_subject(principal.subject):
            hint = f"expected 1 to {MAX_SUBJECT} printable characters"
            raise Refused("auth.user", "nobody of that name can have a token", hint, 422)
        return self._tokens.mint(principal)

    async def for_backend(self, user_id: str, api_key: str) -> Principal:
        """The user whom a backend vouches for. Raises Refused: 401, or 422 for a name that it may not give."""
        if not api_key or api_key == _AUTO:
            raise Refused("auth.no_key", "a user_id alone proves nothing", NO_KEY_HINT, 401)
        digest = hashlib.sha256(api_key.encode()).hexdigest()
        tenant = self._plan.default_tenant
        if not self._is_ours(digest):
            tenant = await self._tenant_of_key(digest) if self._tenant_of_key else None
            if tenant is None:
                hint = "it is api_key in [auth], or the tenant's own of `trunkline tenant api-key`"
                raise Refused("auth.wrong_key", "the api_key is wrong", hint, 401)
        if user_id.lower().startswith(SIP):
            hint = f"names that begin with {SIP} belong to those who have proven a SIP account"
            raise Refused("auth.user", "this user_id cannot be given by a backend", hint, 422)
        return Principal(tenant, user_id)

    def _is_ours(self, digest: str) -> bool:
        # Both are hashed, so that neither the length nor the place of the first wrong character can be timed.
        ours = hashlib.sha256(self._plan.api_key.encode()).hexdigest()
        return hmac.compare_digest(digest, ours) and bool(self._plan.api_key)


def _header(token: str) -> dict[str, Any]:
    """The token's header, not verified; raises BadToken."""
    if not token or len(token) > MAX_TOKEN or not token.isascii() or token.count(".") != 2:
        raise BadToken("auth.bad_token", "the token is no JWT")
    try:
        header = dict(jws.extract_compact(token.encode()).headers())
    except (JoseError, ValueError, RecursionError) as error:
        raise BadToken("auth.bad_token", "the token is no JWT") from error
    if not isinstance(header.get("alg"), str):
        raise BadToken("auth.bad_token", "the token is no JWT")
    return header
