"""The certificates that signatures are checked with: fetched by URL, checked against trust anchors, kept for a while.

Numbers are signed by certificates of their own hierarchy (RFC 8226): the trust anchors are those that the operator
names, and never those of the web. A revocation list is not asked for: certificates of STIR live shortly.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID

from trunkline.base.errors import ConfigError, RemoteProtocolError, TransportError
from trunkline.ua.stir.tn_auth_list import OID, TnAuthList, parse_tn_auth_list

TrustAnchors: TypeAlias = tuple[x509.Certificate, ...]

MAX_CHAIN: Final = 6
MAX_CACHED: Final = 512
MAX_UNDER_WAY: Final = 16
KEEP_S: Final = 3600.0
KEEP_FAILURE_S: Final = 15.0
_KNOWN: Final = frozenset({
    ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.CERTIFICATE_POLICIES, ExtensionOID.SUBJECT_ALTERNATIVE_NAME, x509.ObjectIdentifier(OID),
})  # fmt: skip


class Fetched(NamedTuple):
    """What was fetched, and how long its sender lets it be kept, in seconds, or None when it does not say."""

    body: bytes
    max_age_s: float | None = None


class Fetch(Protocol):
    """Gets the resource at an https URL, within bounds of size and time."""

    async def __call__(self, url: str, /) -> Fetched:
        """Raises TransportError when it cannot be had."""
        ...


class SignersCertificate(NamedTuple):
    """A certificate that was found good: its key and the numbers that it speaks for."""

    key: ec.EllipticCurvePublicKey
    authority: TnAuthList
    not_after: float


class Certificates:
    """The certificates of those who sign calls, by URL. ``anchors`` are the only roots."""

    def __init__(self, fetch: Fetch, anchors: TrustAnchors) -> None:
        self.anchors = anchors
        self._fetch = fetch
        self._kept: OrderedDict[str, tuple[float, SignersCertificate | RemoteProtocolError]] = OrderedDict()
        self._under_way: dict[str, asyncio.Future[SignersCertificate]] = {}

    async def get(self, url: str, now: float) -> SignersCertificate:
        """The certificate at a URL, good at wall-clock time ``now``.

        Raises RemoteProtocolError: 436 when it cannot be fetched, 437 when it is not to be believed.
        """
        kept = self._kept.get(url)
        if kept is not None and now < kept[0]:
            self._kept.move_to_end(url)
            if isinstance(kept[1], RemoteProtocolError):
                raise RemoteProtocolError(kept[1].reason, kept[1].status)
            return kept[1]
        while (waiting := self._under_way.get(url)) is not None:
            try:
                return await asyncio.shield(waiting)
            except asyncio.CancelledError:
                if not waiting.cancelled() or _is_cancelled():
                    raise
                # Whose call it was fetched for has given up: it is for one of those who still wait to fetch it.
        if len(self._under_way) >= MAX_UNDER_WAY:
            raise RemoteProtocolError("too many certificates are being fetched", 436)
        return await self._obtain(url, now)

    async def _obtain(self, url: str, now: float) -> SignersCertificate:
        """Fetch for all who ask meanwhile; the outcome is kept, a failure only shortly."""
        waiting = self._under_way[url] = asyncio.get_running_loop().create_future()
        try:
            found, until = await self._fetch_one(url, now)
        except RemoteProtocolError as error:
            self._keep(url, now + KEEP_FAILURE_S, error)
            waiting.set_exception(error)
            waiting.exception()  # nobody else may have waited
            raise
        else:
            self._keep(url, until, found)
            waiting.set_result(found)
            return found
        finally:
            waiting.cancel()
            del self._under_way[url]

    async def _fetch_one(self, url: str, now: float) -> tuple[SignersCertificate, float]:
        if url[:8].lower() != "https://":
            raise RemoteProtocolError("a certificate's URL is https", 436)
        try:
            fetched = await self._fetch(url)
        except TransportError as error:
            raise RemoteProtocolError(f"the certificate cannot be had: {error}", 436) from error
        found = check_chain(read_chain(fetched.body), self.anchors, now)
        keep_s = KEEP_S if fetched.max_age_s is None else min(max(fetched.max_age_s, 0.0), 24 * KEEP_S)
        return found, min(now + keep_s, found.not_after)

    def _keep(self, url: str, until: float, what: SignersCertificate | RemoteProtocolError) -> None:
        self._kept[url] = until, what
        self._kept.move_to_end(url)
        while len(self._kept) > MAX_CACHED:
            self._kept.popitem(last=False)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def load_anchors(file: Path, source: str) -> TrustAnchors:
    """The certificates of a PEM file. Raises ConfigError, which names ``source`` and the key."""
    try:
        return tuple(x509.load_pem_x509_certificates(file.read_bytes()))
    except OSError as error:
        raise ConfigError(
            source, "stir.anchors", str(file), "a PEM file that can be read", str(error)
        ) from error
    except ValueError as error:
        expected = "a PEM file of one or more certificates"
        raise ConfigError(source, "stir.anchors", str(file), expected) from error


def read_chain(body: bytes) -> list[x509.Certificate]:
    """The signer's certificate and those above it, of PEM or DER. Raises RemoteProtocolError 437."""
    try:
        if b"-----BEGIN" in body[:65536]:
            return x509.load_pem_x509_certificates(body)[:MAX_CHAIN]
        return [x509.load_der_x509_certificate(body)]
    except ValueError as error:
        raise RemoteProtocolError("what was fetched is no certificate", 437) from error


