"""Numbers in headers: bounded before they are converted, ASCII digits only.

``int()`` takes Unicode digits, signs and underscores, and refuses very long strings with an error of its own;
none of that may be decided by a peer.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import WHITE, excerpt, is_token

UINT32_MAX: Final = 2**32 - 1
# Longer than any number we ask for, short enough for int().
_SHORT: Final = 18
_USUAL: Final = frozenset(
    {"REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "SUBSCRIBE", "NOTIFY", "MESSAGE"}
)
_qvalue = re.compile(r"(?:0(?:\.([0-9]{0,3}))?|1(?:\.0{0,3})?)\Z").match


def parse_uint(value: str, name: str, maximum: int) -> int:
    """A decimal number 0..``maximum`` (below 10**18), leading zeros allowed; errors call it ``name``."""
    if len(value) <= 9 and value.isdigit() and value.isascii() and (short := int(value)) <= maximum:
        return short  # nearly always
    digits = value.strip(WHITE)
    if not (digits.isascii() and digits.isdigit()):
        raise RemoteProtocolError(f"{name} is not a number: {excerpt(value)}")
    if len(digits) > _SHORT:
        digits = digits.lstrip("0") or "0"
    if len(digits) > _SHORT or (number := int(digits)) > maximum:
        raise RemoteProtocolError(f"{name} is beyond {maximum}: {excerpt(value)}")
    return number


def parse_delta_seconds(value: str, name: str) -> int:
    """Seconds 0..2**32-1; more counts as 2**32-1 (RFC 3261 §20.19, RFC 4475 §3.1.2.4)."""
    digits = value.strip(WHITE)
    if digits.isascii() and digits.isdigit() and len(digits.lstrip("0")) > 10:
        return UINT32_MAX
    return min(parse_uint(digits, name, 10**10), UINT32_MAX)


def parse_cseq(value: str) -> tuple[int, str]:
    """``(number, method)`` of a CSeq; the number is 0..2**32-1 (RFC 3261 §20.16), leading zeros allowed."""
    number, _, method = value.partition(" ")
    if method in _USUAL and len(number) <= 9 and number.isdigit() and number.isascii():
        return int(number), method
    if not is_token(method):
        number, _, method = value.strip(WHITE).replace("\t", " ").partition(" ")
        method = method.lstrip(WHITE)
        if not is_token(method):
            raise RemoteProtocolError(f"CSeq without number and method: {excerpt(value)}")
    return parse_uint(number, "CSeq", UINT32_MAX), method


def parse_qvalue(value: str) -> int:
    """A q value in thousandths, 0..1000 (RFC 3261 §25.1 qvalue: at most three decimals)."""
    match = _qvalue(value)
    if match is None:
        raise RemoteProtocolError(f"q is not within 0 and 1: {excerpt(value)}")
    if value[0] == "1":
        return 1000
    return int((match[1] or "").ljust(3, "0"))
