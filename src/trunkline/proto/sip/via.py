"""Via: where a response goes (RFC 3261 §18.2, §20.42; RFC 3581 rport; RFC 5118 IPv6 spellings).

Only the topmost value is ever parsed; those below it belong to others and leave as they came.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import (
    TOKEN,
    VALUE,
    excerpt,
    first_element,
    parse_parameters,
    render_parameters,
)
from trunkline.proto.sip.numbers import parse_uint
from trunkline.proto.sip.uri import HOST, bare_host

MAGIC_COOKIE: Final = "z9hG4bK"
DATAGRAM_KEEP_S: Final = 25
STREAM_KEEP_S: Final = 120

# As nearly everybody writes it: one space, no quotes; ends where the value or its list element ends.
_usual = re.compile(
    rf"SIP/2\.0/({TOKEN}) ({HOST})(?::([0-9]{{1,5}}))?+((?:;{TOKEN}(?:={VALUE})?+)*+)(?=[,\n]|\Z)"
).match
# RFC 3261 §25.1: sent-protocol LWS sent-by, with LWS around each slash and colon (RFC 4475 §3.1.1.1). An IPv6
# address without brackets is tolerated, as in received (RFC 5118 §4.5); all of it is then address, no port.
_spaced = re.compile(
    rf"SIP[ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+({TOKEN})[ \t]++"
    rf"(?:([0-9A-Fa-f]*+:[0-9A-Fa-f.]*+:[0-9A-Fa-f:.]*+)|({HOST})(?:[ \t]*+:[ \t]*+([0-9]{{1,5}}))?+)"
    r"[ \t]*+(;.*+)?\Z",
    re.DOTALL | re.IGNORECASE | re.ASCII,
).match
_keep = re.compile(r";keep(?=;|\Z)", re.IGNORECASE | re.ASCII)
_marks = re.compile(r";(received|rport)(?:=[^;]*+)?+(?=;|\Z)", re.IGNORECASE | re.ASCII)


class Via:
    """One Via: ``transport`` in capitals, ``host`` in lower case with IPv6 in brackets, ``port`` or None.

    ``branch`` is "" when there is none (RFC 2543). ``head`` and ``tail`` are the text before and from the
    first parameter; ``end`` is the offset in the parsed value where this element ended.
    """

    __slots__ = ("_params", "branch", "end", "head", "host", "port", "tail", "transport")

    def __init__(
        self, transport: str, host: str, port: int | None, branch: str, head: str, tail: str, end: int
    ) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.branch = branch
        self.head = head
        self.tail = tail
        self.end = end
        self._params: dict[str, str | None] | None = None

    @property
    def params(self) -> dict[str, str | None]:
        """All parameters, names in lower case, in order."""
        if self._params is None:
            self._params = parse_parameters(self.tail)
        return self._params

    @property
    def asks_rport(self) -> bool:
        """Whether the sender wants answers at its source port (RFC 3581 §4), told without parsing.

        A parameter that merely holds the word counts too: an answer to the source does no harm.
        """
        return "rport" in self.tail or "rport" in self.tail.lower()

    @property
    def sent_by(self) -> str:
        """``host`` or ``host:port``: part of the transaction key (RFC 3261 §17.2.3)."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def reply_address(self) -> tuple[str, int]:
        """Where an answer goes when the request's flow is gone (RFC 3261 §18.2.2, RFC 3581 §4).

        Host without brackets and port. ``maddr`` is not followed: it would let anybody aim our answers.
        """
        params = self.params
        host = bare_host(params.get("received") or self.host)
        rport = params.get("rport")
        if rport:
            return host, parse_uint(rport, "rport", 65535)
        return host, self.port or (5061 if self.transport in {"TLS", "WSS"} else 5060)

    def __repr__(self) -> str:
        return f"Via({self.head + self.tail!r})"


