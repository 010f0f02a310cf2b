"""PASSporTs (RFC 8225), plain, ``shaken`` (RFC 8588) and ``div`` (RFC 8946), in full and in compact form.

No cryptography here: what is signed goes out as ``Passport.signing_input``, the signature comes in as 64 bytes, r and s
of ECDSA on P-256 (RFC 7518 §3.4). Everything that reads raises RemoteProtocolError, with the status of RFC 8224 §6.2.2.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError

Identities: TypeAlias = dict[str, list[str]]
"""``tn`` and ``uri`` with their canonical values (RFC 8225 §5.2.1)."""

SHAKEN: Final = "shaken"
DIV: Final = "div"
ALGORITHM: Final = "ES256"
SIGNATURE_BYTES: Final = 64
MAX_TOKEN: Final = 4096
MAX_DESTINATIONS: Final = 16
ATTESTATIONS: Final = frozenset("ABC")

_is_base64url = re.compile(r"[A-Za-z0-9_-]++\Z").match
_is_compact = re.compile(r"\.\.[A-Za-z0-9_-]++\Z").match


@dataclass(frozen=True, slots=True)
class Passport:
    """The claims of one PASSporT, and where its certificate is.

    ``orig`` is one identity: ("tn", "12015550123") or ("uri", "sip:alice@a.test"); ``dest`` those called; ``iat`` whole
    seconds since 1970; ``ppt`` the extension, or "". ``attest`` and ``origid`` are those of ``shaken``; ``div`` is whom
    the call was for before (RFC 8946 §4).
    """

    orig: tuple[str, str]
    dest: Identities
    iat: int
    x5u: str
    ppt: str = SHAKEN
    attest: str = ""
    origid: str = ""
    div: tuple[str, str] | None = None
    header_text: str = field(default="", compare=False)
    payload_text: str = field(default="", compare=False)

    def header(self) -> str:
        """The JOSE header as it is signed: as it came, or in the one form of RFC 8225 §9."""
        ppt = {"ppt": self.ppt} if self.ppt else {}
        return self.header_text or encode({"alg": ALGORITHM, **ppt, "typ": "passport", "x5u": self.x5u})

    def payload(self) -> str:
        """The claims as they are signed."""
        return self.payload_text or encode(self._claims())

    def signing_input(self) -> bytes:
        """What the signature is made over (RFC 7515 §5.1)."""
        return f"{self.header()}.{self.payload()}".encode("ascii")

    def _claims(self) -> dict[str, Any]:
        kind, who = self.orig
        claims: dict[str, Any] = {"dest": self.dest, "iat": self.iat, "orig": {kind: who}}
        if self.ppt == SHAKEN:
            claims |= {"attest": self.attest, "origid": self.origid}
        if self.div is not None:
            claims["div"] = {self.div[0]: self.div[1]}
        return claims


def encode(value: dict[str, Any]) -> str:
    """Lexicographic order, no white space (RFC 8225 §9), then base64url without padding."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return to_base64(text.encode("utf-8", "surrogateescape"))


def to_base64(data: bytes) -> str:
    """base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64(text: str) -> bytes:
    """Raises RemoteProtocolError 438."""
    if not _is_base64url(text):
        raise RemoteProtocolError("PASSporT with characters that are no base64url", 438)
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError) as error:
        raise RemoteProtocolError("PASSporT that is no base64url", 438) from error


def parse_token(token: str) -> tuple[Passport | None, bytes]:
    """The PASSporT and the signature of a token; None for one in compact form, which the request completes.

    Raises RemoteProtocolError: 438 for what is no PASSporT, 437 for an algorithm other than ES256.
    """
    if len(token) > MAX_TOKEN:
        raise RemoteProtocolError(f"PASSporT of {len(token)} characters, at most {MAX_TOKEN} are read", 438)
    if _is_compact(token):
        return None, _signature(token[2:])
    parts = token.split(".")
    if len(parts) != 3:
        raise RemoteProtocolError("PASSporT that is neither in full nor in compact form", 438)
    header, payload, signature = parts
    return _passport(_object(header), _object(payload), header, payload), _signature(signature)


def _signature(text: str) -> bytes:
    data = from_base64(text)
    if len(data) != SIGNATURE_BYTES:
        raise RemoteProtocolError(f"a signature of {len(data)} bytes, ES256 has {SIGNATURE_BYTES}", 438)
    return data


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(from_base64(text), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("PASSporT that is no JSON", 438) from error
    if not isinstance(value, dict):
        raise RemoteProtocolError("PASSporT that is no JSON object", 438)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 §4: a name that stands twice may be refused, and what two read differently must not be believed."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name twice")
    return made


def _passport(header: dict[str, Any], claims: dict[str, Any], header_text: str, payload: str) -> Passport:
    if header.get("typ") != "passport":
        raise RemoteProtocolError("a token that is no PASSporT", 438)
    if header.get("alg") != ALGORITHM:
        raise RemoteProtocolError("a PASSporT is signed by ES256", 437)
    if "crit" in header:  # RFC 7515 §4.1.11: no extension of JOSE is understood here
        raise RemoteProtocolError("a PASSporT that must be read by rules that we do not know", 438)
    iat = claims.get("iat")
    if not isinstance(iat, int) or isinstance(iat, bool) or not 0 <= iat < 2**53:
        raise RemoteProtocolError("PASSporT without a time in iat", 438)
    ppt = _text(header, "ppt")
    attest = _text(claims, "attest")
    if ppt == SHAKEN and attest not in ATTESTATIONS:
        raise RemoteProtocolError("SHAKEN without attestation A, B or C", 438)
    return Passport(
        _one(claims, "orig"),
        _several(claims),
        iat,
        _text(header, "x5u"),
        ppt,
        attest,
        _text(claims, "origid"),
        _one(claims, "div") if ppt == DIV else None,
        header_text,
        payload,
    )


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name, "")
    if not isinstance(text, str) or len(text) > 1024:
        raise RemoteProtocolError(f"PASSporT with a strange {name}", 438)
    return text


def _one(claims: dict[str, Any], name: str) -> tuple[str, str]:
    value = claims.get(name)
    if isinstance(value, dict):
        for kind in ("tn", "uri"):
            who = value.get(kind)
            if isinstance(who, str) and 0 < len(who) <= 256:
                return kind, who
    raise RemoteProtocolError(f"PASSporT without {name}", 438)


def _several(claims: dict[str, Any]) -> Identities:
    value = claims.get("dest")
    found: Identities = {}
    if isinstance(value, dict):
        for kind in ("tn", "uri"):
            listed = value.get(kind, [])
            # RFC 8225 §5.2.1 wants an array; a single text is what some send.
            whom = [listed] if isinstance(listed, str) else listed
            if not isinstance(whom, list) or not all(
                isinstance(one, str) and len(one) <= 256 for one in whom
            ):
                raise RemoteProtocolError("PASSporT with a strange dest", 438)
            if whom:
                found[kind] = whom[:MAX_DESTINATIONS]
    if not found:
        raise RemoteProtocolError("PASSporT without dest", 438)
    return found
