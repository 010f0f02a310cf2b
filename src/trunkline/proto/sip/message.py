"""SIP messages as they arrive: split once, typed only where somebody asks.

A message keeps its headers in one dict from the canonical name to one string. A header that occurs more than
once keeps its values in that string, separated by a line feed, which cannot occur in a value (folding is
undone first). Typed values are parsed on demand and cached, because a typical message is asked for four or
five of its fifteen headers.

Text is ``str`` decoded from UTF-8 with ``surrogateescape``: whatever bytes came in leave unchanged.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline._native import Scanner
from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.proto.sip.header_names import CANONICAL, canonical
from trunkline.proto.sip.name_addr import tag_of
from trunkline.proto.sip.numbers import parse_cseq, parse_uint
from trunkline.proto.sip.uri import parse_uri
from trunkline.proto.sip.via import Via, parse_top_via

MAX_HEAD: Final = 65536
MAX_HEADERS: Final = 512

# White space before the line break is left where it is: looking for it would cost quadratic time on a long run.
_FOLD: Final = re.compile(r"\r\n[ \t]++")
# RFC 3261 §25.1 Method: a token. Names are case-sensitive.
_METHOD: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+\Z")
# RFC 3261 §7.1: no white space and no angle brackets in a Request-URI.
_REQUEST_URI: Final = re.compile(r"[^\s<>\"]+\Z")
_HOPS: Final = {str(number): number for number in range(256)}
_ONCE: Final = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type", "Expires")


class Message:
    """What requests and responses share. ``headers`` maps canonical names to values, see the module.

    What else the scanner has read is taken over; None, and "" for a tag, are read when they are asked for.
    ``sound`` tells that it has seen all that ``check_request`` or ``check_response`` asks for.
    """

    __slots__ = ("_cseq", "_from_tag", "_to_tag", "_via", "body", "headers", "sound")

    # Set by each of the two kinds at once: a call of one constructor by another for each message is felt.
    headers: dict[str, str]
    body: bytes
    sound: bool
    _via: Via | None
    _cseq: tuple[int, str] | None
    _from_tag: str | None
    _to_tag: str | None

    def get(self, name: str) -> str | None:
        """A header by its canonical name; several values stand apart by a line feed."""
        return self.headers.get(name)

    def values(self, name: str) -> list[str]:
        """The values of a header that is no comma list, one for each occurrence."""
        value = self.headers.get(name)
        return [] if value is None else value.split("\n")

    @property
    def call_id(self) -> str:
        return self.headers.get("Call-ID", "")

    @property
    def cseq(self) -> tuple[int, str]:
        """Number (0..2**32-1) and method; raises RemoteProtocolError when malformed."""
        if self._cseq is None:
            self._cseq = parse_cseq(self.headers.get("CSeq", ""))
        return self._cseq

    @property
    def via(self) -> Via:
        """The topmost Via; raises RemoteProtocolError when there is none or it is malformed."""
        if self._via is None:
            self._via = parse_top_via(self.headers.get("Via", ""))
        return self._via

    @property
    def from_tag(self) -> str | None:
        if self._from_tag == "":
            self._from_tag = tag_of(self.headers.get("From", ""))
        return self._from_tag

    @property
    def to_tag(self) -> str | None:
        if self._to_tag == "":
            self._to_tag = tag_of(self.headers.get("To", ""))
        return self._to_tag


class Request(Message):
    """A request: ``method`` (case-sensitive token), ``uri`` the Request-URI as text.

    Where the scanner has stamped the topmost Via with the source, ``place`` is its branch and sent-by, and
    ``echo`` is made ready for the answer; else ``place`` is empty.
    """

    __slots__ = ("_echo", "method", "place", "uri")

    def __init__(
        self,
        method: str,
        uri: str,
        headers: dict[str, str],
        body: bytes = b"",
        via: Via | None = None,
        cseq: tuple[int, str] | None = None,
        from_tag: str | None = "",
        to_tag: str | None = "",
        sound: bool = False,
        place: str = "",
        echo: str | None = None,
    ) -> None:
        self.method = method
        self.uri = uri
        self.headers = headers
        self.body = body
        self._via = via
        self._cseq = cseq
        self._from_tag = from_tag
        self._to_tag = to_tag
        self.sound = sound
        self.place = place
        self._echo = echo

    @property
    def echo(self) -> str:
        """The header lines that every response repeats (RFC 3261 §8.2.6.2), all but To."""
        if self._echo is None:
            h = self.headers
            own = f"From: {h['From']}\r\nCall-ID: {h['Call-ID']}\r\nCSeq: {h['CSeq']}\r\n"
            if own.count("\n") != 3 or own.count("\r") != 3:
                raise LocalProtocolError("a request is answered before check_request has seen it")
            via = h["Via"].replace("\n", "\r\nVia: ")
            self._echo = f"Via: {via}\r\n{own}"
        return self._echo

    def replace_via(self, value: str) -> None:
        """Take over the Via values with ``received`` and ``rport`` filled in."""
        self.headers["Via"] = value
        self._echo = None

    @property
    def max_forwards(self) -> int:
        """0..255; 70 when the header is missing (RFC 2543 elements did not send it)."""
        value = self.headers.get("Max-Forwards", "70")
        usual = _HOPS.get(value)
        return parse_uint(value, "Max-Forwards", 255) if usual is None else usual

    def __repr__(self) -> str:
        return f"<{self.method} {self.uri}>"


class Response(Message):
    """A response: ``status`` 100..699 and its ``reason`` phrase."""

    __slots__ = ("reason", "status")

    def __init__(
        self,
        status: int,
        reason: str,
        headers: dict[str, str],
        body: bytes = b"",
        via: Via | None = None,
        cseq: tuple[int, str] | None = None,
        from_tag: str | None = "",
        to_tag: str | None = "",
        sound: bool = False,
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self._via = via
        self._cseq = cseq
        self._from_tag = from_tag
        self._to_tag = to_tag
        self.sound = sound

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason}>"


_scan = Scanner(CANONICAL).scan


def parse_message(data: bytes, source: tuple[str, int] | None = None) -> Request | Response:
    """One whole message: a datagram, or what a stream framer cut out; raises RemoteProtocolError.

    With its ``source`` (address and port) a usual request comes with its Via stamped (see ``Request.place``).

    The compiled scanner takes apart what is written as nearly everybody writes it; everything else is left to
    ``parse_in_full``, which knows the whole grammar and says the same of the usual messages.
    """
    scanned = _scan(data) if source is None else _scan(data, source[0], source[1])
    if scanned is None:
        return parse_in_full(data)
    first, second, headers, body, via, cseq, from_tag, to_tag, sound, reply = scanned
    top = None if via is None else Via(*via)
    if not isinstance(first, str):
        return Response(first, second, headers, body, top, cseq, from_tag, to_tag, sound)
    if reply is None:
        return Request(first, second, headers, body, top, cseq, from_tag, to_tag, sound)
    return Request(first, second, headers, body, top, cseq, from_tag, to_tag, sound, *reply)


def parse_in_full(data: bytes) -> Request | Response:
    """Parse a message of any form.

    Raises RemoteProtocolError: 400 for bad syntax, 505 for another version. Content-Length shorter than the
    rest cuts the body, longer is an error, missing means the rest (RFC 3261 §18.3).
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        raise RemoteProtocolError("no empty line after the headers")
    if end > MAX_HEAD:
        raise RemoteProtocolError("headers too large", 513)
    lines = data[:end].decode("utf-8", "surrogateescape").split("\r\n")
    if len(lines) > MAX_HEADERS:
        raise RemoteProtocolError("too many headers", 513)
    text = "".join(lines)
    if "\r" in text or "\n" in text:
        raise RemoteProtocolError("stray CR or LF in the headers")
    start = lines[0]
    headers = _split_headers(lines)
    body = _cut_body(data[end + 4 :], headers.get("Content-Length"))
    if start.startswith("SIP/2.0 "):
        return _response(start, headers, body)
    return _request(start, headers, body)


