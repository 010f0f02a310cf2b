"""Messages on their way out: one f-string for each kind, never a loop over headers.

A value that holds a line break would make header lines of its own; rendering it is refused, because every
value that comes from a peer was one line when it was parsed, and whoever made this one forgot something.
"""

from __future__ import annotations

from trunkline.base.errors import LocalProtocolError
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.reasons import reason_phrase


class Draft:
    """A request that we send, without its Via.

    ``from_``, ``to`` and ``contact`` are whole header values; ``route`` and ``extra`` are blocks of finished
    header lines, each ending in CRLF, or empty; ``body`` is sent with the ``content_type`` given.
    """

    __slots__ = (
        "body",
        "call_id",
        "contact",
        "content_type",
        "cseq",
        "extra",
        "from_",
        "max_forwards",
        "method",
        "route",
        "to",
        "uri",
    )

    def __init__(
        self,
        method: str,
        uri: str,
        from_: str,
        to: str,
        call_id: str,
        cseq: int,
        *,
        route: str = "",
        contact: str = "",
        extra: str = "",
        body: bytes = b"",
        content_type: str = "application/sdp",
        max_forwards: int = 70,
    ) -> None:
        self.method = method
        self.uri = uri
        self.from_ = from_
        self.to = to
        self.call_id = call_id
        self.cseq = cseq
        self.route = route
        self.contact = contact
        self.extra = extra
        self.body = body
        self.content_type = content_type
        self.max_forwards = max_forwards

    def again(self, extra: str) -> Draft:
        """The request once more, with the next CSeq and other header lines."""
        kept = {name: getattr(self, name) for name in self.__slots__}
        return Draft(**(kept | {"cseq": self.cseq + 1, "extra": extra}))

    def render(self, via: str) -> bytes:
        """The bytes to send, ``via`` being the whole value of the topmost Via.

        Raises LocalProtocolError when a value holds a line break.
        """
        _refuse_line_breaks(
            self.method, self.uri, via, self.from_, self.to, self.call_id, self.contact, self.content_type
        )
        contact = f"Contact: {self.contact}\r\n" if self.contact else ""
        body = self.body
        kind = f"Content-Type: {self.content_type}\r\n" if body else ""
        head = (
            f"{self.method} {self.uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: {self.max_forwards}\r\n"
            f"{self.route}From: {self.from_}\r\nTo: {self.to}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {self.cseq} {self.method}\r\n{contact}{self.extra}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode("utf-8", "surrogateescape") + body

    def render_cancel(self, via: str, extra: str = "") -> bytes:
        """The CANCEL of this INVITE: its Request-URI, Via, From, To, Call-ID, CSeq number (RFC 3261 §9.1)."""
        return self._hop_by_hop("CANCEL", self.to, via, extra)

    def render_ack(self, via: str, to: str) -> bytes:
        """The ACK of a non-2xx final response, ``to`` being that response's To (RFC 3261 §17.1.1.3)."""
        return self._hop_by_hop("ACK", to, via, "")

    def _hop_by_hop(self, method: str, to: str, via: str, extra: str) -> bytes:
        if self.method != "INVITE":
            raise LocalProtocolError(f"{method} belongs to an INVITE, not to {self.method}")
        _refuse_line_breaks(self.uri, via, self.from_, to, self.call_id)
        return (
            f"{method} {self.uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n{self.route}"
            f"From: {self.from_}\r\nTo: {to}\r\nCall-ID: {self.call_id}\r\nCSeq: {self.cseq} {method}\r\n"
            f"{extra}Content-Length: 0\r\n\r\n"
        ).encode("utf-8", "surrogateescape")


def render_response(
    request: Request,
    status: int,
    to_tag: str | None = None,
    *,
    reason: str = "",
    extra: str = "",
    body: bytes = b"",
    content_type: str = "application/sdp",
) -> bytes:
    """The bytes of a response to ``request`` (RFC 3261 §8.2.6).

    ``to_tag`` is added when the request's To has none; ``extra`` is a block of finished header lines;
    ``reason`` is made one line. Raises LocalProtocolError when another value holds a line break.
    """
    to = request.headers["To"]
    if to_tag is not None and request.to_tag is None:
        to = f"{to};tag={to_tag}"
    values = to + content_type
    if "\n" in values or "\r" in values:
        raise LocalProtocolError("a line break in To or Content-Type")
    kind = f"Content-Type: {content_type}\r\n" if body else ""
    phrase = " ".join(reason.split()) if reason else reason_phrase(status)
    head = (
        f"SIP/2.0 {status} {phrase}\r\n{request.echo}To: {to}\r\n"
        f"{extra}{kind}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("utf-8", "surrogateescape") + body


def header_lines(name: str, value: str | None) -> str:
    """Finished lines of a header that we pass on, several values each on its line; empty for None."""
    if value is None:
        return ""
    if "\r" in value:
        raise LocalProtocolError(f"a line break in {name}")
    return f"{name}: " + value.replace("\n", f"\r\n{name}: ") + "\r\n"


def _refuse_line_breaks(*values: str) -> None:
    text = "".join(values)
    if "\n" in text or "\r" in text:
        raise LocalProtocolError("a line break in a value that is to be one header line")
