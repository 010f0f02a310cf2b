"""Telephone numbers in URIs: the number itself, its canonical form (RFC 8224 §8.3), what verification found."""

from __future__ import annotations

import re
from typing import Final

from trunkline.proto.sip.uri import SipUri

PASSED: Final = "TN-Validation-Passed"
FAILED: Final = "TN-Validation-Failed"
NOT_VALIDATED: Final = "No-TN-Validation"
VERSTATS: Final = frozenset({PASSED, FAILED, NOT_VALIDATED})

# RFC 3966 §3: visual separators.
_separators = re.compile(r"[-.() ]+")
_number = re.compile(r"\+?[0-9*#]{1,20}\Z").match
# RFC 8224 §8.3: what a whole number is made of once its separators are gone; a national one needs our country.
_telephone = re.compile(r"\+?[0-9]{5,15}\Z").match


def number_of(uri: SipUri) -> str:
    """The number or name in a sip or tel URI, without visual separators and parameters; "" when there is none."""
    user = uri.user.partition(";")[0]
    plain = _separators.sub("", user)
    return plain if _number(plain) else user


def verstat_of(uri: SipUri) -> str:
    """What an earlier network's verification found: in the user part, or the tel URI's parameters; else ""."""
    params = dict(part.partition("=")[::2] for part in uri.user.split(";")[1:])
    seen = params.get("verstat") or uri.params.get("verstat") or ""
    return seen if seen in VERSTATS else ""


def canonical(number: str) -> str | None:
    """The digits of a telephone number as signatures have them, None when it is no whole number (RFC 8224 §8.3).

    5 to 15 digits (ITU-T E.164) are taken for one. The leading "+" falls away; a number without it is taken as it is.
    """
    plain = _separators.sub("", number)
    return plain.lstrip("+") if _telephone(plain) else None