def _split_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    known = CANONICAL.get
    for i in range(1, len(lines)):
        line = lines[i]
        name, colon, value = line.partition(":")
        key = known(name)
        if key is None:
            if line[:1] in {" ", "\t"}:
                # Folding is rare enough to begin anew.
                return _split_headers(_unfold(lines))
            key = canonical(name)
        if not colon:
            raise RemoteProtocolError(f"header line without colon: {_excerpt(line)}")
        value = value.strip(" \t")
        if key in headers:
            headers[key] = f"{headers[key]}\n{value}"
        else:
            headers[key] = value
    return headers


def _unfold(lines: list[str]) -> list[str]:
    """RFC 3261 §7.3.1: a line that begins with white space continues the one before it, by one space."""
    if lines[1][:1] in {" ", "\t"}:
        # RFC 3261 §7.1: "no line folding" in the start line.
        raise RemoteProtocolError("the start line is folded")
    return _FOLD.sub(" ", "\r\n".join(lines)).split("\r\n")


def _cut_body(rest: bytes, content_length: str | None) -> bytes:
    if content_length is None or content_length == str(len(rest)):
        return rest
    if "\n" in content_length:
        # RFC 4475 §3.3.9: nobody can know which of them is meant.
        raise RemoteProtocolError("more than one Content-Length header")
    length = parse_uint(content_length, "Content-Length", 2**31)
    if length > len(rest):
        raise RemoteProtocolError(f"Content-Length {length} but only {len(rest)} bytes of body")
    return rest[:length] if length != len(rest) else rest


