"""Our own bearer tokens: JWT (RFC 7519), signed by HMAC with our secret, that algorithm alone."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from trunkline.api.principal import SIP, Principal, Trust
from trunkline.base.errors import ConfigError, TrunklineError

ALGORITHM: Final = "HS256"
LEEWAY_S: Final = 30
MAX_TOKEN: Final = 8192
MAX_SUBJECT: Final = 255
REMEMBERED: Final = 10_000  # tokens whose signature need not be looked at again: some 10 MB
MOST_REMEMBERED: Final = 1024


class BadToken(TrunklineError):  # noqa: N818  (a normal answer, not a fault)
    """``code`` is ``auth.no_token``, ``auth.bad_token`` or ``auth.token_expired``; the text is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Tokens:
    """Mints tokens that live ``expires_s`` seconds, and reads them. ``clock`` gives Unix seconds.

    Raises ConfigError for a secret that is none.
    """

    def __init__(self, secret: str, expires_s: int, clock: Callable[[], float] = time.time) -> None:
        try:
            self._key = OctKey.import_key(secret.encode())
        except ValueError:
            expected = "32 random characters or more, which nobody else knows"
            raise ConfigError("settings", "auth.secret", "nothing, or a public key", expected) from None
        self._clock = clock
        self._verified: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self.expires_s = expires_s
        self.trust = Trust()

    def mint(self, principal: Principal) -> str:
        """A token for ``principal``."""
        now = int(self._clock())
        claims: dict[str, Any] = {"sub": principal.subject, "exp": now + self.expires_s, "iat": now}
        if principal.tenant is not None:
            claims["tenant"] = principal.tenant
        claims["kind"] = principal.kind
        return jwt.encode({"alg": ALGORITHM}, claims, self._key, algorithms=[ALGORITHM])

    def read(self, token: str) -> Principal:
        """Whose it is; raises BadToken."""
        claims = self._claims(token)
        issued = check_times(claims, self._clock())
        if issued is None or self._clock() - issued > self.expires_s + LEEWAY_S:
            # A shorter life, once configured, holds for the tokens that are out too.
            raise BadToken("auth.token_expired", "the token has expired")
        # Both were looked at: the one in the token, and a life that was made shorter since.
        return self._principal(claims, min(float(claims["exp"]), issued + self.expires_s) + LEEWAY_S, issued)

    def knows(self, token: str) -> bool:
        """Whether it was read before, and its signature was right; it may have expired since."""
        return token in self._verified

    def _claims(self, token: str) -> Mapping[str, Any]:
        """What is signed; who asks often is not verified each time. Whether it is still good is looked at anew."""
        known = self._verified.get(token)
        if known is not None:
            self._verified.move_to_end(token)
            return known
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, RecursionError) as error:
            raise BadToken("auth.bad_token", "the token is not one of ours") from error
        if len(token) <= MOST_REMEMBERED:
            self._verified[token] = claims
            if len(self._verified) > REMEMBERED:
                self._verified.popitem(last=False)
        return claims

    def _principal(self, claims: Mapping[str, Any], expires_at: float, issued_at: float) -> Principal:
        subject = subject_of(claims)
        tenant, kind = claims.get("tenant"), claims.get("kind", "backend")
        if kind not in ("backend", "app") or not (tenant is None or isinstance(tenant, str)):
            raise BadToken("auth.bad_token", "the token has claims that we do not write")
        if subject.startswith(SIP) and kind != "app":
            raise BadToken("auth.bad_token", "a token for a SIP account must have been proven")
        return Principal(tenant, subject, kind, expires_at, issued_at, self.trust)


def subject_of(claims: Mapping[str, Any]) -> str:
    """The claim ``sub``; raises BadToken when it is none, or none that we keep."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_subject(subject):
        raise BadToken("auth.bad_token", f"the token's sub must be text of 1..{MAX_SUBJECT} characters")
    return subject


def is_subject(text: str) -> bool:
    """Whether somebody may be named so."""
    return 0 < len(text) <= MAX_SUBJECT and text.isprintable()


def check_times(claims: Mapping[str, Any], now: float) -> float | None:
    """RFC 7519 §4.1.4-6: ``exp`` is required, ``iat`` and ``nbf`` must not lie ahead. The ``iat``; raises BadToken."""
    expires = _number(claims, "exp")
    if expires is None:
        raise BadToken("auth.bad_token", "the token has no exp")
    if expires + LEEWAY_S <= now:
        raise BadToken("auth.token_expired", "the token has expired")
    issued = _number(claims, "iat")
    for at in (issued, _number(claims, "nbf")):
        if at is not None and at - LEEWAY_S > now:
            raise BadToken("auth.bad_token", "the token is not valid yet: compare the clocks")
    return issued


def _number(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # A NumericDate; a bool is an int for Python, an infinite one is valid for ever.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise BadToken("auth.bad_token", f"the token's {name} is no time")
    return float(value)
