"""What the Contact headers of a REGISTER ask for (RFC 3261 §10.2.1, RFC 5626 §4.2)."""

from __future__ import annotations

import re
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import render_parameters
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import DEFAULT_EXPIRES_S, NameAddr, parse_contacts
from trunkline.proto.sip.numbers import UINT32_MAX, parse_delta_seconds, parse_uint

# What a binding keeps of a peer's text is bounded: a contact is to cost 3 KB at most.
MAX_CONTACT: Final = 1024
MAX_INSTANCE: Final = 256
MAX_PARAMS: Final = 512
WILDCARD: Final = "*"
_KNOWN: Final = frozenset({"expires", "q", "+sip.instance", "reg-id", "pub-gruu", "temp-gruu"})

# One contact as most phones write it, with its URI and its seconds: told without parsing the URI, which is
# compared with known ones as text.
usual_contact: Final = re.compile(r'<(sips?:[^\x00-\x20\x7f<>"]++)>(?:;expires=([0-9]{1,9}))?\Z').match


class Wanted:
    """One contact: ``uri`` as text, ``expires`` in seconds (0..2**32-1, 0 to remove it), ``q`` in thousandths.

    ``instance`` and ``reg_id`` (1..2**31-1, else 0) are those of RFC 5626; one without the other is nothing.
    ``params`` are all others that say what the phone can do (RFC 3840), as text. ``epoch`` is that of the instance
    once it is known which binding is meant.
    """

    __slots__ = ("epoch", "expires", "instance", "params", "q", "reg_id", "uri")

    def __init__(
        self,
        uri: str,
        expires: int,
        q: int = 1000,
        instance: str | None = None,
        reg_id: int = 0,
        params: str = "",
    ) -> None:
        self.uri = uri
        self.expires = expires
        self.q = q
        self.instance = instance
        self.reg_id = reg_id
        self.params = params
        self.epoch = ""


def wanted_contacts(request: Request, default_expires_s: int) -> list[Wanted]:
    """The contacts in order; none for a query (§10.2.3). Raises RemoteProtocolError with what to answer.

    A wildcard stands alone, with the expiry that the request has for it, which must be 0 (§10.3 step 6).
    """
    value = request.headers.get("Contact")
    if not value:
        return []
    usual = usual_contact(value)
    if usual is not None and len(value) <= MAX_CONTACT:
        seconds = usual[2]
        return [Wanted(usual[1], int(seconds) if seconds else _expires(request, default_expires_s))]
    contacts = parse_contacts(value)
    default = _expires(request, default_expires_s)
    if len(contacts) == 1 and contacts[0].is_wildcard:
        if "Expires" not in request.headers or default != 0:
            raise RemoteProtocolError("Contact * goes with Expires: 0")
        return [Wanted(WILDCARD, 0)]
    return [_wanted(contact, default) for contact in contacts]


def _expires(request: Request, default_s: int) -> int:
    header = request.headers.get("Expires")
    if header is None:
        return default_s
    if len(header) < 10 and header.isascii() and header.isdigit():
        return int(header)
    try:
        return parse_delta_seconds(header, "Expires")
    except RemoteProtocolError:
        # RFC 3261 §10.2.1.1: a malformed one counts as an hour.
        return DEFAULT_EXPIRES_S


def _wanted(contact: NameAddr, default_s: int) -> Wanted:
    if len(contact.uri) > MAX_CONTACT:
        raise RemoteProtocolError(f"a Contact of more than {MAX_CONTACT} characters")
    asked = contact.expires
    instance = contact.params.get("+sip.instance") or None
    if instance is not None and len(instance) > MAX_INSTANCE:
        raise RemoteProtocolError(f"a +sip.instance of more than {MAX_INSTANCE} characters")
    reg_id = _reg_id(contact) if instance is not None else 0
    expires = default_s if asked is None else asked
    return Wanted(contact.uri, expires, contact.q, instance, reg_id, _others(contact))


def _others(contact: NameAddr) -> str:
    """What is not understood here, as far as there is room; GRUUs are ours to give (RFC 5627 §5.1)."""
    text = ""
    for name, value in contact.params.items():
        if name not in _KNOWN:
            longer = text + render_parameters({name: value})
            if len(longer) > MAX_PARAMS:
                break
            text = longer
    return text


def _reg_id(contact: NameAddr) -> int:
    text = contact.params.get("reg-id")
    if text is None:
        return 0
    number = parse_uint(text, "reg-id", UINT32_MAX)
    if not 1 <= number < 2**31:
        # RFC 5626 §4.2: 1 to 2**31 - 1.
        raise RemoteProtocolError("reg-id is not within 1 and 2147483647")
    return number
