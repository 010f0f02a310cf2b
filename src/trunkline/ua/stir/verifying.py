"""Checking who calls: the verification service of RFC 8224 §6.2, with ``shaken`` and chains of ``div``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.identity.asserted import parse_asserted
from trunkline.proto.sip.identity.number import FAILED, NOT_VALIDATED, PASSED, canonical, number_of
from trunkline.proto.sip.identity.passport import DIV, SHAKEN, Identities, Passport, parse_token
from trunkline.proto.sip.identity.signed import Identity, parse_identities
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.ua.stir.certificates import Certificates
from trunkline.ua.stir.signing import uri_of

MAX_AGE_S: Final = 60.0  # RFC 8224 §6.2.3 step 4
DEADLINE_S: Final = 5.0
_SHA256: Final = ec.ECDSA(hashes.SHA256())
_UNDERSTOOD: Final = frozenset({"", SHAKEN, DIV})

Who = tuple[str, str]


class Claim(NamedTuple):
    """What a request says of itself: ``orig`` who may have called, ``dest`` who may be called, and when.

    ``identity`` is the Identity header, all its values, or ""; ``date`` is Date in seconds since 1970, or None.
    """

    identity: str
    orig: tuple[Who, ...]
    dest: tuple[Who, ...]
    date: float | None = None


class Verdict(NamedTuple):
    """What verification found: ``verstat`` for the next network, and with what attestation it was signed.

    ``status`` is 0, or what RFC 8224 §6.2.2 answers, 428 without any signature; ``why`` in words; ``identities``
    are the values of Identity that were found good.
    """

    verstat: str
    status: int = 0
    why: str = ""
    number: str = ""
    attest: str = ""
    origid: str = ""
    identities: tuple[str, ...] = ()


class _Signed(NamedTuple):
    passport: Passport
    identity: Identity


class StirVerifier:
    """Checks the signatures of calls. ``wall`` gives seconds since 1970.

    ``max_age_s`` is how far ``iat`` may be from our clock, either way. ``date_skew_s`` is how far Date may be from
    ``iat``; with None nobody asks, for the header is not signed and many a clock on the way has written it.
    """

    def __init__(
        self,
        certificates: Certificates,
        wall: Callable[[], float],
        *,
        max_age_s: float = MAX_AGE_S,
        date_skew_s: float | None = None,
    ) -> None:
        self.certificates = certificates
        self.max_age_s = max_age_s
        self.date_skew_s = date_skew_s
        self._wall = wall

    async def verify(self, claim: Claim) -> Verdict:
        """Never raises for what the peer sent; takes at most ``DEADLINE_S`` seconds."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await self._verify(claim)
        except TimeoutError:
            return Verdict(FAILED, 436, "the certificate did not come in time")
        except RemoteProtocolError as error:
            return Verdict(FAILED, error.status, error.reason)

    async def _verify(self, claim: Claim) -> Verdict:
        identities = [one for one in parse_identities(claim.identity) if one.ppt in _UNDERSTOOD]
        if not identities:
            return Verdict(NOT_VALIDATED, 428, "the call is not signed")
        good: list[_Signed] = []
        wrong: list[RemoteProtocolError] = []
        for identity in identities:
            try:
                good.append(await self._check(identity, claim))
            except RemoteProtocolError as error:
                wrong.append(error)
        chain = _chain(good, claim)
        if chain is None:
            raise wrong[0] if wrong else RemoteProtocolError("signed for somebody else", 438)
        first = chain[-1].passport
        return Verdict(
            PASSED,
            number=first.orig[1],
            attest=first.attest,
            origid=first.origid,
            identities=tuple(str(one.identity) for one in reversed(chain)),
        )

    async def _check(self, identity: Identity, claim: Claim) -> _Signed:
        """One signature: its time, its certificate, its numbers. What was compact is in full form then."""
        if identity.alg != "ES256":
            raise RemoteProtocolError("a PASSporT is signed by ES256", 437)
        passport, signature = parse_token(identity.token)
        passport = passport or _completed(identity, claim)
        if passport.x5u != identity.info:
            raise RemoteProtocolError("x5u is not the URL in info", 436)
        if passport.ppt != identity.ppt and (identity.ppt or passport.ppt not in _UNDERSTOOD):
            raise RemoteProtocolError("ppt is not that of the header", 438)
        now = self._wall()
        self._check_time(passport, claim, now)
        if passport.orig not in claim.orig:
            raise RemoteProtocolError("signed for another caller", 438)
        certificate = await self.certificates.get(identity.info, now)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            certificate.key.verify(encode_dss_signature(r, s), passport.signing_input(), _SHA256)
        except InvalidSignature as error:
            raise RemoteProtocolError("the signature is wrong", 438) from error
        # RFC 8946 §4.2: who diverts signs with the number that it diverts from.
        kind, who = passport.div or passport.orig
        if kind != "tn" or canonical(who) != who or not certificate.authority.covers(who):
            raise RemoteProtocolError("the certificate does not speak for this number", 437)
        token = f"{passport.header()}.{passport.payload()}.{identity.token.rpartition('.')[2]}"
        return _Signed(passport, identity._replace(token=token))

    def _check_time(self, passport: Passport, claim: Claim, now: float) -> None:
        if abs(now - passport.iat) > self.max_age_s:
            raise RemoteProtocolError("Stale Date", 403)
        skew = self.date_skew_s
        if skew is not None and claim.date is not None and abs(claim.date - passport.iat) > skew:
            raise RemoteProtocolError("Stale Date", 403)


