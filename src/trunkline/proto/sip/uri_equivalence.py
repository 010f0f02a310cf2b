"""When two URIs are the same (RFC 3261 §19.1.4; RFC 3966 §4 for telephone numbers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.proto.sip.escapes import normalise, unescape
from trunkline.proto.sip.uri import SipUri

# RFC 3261 §19.1.4: with these, being there is not the same as not being there.
_DECISIVE: Final = frozenset({"user", "ttl", "method", "maddr", "transport"})
# RFC 3966 §3: visual-separator.
_SEPARATORS: Final = str.maketrans("", "", "-.()")


def equivalent(a: SipUri, b: SipUri) -> bool:
    """Whether ``a`` and ``b`` are equivalent. The relation is symmetric but not transitive (§19.1.4)."""
    if a.scheme != b.scheme:
        return False
    if a.scheme == "tel":
        return _same_number(a, b)
    if not a.is_sip:
        return a.opaque == b.opaque
    return (
        normalise(a.raw_user) == normalise(b.raw_user)
        and normalise(a.password) == normalise(b.password)
        and a.host == b.host
        and a.port == b.port
        and _same_params(a.params, b.params)
        and _headers(a.headers) == _headers(b.headers)
    )


def _same_params(a: Mapping[str, str | None], b: Mapping[str, str | None]) -> bool:
    for name in a.keys() | b.keys():
        if name in a and name in b:
            if (a[name] or "").lower() != (b[name] or "").lower():
                return False
        elif name in _DECISIVE:
            return False
    return True


def _headers(text: str) -> list[tuple[str, str]]:
    """Header components in an order that does not matter: sorted by name and value."""
    pairs = (part.partition("=") for part in text.split("&") if part)
    return sorted((unescape(name).lower(), unescape(value)) for name, _, value in pairs)


def _same_number(a: SipUri, b: SipUri) -> bool:
    return a.user.translate(_SEPARATORS).lower() == b.user.translate(_SEPARATORS).lower() and {
        name: (value or "").lower() for name, value in a.params.items()
    } == {name: (value or "").lower() for name, value in b.params.items()}
