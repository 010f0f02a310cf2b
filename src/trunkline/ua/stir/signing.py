"""Signing who calls: the authentication service of RFC 8224 §6.1, with the attestation of RFC 8588."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from email.utils import formatdate
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from trunkline.base.errors import ConfigError, RemoteProtocolError
from trunkline.proto.sip.identity.diversion import Diversion
from trunkline.proto.sip.identity.number import canonical, number_of
from trunkline.proto.sip.identity.passport import DIV, SHAKEN, Identities, Passport, parse_token, to_base64
from trunkline.proto.sip.identity.signed import Identity, parse_identities
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.proto.sip.uri import SipUri, parse_uri

Attestation: TypeAlias = Literal["A", "B", "C", ""]
Tell: TypeAlias = Callable[[str, str], None]

_SHA256: Final = ec.ECDSA(hashes.SHA256())


class SigningKey(NamedTuple):
    """A private key of P-256 and the URL of its certificate, which others will fetch."""

    key: ec.EllipticCurvePrivateKey
    x5u: str

    def sign(self, passport: Passport) -> str:
        """The token in full form."""
        r, s = decode_dss_signature(self.key.sign(passport.signing_input(), _SHA256))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")  # RFC 7518 §3.4
        return f"{passport.header()}.{passport.payload()}.{to_base64(signature)}"

    def __repr__(self) -> str:
        return f"SigningKey({self.x5u})"


class Caller(Protocol):
    """Who calls: ``call.party.Party`` is one."""

    domain: str
    passports: tuple[str, ...]


class Callee(Protocol):
    """Who is called: ``call.target.Target`` is one; ``callee`` is the whole To, or empty."""

    uri: str
    callee: str


class Ownership:
    """Which numbers are ours to call from, and what we say of others.

    ``numbers`` are telephone numbers, whole or beginnings that end in ``*``; a call from one of them is attested A, any
    other with ``unknown``, which may be empty: it is not signed then (rule T-35).
    """

    def __init__(self, numbers: Iterable[str] = (), unknown: Attestation = "C") -> None:
        digits = [number.lstrip("+") for number in numbers]
        self._whole = frozenset(one for one in digits if not one.endswith("*"))
        self._beginnings = tuple(one[:-1] for one in digits if one.endswith("*"))
        self.unknown = unknown

    def attest(self, number: str) -> Attestation:
        """The attestation for a canonical number."""
        known = number in self._whole or (bool(self._beginnings) and number.startswith(self._beginnings))
        return "A" if known else self.unknown


class StirSigner:
    """Writes Identity and Date for calls that leave by a trunk. ``wall`` gives seconds since 1970."""

    def __init__(self, key: SigningKey, ownership: Ownership, wall: Callable[[], float]) -> None:
        self.key = key
        self.ownership = ownership
        self._wall = wall

    def lines(
        self,
        caller: Caller,
        number: str,
        target: Callee,
        diversions: tuple[Diversion, ...],
        tell: Tell,
        *,
        afresh: bool = False,
    ) -> str:
        """Finished lines for the INVITE to ``target``; ``number`` is how the caller is shown there.

        A call that came signed keeps its signatures, unless it is to go out ``afresh`` or its caller is shown as
        somebody else: a signature holds the number that it was made for, and would give an anonymous caller away.
        When it was diverted since, one of ours is added, which says so (RFC 8946 §4). A caller without a telephone
        number is not signed.
        """
        dest = _identities(_callee(target))
        orig = canonical(number)
        last = None if afresh else _last_of(caller.passports)
        if last is not None and last.orig == ("tn", orig):
            return self._passed_on(caller, last, dest, tell)
        attest = self.ownership.attest(orig) if orig is not None else ""
        if orig is None or not attest:
            why = "is no telephone number" if orig is None else "is none of ours"
            tell("stir.not_signed", f"not signed: {number or 'the caller'} {why}")
            return ""
        now = int(self._wall())
        origid = str(uuid.uuid5(uuid.NAMESPACE_DNS, caller.domain))
        token = self.key.sign(
            Passport(("tn", orig), dest, now, self.key.x5u, SHAKEN, attest=attest, origid=origid)
        )
        lines = f"Date: {formatdate(now, usegmt=True)}\r\n{self._line(token, SHAKEN)}"
        if diversions:
            lines = self._signed_before(diversions, lines, ("tn", orig), dest, now)
        tell("stir.signed", f"signed for {orig} with attestation {attest}")
        return lines

    def _signed_before(
        self,
        diversions: tuple[Diversion, ...],
        lines: str,
        orig: tuple[str, str],
        dest: Identities,
        now: int,
    ) -> str:
        """The ``div`` beside a signature of ours: the call came unsigned, and we know whom it was for."""
        before = _one_of(_identities(parse_uri(diversions[-1].uri)))
        if before is None or before[1] in dest.get(before[0], []):
            return lines
        return lines + self._line(
            self.key.sign(Passport(orig, dest, now, self.key.x5u, DIV, div=before)), DIV
        )

    def _passed_on(self, caller: Caller, last: Passport, dest: Identities, tell: Tell) -> str:
        kept = "".join(f"Identity: {value}\r\n" for value in caller.passports)
        before = _one_of(last.dest)
        # RFC 8946 §4: a new one only when the canonical form of the destination has changed.
        if before is None or any(set(last.dest.get(kind, ())) & set(dest[kind]) for kind in dest):
            return kept
        token = self.key.sign(Passport(last.orig, dest, last.iat, self.key.x5u, DIV, div=before))
        tell("stir.diverted", f"signed that the call was for {before[1]} before")
        return kept + self._line(token, DIV)

    def _line(self, token: str, ppt: str) -> str:
        return f"Identity: {Identity(token, self.key.x5u, ppt=ppt)}\r\n"


def load_key(file: Path, x5u: str, source: str) -> SigningKey:
    """The key of a PEM file. Raises ConfigError, which names ``source`` and the key."""
    expected = "a PEM file of an unencrypted private key of P-256"
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise ConfigError(source, "stir.key", str(file), expected, error.strerror or "") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(source, "stir.key", str(file), expected) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        hint = "openssl ecparam -name prime256v1 -genkey -noout makes one"
        raise ConfigError(source, "stir.key", f"{file}, a key of another kind", expected, hint)
    return SigningKey(key, x5u)


def _last_of(passports: tuple[str, ...]) -> Passport | None:
    """The newest of the signatures that a call came with."""
    try:
        return parse_token(parse_identities(passports[-1])[0].token)[0]
    except (RemoteProtocolError, IndexError):
        return None


def _callee(target: Callee) -> SipUri:
    """RFC 8224 §8.1: the destination is that of To."""
    return parse_name_addr(target.callee or f"<{target.uri}>").address


def _identities(uri: SipUri) -> Identities:
    number = canonical(number_of(uri))
    return {"tn": [number]} if number is not None else {"uri": [uri_of(uri)]}


def uri_of(uri: SipUri) -> str:
    """A SIP URI in canonical form (RFC 8224 §8.5): scheme, user and host alone."""
    return f"sip:{uri.aor}" if uri.is_sip else uri.text


def _one_of(identities: Identities) -> tuple[str, str] | None:
    return next(((kind, whom[0]) for kind, whom in identities.items() if whom), None)
