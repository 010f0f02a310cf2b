"""Push parameters in a Contact URI (RFC 8599 §4): kept with the binding, told to nobody else.

``pn-prid`` lets whoever has it send notifications to a phone, or at least tells one phone from all others: it is
covered wherever a contact is shown.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.uri import parse_uri

COVER: Final = "(hidden)"
_prid = re.compile(r"(;pn-(?:prid|tok)=)[^;?>]*", re.IGNORECASE)


def push_key(uri: str) -> tuple[str, str, str] | None:
    """``pn-provider``, ``pn-prid`` and ``pn-param`` of a contact, None without them.

    They name the phone whatever host and port its URI has now. Raises RemoteProtocolError for a malformed URI.
    """
    if "pn-" not in uri and "PN-" not in uri:
        return None
    params = parse_uri(uri).params
    provider, prid = params.get("pn-provider"), params.get("pn-prid")
    if not provider or not prid:
        return None
    return provider.lower(), prid, params.get("pn-param") or ""


def has_push_key(uri: str, key: tuple[str, str, str]) -> bool:
    """Whether a known contact is that of the phone which ``key`` names."""
    try:
        return push_key(uri) == key
    except RemoteProtocolError:
        return False


def shown(contact: str) -> str:
    """A contact as logs, stories and commands show it."""
    return _prid.sub(rf"\1{COVER}", contact) if "pn-" in contact.lower() else contact
