"""The Reason header (RFC 3326): why a dialog or an attempt ended, in SIP's words, in those of Q.850, or of others."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import is_token, parse_parameters, quote, split_list

# RFC 3326 §2: the protocols that are registered for what we read; RFC 9410 adds STIR.
SIP: Final = "SIP"
Q850: Final = "Q.850"
STIR: Final = "STIR"
MAX_REASONS: Final = 8


class Reason(NamedTuple):
    """One reason: ``protocol`` as registered, ``cause`` 0..999 or None, ``text`` for people (may be empty)."""

    protocol: str
    cause: int | None
    text: str = ""

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        return f"{self.protocol}{cause}" + (f";text={quote(self.text)}" if self.text else "")


def parse_reasons(value: str) -> list[Reason]:
    """What can be read of all values of a Reason header, in order, at most ``MAX_REASONS``.

    RFC 3326 §2: a reason that is not understood is ignored, and so is one that is malformed.
    """
    try:
        elements = split_list(value)
    except RemoteProtocolError:
        return []
    reasons = [_parse(element) for element in elements[:MAX_REASONS]]
    return [reason for reason in reasons if reason is not None]


def q850_cause(value: str | None) -> int | None:
    """The Q.850 cause (1..127) that a Reason header tells, None when it tells none."""
    if value is None or "850" not in value:
        return None
    for reason in parse_reasons(value):
        if reason.protocol.upper() == Q850 and reason.cause is not None and 1 <= reason.cause <= 127:
            return reason.cause
    return None


def _parse(element: str) -> Reason | None:
    protocol, semicolon, rest = element.partition(";")
    protocol = protocol.rstrip(" \t")
    if not is_token(protocol):
        return None
    try:
        params = parse_parameters(semicolon + rest)
    except RemoteProtocolError:
        return None
    digits = params.get("cause") or ""
    cause = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= 3 else None
    return Reason(protocol, cause, params.get("text") or "")