def _request(start: str, headers: dict[str, str], body: bytes) -> Request | Response:
    # RFC 3261 §25.1 Request-Line: exactly one space between its three parts.
    method, _, rest = start.partition(" ")
    uri, _, version = rest.partition(" ")
    if version != "SIP/2.0" and version.upper() != "SIP/2.0":
        return _other_version(start, version, headers, body)
    if not _METHOD.match(method):
        raise RemoteProtocolError(f"malformed method: {_excerpt(method)}")
    if not _REQUEST_URI.match(uri):
        raise RemoteProtocolError(f"malformed Request-URI: {_excerpt(uri)}")
    return Request(method, uri, headers, body)


def _other_version(start: str, version: str, headers: dict[str, str], body: bytes) -> Response:
    # RFC 3261 §7.1: SIP-Version is case-insensitive, in a status line too.
    if start[:8].upper() == "SIP/2.0 ":
        return _response(start, headers, body)
    if version[:4].upper() == "SIP/" and " " not in version:
        # RFC 3261 §21.5.6
        raise RemoteProtocolError("only SIP/2.0 is spoken here", 505)
    raise RemoteProtocolError(f"malformed start line: {_excerpt(start)}")


def _response(start: str, headers: dict[str, str], body: bytes) -> Response:
    code = start[8:11]
    if not (code.isascii() and code.isdigit() and start[11:12] in {" ", ""} and 100 <= int(code) <= 699):
        raise RemoteProtocolError(f"malformed status line: {_excerpt(start)}")
    return Response(int(code), start[12:], headers, body)


def check_request(request: Request) -> None:
    """The headers that each request must have, once each, and its URI; raises RemoteProtocolError.

    RFC 3261 §8.1.1, §19.1.1: a Request-URI carries no headers, and what looks like some must never become one
    (RFC 4475 §3.1.2.11). A scheme that is not known passes: the user answers 416 (RFC 3261 §8.2.2.1).
    """
    if request.sound:
        return
    headers = request.headers
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        if not headers.get(name):
            raise RemoteProtocolError(f"missing {name} header")
    for name in _ONCE:
        value = headers.get(name)
        if value is not None and "\n" in value:
            raise RemoteProtocolError(f"more than one {name} header")
    if parse_uri(request.uri).headers:
        raise RemoteProtocolError("headers in the Request-URI")
    if request.cseq[1] != request.method:
        raise RemoteProtocolError(f"CSeq names {_excerpt(request.cseq[1])}, the request is {request.method}")
    if request.from_tag is None and request.via.branch.startswith("z9hG4bK"):
        raise RemoteProtocolError("From without tag")


def check_response(response: Response) -> None:
    """The headers without which a response cannot be matched; raises RemoteProtocolError.

    RFC 3261 §8.1.3.3: a response with a second Via came to the wrong place and is not ours to take.
    """
    if response.sound:
        return
    headers = response.headers
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        value = headers.get(name)
        if not value or "\n" in value:
            raise RemoteProtocolError(f"response with missing or repeated {name}")
    if "\n" in headers.get("Content-Type", ""):
        raise RemoteProtocolError("response with repeated Content-Type")
    if response.via.end < len(headers["Via"]):
        raise RemoteProtocolError("response with more than one Via")


def _excerpt(text: str) -> str:
    """A short, printable piece of what the peer sent."""
    return ascii(text[:40])