def claim_of(request: Request, *, trusted: bool) -> Claim:
    """What a request claims; P-Asserted-Identity says who calls only when its sender is ``trusted`` (RFC 8224 §6.2).

    Raises RemoteProtocolError when From, To or the Request-URI cannot be read.
    """
    headers = request.headers
    orig: list[Who] = []
    if trusted and "P-Asserted-Identity" in headers:
        try:
            orig = [_who(one.address) for one in parse_asserted(headers["P-Asserted-Identity"])]
        except RemoteProtocolError:
            orig = []
    if not orig:
        orig = [_who(parse_name_addr(headers["From"]).address)]
    dest = [_who(parse_name_addr(headers["To"]).address), _who(parse_uri(request.uri))]
    return Claim(headers.get("Identity", ""), tuple(orig), tuple(dest), _date(headers.get("Date")))


def _who(uri: SipUri) -> Who:
    number = canonical(number_of(uri))
    return ("tn", number) if number is not None else ("uri", uri_of(uri))


def _date(value: str | None) -> float | None:
    try:
        return None if value is None else parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _completed(identity: Identity, claim: Claim) -> Passport:
    """The PASSporT that a compact one stands for (RFC 8224 §4.1.1): plain ones alone can be told from a request."""
    if identity.ppt or claim.date is None:
        raise RemoteProtocolError("a compact PASSporT without Date, or with claims of its own", 438)
    kind, who = claim.dest[0]
    return Passport(claim.orig[0], {kind: [who]}, int(claim.date), identity.info, "")


def _chain(good: list[_Signed], claim: Claim) -> list[_Signed] | None:
    """From who is called back to who called, each link signed; None when there is no such way (RFC 8946 §4.2)."""
    called: tuple[Who, ...] = claim.dest
    left = list(good)
    found: list[_Signed] = []
    while True:
        here = [one for one in left if _is_for(one.passport.dest, called)]
        original = next((one for one in here if one.passport.div is None), None)
        if original is not None:
            return [*found, original]
        diverted = next(iter(here), None)
        if diverted is None or diverted.passport.div is None:
            return None
        found.append(diverted)
        left.remove(diverted)
        called = (diverted.passport.div,)


def _is_for(dest: Identities, called: tuple[Who, ...]) -> bool:
    return any(who in dest.get(kind, ()) for kind, who in called)
