"""What a REFER asks for (RFC 3515 §2.4.1, RFC 3892, RFC 4488), and how its outcome is told (RFC 3420)."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.dialog_names import DialogName, parse_replaces
from trunkline.proto.sip.escapes import has_bad_escape, unescape
from trunkline.proto.sip.grammar import WHITE, excerpt, split_list
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.uri import SipUri

SIPFRAG: Final = "message/sipfrag;version=2.0"
NO_SUBSCRIPTION: Final = "Refer-Sub: false\r\n"


class Referral(NamedTuple):
    """``uri`` is whom to call, ``replaces`` the dialog to take over, if any, ``referrer`` Referred-By's URI ("")."""

    uri: SipUri
    replaces: DialogName | None
    referrer: str
    is_silent: bool
    """Whether the asker wants no NOTIFY (``Refer-Sub: false``)."""


def parse_refer(request: Request) -> Referral:
    """What a REFER asks for.

    Raises RemoteProtocolError: 400 unless there is exactly one Refer-To, well-formed; 416 when it is no SIP URI;
    501 when its ``method`` is not INVITE, the one thing that an exchange can be asked to send.
    """
    value = request.headers.get("Refer-To")
    if value is None or "\n" in value or len(split_list(value)) != 1:
        raise RemoteProtocolError("a REFER has exactly one Refer-To")
    uri = parse_name_addr(value).address
    if not uri.is_sip:
        raise RemoteProtocolError(f"Refer-To is no SIP URI: {excerpt(uri.text)}", 416)
    if (uri.params.get("method") or "INVITE").upper() != "INVITE":
        raise RemoteProtocolError("Refer-To asks for another method than INVITE", 501)
    replaces = _header_of(uri, "replaces")
    referred_by = request.headers.get("Referred-By")
    return Referral(
        uri,
        None if replaces is None else parse_replaces(replaces),
        "" if referred_by is None else parse_name_addr(referred_by).uri,
        request.headers.get("Refer-Sub", "true").partition(";")[0].strip(WHITE).lower() == "false",
    )


def fragment(status: int, reason: str = "") -> bytes:
    """The status line of a response, as ``message/sipfrag`` (RFC 3420, RFC 3515 §2.4.5)."""
    phrase = " ".join((reason or reason_phrase(status)).split())
    return f"SIP/2.0 {status} {phrase}\r\n".encode()


def status_of_fragment(request: Request) -> int:
    """The status, 100..699, that a NOTIFY of a REFER tells (RFC 3515 §2.4.5); 100 without a body.

    Raises RemoteProtocolError: 415 for another kind of body, 400 for no status line.
    """
    if not request.body:
        return 100
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip(WHITE).lower()
    if kind != "message/sipfrag":
        raise RemoteProtocolError("a NOTIFY of a REFER brings message/sipfrag", 415)
    protocol, _, rest = request.body[:64].decode("ascii", "replace").partition(" ")
    status = rest[:3]
    if (
        protocol.upper() != "SIP/2.0"
        or not (status.isascii() and status.isdigit())
        or not 100 <= int(status) < 700
    ):
        raise RemoteProtocolError("message/sipfrag without a status line")
    return int(status)


def _header_of(uri: SipUri, name: str) -> str | None:
    """One of the headers that a URI carries behind its ``?`` (RFC 3261 §19.1.1); RemoteProtocolError for two of it."""
    found: str | None = None
    for part in uri.headers.split("&") if uri.headers else ():
        key, _, text = part.partition("=")
        if unescape(key).lower() != name:
            continue
        if found is not None:
            raise RemoteProtocolError(f"{name} twice in {excerpt(uri.text)}")
        if has_bad_escape(text):
            raise RemoteProtocolError(f"malformed escape in {excerpt(uri.text)}")
        found = unescape(text)
    return found
