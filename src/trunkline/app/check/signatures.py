"""Signed callers: the key and its certificate, the authorities, and how long they hold."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.check.trunks import private
from trunkline.app.peering import Signatures, fetch_of, signatures_of
from trunkline.app.settings import Settings
from trunkline.app.settings.stir import Peer, Stir
from trunkline.app.settings.trunk import Trunk
from trunkline.base.errors import ConfigError, RemoteProtocolError, TransportError
from trunkline.net.tls.certificates import utc_now
from trunkline.net.tls.contexts import SOON
from trunkline.ua.stir.certificates import read_chain

_say = Findings("signatures")


def signatures(case: Case) -> Iterator[Finding]:
    """Nothing when calls are neither signed nor checked."""
    settings = case.loaded.settings
    stir = settings.stir
    if not stir.anchors:
        yield from _unchecked(settings)
    if not stir.key and not stir.anchors:
        return
    try:
        made = signatures_of(stir, time.time)
    except ConfigError as error:
        why = f": {error.hint}" if error.hint else ""
        yield _say.fail(f"{error.key}: {error.seen}{why}", f"expected {error.expected}")
        return
    now = utc_now()
    yield from key(stir, made, now)
    yield from anchors(made, now)


def _unchecked(settings: Settings) -> Iterator[Finding]:
    """Whoever is to be refused for a wrong signature is not: without authorities none is looked at."""
    named = [(f"{kind} {one.name}", one.verify) for kind, some in _callers(settings) for one in some]
    for name, verify in named:
        if verify in {"refuse", "require"}:
            yield _say.fail(
                f"{name}: verify is {verify}, and no signature is looked at without stir.anchors",
                "set stir.anchors",
            )


def _callers(settings: Settings) -> tuple[tuple[str, tuple[Peer | Trunk, ...]], ...]:
    return ("peer", settings.peers), ("trunk", settings.trunks)


def key(
    stir: Stir, made: Signatures, now: datetime, fetch: Callable[[Stir], bytes] | None = None
) -> Iterator[Finding]:
    """Private, and that of the certificate which others will fetch."""
    if made.signer is None or stir.key is None:
        return
    yield from private(Path(stir.key).expanduser(), _say)
    if not stir.numbers:
        yield _say.warn("stir.numbers is empty: no call is attested A", "name the numbers that are ours")
    try:
        leaf = read_chain((fetch or _fetch)(stir))[0]
    except TransportError as error:
        yield _say.warn(
            f"{stir.certificate_url} cannot be fetched: {error}",
            "see that others can: who cannot fetch it refuses signed calls, or does not believe them",
        )
        return
    except (RemoteProtocolError, IndexError):
        yield _say.fail(
            f"{stir.certificate_url} is no certificate", "put the PEM file of the certificate there"
        )
        return
    mine, theirs = made.signer.key.key.public_key(), leaf.public_key()
    if not isinstance(theirs, ec.EllipticCurvePublicKey) or mine.public_numbers() != theirs.public_numbers():
        yield _say.fail(
            f"the certificate at {stir.certificate_url} is for another key than {stir.key}",
            "put the certificate of this key there, or the key of that certificate here",
        )
        return
    yield _dates(f"the certificate at {stir.certificate_url}", leaf, now)


def _fetch(stir: Stir) -> bytes:
    """Raises TransportError."""
    return asyncio.run(fetch_of(stir)(stir.certificate_url or "")).body


def anchors(made: Signatures, now: datetime) -> Iterator[Finding]:
    """The authorities: one that has expired makes the signatures under it wrong."""
    if made.verifier is None:
        return
    found = made.verifier.certificates.anchors
    good = [one for one in found if one.not_valid_before_utc <= now < one.not_valid_after_utc]
    for one in found:
        if one.not_valid_after_utc - now < SOON:
            name = one.subject.rfc4514_string() or "without a name"
            yield _dates(f"the authority {name}", one, now)
    if good:
        yield _say.ok(f"{len(good)} authorities of {len(found)} are in their time")
    else:
        yield _say.fail(
            "no authority is in its time: no signature passes", "get new ones, and look at the clock"
        )


def _dates(name: str, one: x509.Certificate, now: datetime) -> Finding:
    until = f"{one.not_valid_after_utc:%Y-%m-%d}"
    if now >= one.not_valid_after_utc:
        return _say.fail(f"{name} has expired on {until}", "get a new one: signatures by it are refused")
    if now < one.not_valid_before_utc:
        return _say.fail(
            f"{name} is not valid before {one.not_valid_before_utc:%Y-%m-%d}", "look at the clock"
        )
    if one.not_valid_after_utc - now < SOON:
        return _say.warn(f"{name} expires on {until}", "renew it in time")
    return _say.ok(f"{name} is valid until {until}")
