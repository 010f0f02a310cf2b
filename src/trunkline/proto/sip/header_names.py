"""Names of header fields: canonical spelling, compact forms, and which of them are comma lists.

Names are case-insensitive (RFC 3261 §7.3.1); inside Trunkline each header has one spelling, so that a header
is found by one dict look-up.
"""

from __future__ import annotations

from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import WHITE, excerpt, is_token

# RFC 3261 §7.3.1, §20: values that may be joined by commas into one header, each an element of a list.
_LIST_NAMES: Final = (
    "Accept Accept-Contact Accept-Encoding Accept-Language Accept-Resource-Priority Alert-Info Allow "
    "Allow-Events Call-Info Contact Content-Encoding Content-Language Diversion Error-Info "
    "Feature-Caps Geolocation History-Info In-Reply-To P-Access-Network-Info P-Asserted-Identity "
    "P-Associated-URI P-Early-Media P-Media-Authorization P-Preferred-Identity P-Visited-Network-ID "
    "Path Permission-Missing Proxy-Require Reason Record-Route Recv-Info Reject-Contact "
    "Remote-Party-ID Request-Disposition Require Resource-Priority Route Security-Client "
    "Security-Server Security-Verify Service-Route Supported Trigger-Consent Unsupported Via Warning"
)

# RFC 3261 §20.7, §20.27, §20.28, §20.44 (commas separate parameters there), and headers with one free value.
_SINGLE_NAMES: Final = (
    "Answer-Mode Authentication-Info Authorization Call-ID Content-Disposition Content-ID "
    "Content-Length Content-Type CSeq Date Event Expires Flow-Timer From Geolocation-Error "
    "Geolocation-Routing Identity Identity-Info Info-Package Join Max-Breadth Max-Forwards "
    "MIME-Version Min-Expires Min-SE Organization P-Asserted-Service P-Called-Party-ID "
    "P-Charging-Function-Addresses P-Charging-Vector P-Preferred-Service P-Served-User Policy-Contact "
    "Policy-ID Priority Privacy Proxy-Authenticate Proxy-Authentication-Info Proxy-Authorization RAck "
    "Refer-Sub Refer-To Referred-By Replaces Reply-To Retry-After RSeq Server Session-Expires "
    "Session-ID SIP-ETag SIP-If-Match Subject Subscription-State Suppress-If-Match Target-Dialog "
    "Timestamp To User-Agent User-to-User WWW-Authenticate"
)

LISTS: Final = frozenset(_LIST_NAMES.split())

# RFC 3261 §7.3.3, and the registry "SIP Header Fields": RFC 3515, 3841, 3892, 4028, 6665, 8224.
COMPACT: Final = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}


def _spellings() -> dict[str, str]:
    known: dict[str, str] = {}
    for name in f"{_LIST_NAMES} {_SINGLE_NAMES}".split():
        titled = "-".join(part.capitalize() for part in name.split("-"))
        known.update({name: name, name.lower(): name, name.upper(): name, titled: name})
    for short, name in COMPACT.items():
        known.update({short: name, short.upper(): name})
    return known


# Common spellings to the canonical one: ask this dict first, ``canonical`` when it does not know.
CANONICAL: Final[dict[str, str]] = _spellings()


def canonical(name: str) -> str:
    """The canonical spelling of a header name as it stood before the colon.

    White space before the colon is skipped (RFC 3261 §7.3.1); a name that is not known comes back with each
    word capitalised. Raises RemoteProtocolError when it is no token.
    """
    known = CANONICAL.get(name)
    if known is not None:
        return known
    stripped = name.rstrip(WHITE)
    if not is_token(stripped):
        raise RemoteProtocolError(f"malformed header name {excerpt(name)}")
    lower = stripped.lower()
    return CANONICAL.get(lower) or "-".join(part.capitalize() for part in lower.split("-"))


def is_list(name: str) -> bool:
    """Whether the header with this canonical name is a comma list, fit for ``split_list``."""
    return name in LISTS