def check_chain(chain: Sequence[x509.Certificate], anchors: TrustAnchors, now: float) -> SignersCertificate:
    """The first certificate of a chain, when it leads to an anchor. Raises RemoteProtocolError 437 (RFC 5280 §6)."""
    at = datetime.fromtimestamp(now, UTC)
    try:
        first = chain[0]
        _check_one(first, at)
        _climb(first, list(chain[1:]), anchors, at)
        key = first.public_key()
        listed = first.extensions.get_extension_for_oid(x509.ObjectIdentifier(OID)).value
    except x509.ExtensionNotFound as error:
        raise RemoteProtocolError("a certificate that names no numbers (TNAuthList)", 437) from error
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise RemoteProtocolError("a certificate that cannot be read", 437) from error
    _check_usage(first)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RemoteProtocolError("a certificate whose key is not of P-256", 437)
    if not isinstance(listed, x509.UnrecognizedExtension):
        raise RemoteProtocolError("a certificate that names no numbers (TNAuthList)", 437)
    return SignersCertificate(key, parse_tn_auth_list(listed.value), first.not_valid_after_utc.timestamp())


def _climb(
    first: x509.Certificate, between: list[x509.Certificate], anchors: TrustAnchors, at: datetime
) -> None:
    """Find the way from a certificate to an anchor, each signed by the next."""
    current, below = first, 0
    while current not in anchors:
        above = _first_good([one for one in (*anchors, *between) if _issued(current, one)], at, below)
        if above in anchors:
            return
        between.remove(above)
        current, below = above, below + 1
    _check_one(current, at)


def _first_good(issuers: list[x509.Certificate], at: datetime, below: int) -> x509.Certificate:
    """Who issued a certificate: an authority that is renewed has two with one name and key for a while."""
    wrong = RemoteProtocolError("a certificate that leads to none of our trust anchors", 437)
    for issuer in issuers:
        try:
            _check_one(issuer, at)
            _check_authority(issuer, below)
        except RemoteProtocolError as error:
            wrong = error
        else:
            return issuer
    raise wrong


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _check_one(certificate: x509.Certificate, at: datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise RemoteProtocolError("a certificate that is not valid at this time", 437)
    if any(one.critical and one.oid not in _KNOWN for one in certificate.extensions):
        raise RemoteProtocolError("a certificate with a critical extension that we do not know", 437)


def _check_usage(certificate: x509.Certificate) -> None:
    """Whether its key may sign calls; a certificate that does not say allows it (RFC 5280 §4.2.1.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature:
        raise RemoteProtocolError("a certificate whose key may not sign calls", 437)


def _check_authority(certificate: x509.Certificate, below: int) -> None:
    """Whether it may issue others, with so many authorities below it."""
    extensions = certificate.extensions
    try:
        basic = extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound as error:
        raise RemoteProtocolError("an issuer that is no authority", 437) from error
    if not basic.ca or (basic.path_length is not None and basic.path_length < below):
        raise RemoteProtocolError("an issuer that is no authority", 437)
    try:
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise RemoteProtocolError("an issuer whose key may not sign certificates", 437)