def parse_top_via(value: str) -> Via:
    """The topmost Via of a header value; the others are not looked at.

    Any transport token is taken (RFC 4475 §3.1.1.10). Raises RemoteProtocolError when it is malformed.
    """
    match = _usual(value)
    if match is None:
        return _parse_spaced(value)
    transport, host, digits, tail = match.groups()
    at = tail.find(";branch=")
    if at < 0:
        branch = parse_parameters(tail).get("branch") or ""
    else:
        at += 8
        end = tail.find(";", at)
        branch = tail[at:] if end < 0 else tail[at:end]
    end = match.end()
    head = value[: end - len(tail)]
    return Via(transport.upper(), host.lower(), _port(digits), branch, head, tail, end)


def stamp_via(
    value: str, source_host: str, source_port: int, force_rport: bool = False, via: Via | None = None
) -> str:
    """``value`` with ``received`` and ``rport`` of the topmost Via filled in; the others stay untouched.

    ``received`` is set whenever the source differs from sent-by (RFC 3261 §18.2.1) and always together with
    ``rport``; ``rport`` when the sender asks or ``force_rport`` is set (RFC 3581 §4). What the peer wrote
    into them is dropped. ``source_host`` is an address without brackets; ``via`` spares parsing what
    ``parse_top_via(value)`` gave before. Raises RemoteProtocolError when the topmost Via is malformed.
    """
    if via is None:
        via = parse_top_via(value)
    if "%" in source_host:
        # RFC 6874 §4: the zone of a link-local address means nothing to anybody else.
        source_host = source_host.partition("%")[0]
    tail = via.tail
    lower = tail.lower()
    if ";keep" in lower:
        tail = _promised(via)
    if "rport" in lower or "received" in lower:
        at = tail.find(";rport")
        alone = lower.count("rport") == 1 and "received" not in lower
        if alone and at >= 0 and tail[at + 6 : at + 7] in {"", ";"}:
            tail = f"{tail[: at + 6]}={source_port}{tail[at + 6 :]};received={source_host}"
            return f"{via.head}{tail}{value[via.end :]}"
        tail, asked = _without_marks(tail)
        force_rport = force_rport or asked
    if force_rport:
        tail = f"{tail};rport={source_port};received={source_host}"
    elif bare_host(via.host) != source_host:
        tail = f"{tail};received={source_host}"
    return f"{via.head}{tail}{value[via.end :]}"


def _promised(via: Via) -> str:
    """The parameters with what we answer to ``keep``: how often a keep-alive is expected, in seconds (RFC 6223 §4.3).

    NATs forget UDP after half a minute, connections after some.
    """
    seconds = DATAGRAM_KEEP_S if via.transport == "UDP" else STREAM_KEEP_S
    return _keep.sub(f";keep={seconds}", via.tail, count=1)


def _without_marks(tail: str) -> tuple[str, bool]:
    """The parameters in ``tail`` without ``received`` and ``rport``, and whether ``rport`` was among them."""
    if '"' not in tail:
        asked = any(len(mark) == len("rport") for mark in _marks.findall(tail))
        return _marks.sub("", tail), asked
    params = parse_parameters(tail)
    asked = "rport" in params
    params.pop("rport", None)
    params.pop("received", None)
    return render_parameters(params), asked


def _parse_spaced(value: str) -> Via:
    element, end = first_element(value)
    match = _spaced(element)
    if match is None:
        raise RemoteProtocolError(f"malformed Via {excerpt(element)}")
    transport, address, host, digits, tail = match.groups("")
    host = f"[{address}]" if address else host
    port = _port(digits)
    params = parse_parameters(tail.rstrip(" \t"))
    head = f"SIP/2.0/{transport} {host}" if port is None else f"SIP/2.0/{transport} {host}:{port}"
    branch = params.get("branch") or ""
    return Via(transport.upper(), host.lower(), port, branch, head, render_parameters(params), end)


def _port(digits: str | None) -> int | None:
    return parse_uint(digits, "Via port", 65535) if digits else None
