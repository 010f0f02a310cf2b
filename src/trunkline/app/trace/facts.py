"""One SIP message in a few words: what an arrow says, and what stands beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp import MediaDescription, SessionDescription, parse_session
from trunkline.proto.sip.message import Message, Request, Response, parse_message
from trunkline.proto.sip.name_addr import parse_name_addr

_CODECS_SHOWN = 6
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Facts:
    """``label`` stands on the arrow ("INVITE", "180 Ringing"), ``notes`` beside it.

    ``status`` is 0 for a request; ``method`` that of CSeq; ``sender`` and ``target`` are the users of From
    and To, "" when they cannot be read.
    """

    label: str
    notes: tuple[str, ...] = ()
    status: int = 0
    method: str = ""
    sender: str = ""
    target: str = ""


def facts_of(data: bytes) -> Facts:
    """What a message says; also of one that cannot be read."""
    try:
        message = parse_message(data)
        number, method = message.cseq
    except RemoteProtocolError as error:
        return Facts("unreadable", (f"{len(data)} bytes", error.reason[:_LONGEST]))
    sender = user_of(message.headers.get("From", ""))
    target = user_of(message.headers.get("To", ""))
    if isinstance(message, Response):
        label = f"{message.status} {message.reason}".strip()[:_LONGEST]
        notes = (f"CSeq {number} {method}", *_of_response(message), *_of_both(message))
        return Facts(label, notes, message.status, method, sender, target)
    notes = (f"CSeq {number}", *_of_request(message), *_of_both(message))
    return Facts(message.method[:_LONGEST], notes, 0, method, sender, target)


def user_of(value: str) -> str:
    """The user of a From or To; "" when there is none."""
    try:
        address = parse_name_addr(value).address
    except RemoteProtocolError:
        return ""
    return address.user or address.host


def _of_request(request: Request) -> Iterator[str]:
    headers = request.headers
    if request.method in {"INVITE", "MESSAGE", "REFER"}:
        yield request.uri
    if request.method == "REGISTER":
        yield f"contact {_short(headers.get('Contact', 'none'))}"
        if "Expires" in headers:
            yield f"expires {_short(headers['Expires'])}"
    if "Refer-To" in headers:
        yield f"refer to {_short(headers['Refer-To'])}"
    if "Authorization" in headers or "Proxy-Authorization" in headers:
        yield "with credentials"


def _of_response(response: Response) -> Iterator[str]:
    headers = response.headers
    for name, words in (("Warning", "warning"), ("Retry-After", "retry after"), ("Min-Expires", "at least")):
        if name in headers:
            yield f"{words} {_short(headers[name])}"
    for name in ("WWW-Authenticate", "Proxy-Authenticate"):
        if name in headers:
            yield "challenge, nonce stale" if "stale=true" in headers[name].lower() else "challenge"
    if response.cseq[1] == "REGISTER" and response.status == 200:
        yield f"contact {_short(headers.get('Contact', 'none'))}"


def _of_both(message: Message) -> Iterator[str]:
    headers = message.headers
    if "Reason" in headers:
        yield _short(headers["Reason"])
    if "Event" in headers:
        yield f"event {_short(headers['Event'])}"
    if message.body:
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind == "application/sdp":
            yield from media_notes(message.body)
        else:
            yield f"{_short(kind or 'a body')}, {len(message.body)} bytes"


def media_notes(body: bytes) -> Iterator[str]:
    """Each stream of a session description: kind, address, codecs, direction."""
    try:
        session = parse_session(body)
        for media in session.media:
            yield _stream(session, media)
    except RemoteProtocolError as error:
        yield f"SDP: {_short(error.reason)}"


def _stream(session: SessionDescription, media: MediaDescription) -> str:
    if media.port == 0:
        return f"{media.kind} rejected"
    connection = session.connection_of(media)
    host = connection.address if connection is not None else "?"
    codecs = [_codec(media, name) for name in media.formats[:_CODECS_SHOWN]]
    more = [f"{len(media.formats) - _CODECS_SHOWN} more"] if len(media.formats) > _CODECS_SHOWN else []
    direction = session.direction_of(media)
    # Encrypted or not is what often keeps two phones apart.
    secure = [media.protocol] if "SAVP" in media.protocol.upper() else []
    words = [f"{media.kind} {host}:{media.port}", *secure, "/".join([*codecs, *more])]
    return " ".join(words if direction == "sendrecv" else [*words, direction])


def _codec(media: MediaDescription, name: str) -> str:
    rtpmap = media.rtpmap(name)
    if rtpmap is None:
        return name
    return "DTMF" if rtpmap.encoding.lower() == "telephone-event" else rtpmap.encoding


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
