"""The compiled scanner says what the full parser says, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import pytest

from trunkline._native import Scanner
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip import message as parser
from trunkline.proto.sip.header_names import CANONICAL
from trunkline.proto.sip.message import Request, check_request, check_response, parse_in_full, parse_message
from trunkline.proto.sip.transaction.layer import _server_key
from trunkline.proto.sip.via import stamp_via

VECTORS = sorted((Path(__file__).parents[3] / "vectors").glob("rfc*/*.dat"))
SCANNER = Scanner(CANONICAL)

INVITE = (
    b"INVITE sip:200@192.0.2.9:5060;transport=udp SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1;rport\r\nVia: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK0\r\n"
    b'Max-Forwards: 70\r\nFrom: "Anna, B" <sip:100@b.test>;tag=a1\r\nTo: <sip:200@b.test>\r\nCall-ID: c@h\r\n'
    b"CSeq: 0007 INVITE\r\nContact: <sip:100@192.0.2.1>\r\nContent-Length: 2\r\n\r\nhi there"
)
RINGING = (
    b"SIP/2.0 180 Ringing\r\nv: SIP/2.0/udp Host.Test;branch=z9hG4bK1\r\nf: <sip:100@b.test>;tag=a1\r\n"
    b"t: Bob <sip:200@b.test>;tag=b/2\r\ni: c@h\r\ncseq: 1 INVITE\r\n\r\n"
)


def outcome(parse: Any, data: bytes) -> Any:
    """Everything that anybody can ask of a message, or the error."""
    try:
        message = parse(data)
    except RemoteProtocolError as error:
        return error.status, error.reason
    start = (
        (message.method, message.uri) if isinstance(message, Request) else (message.status, message.reason)
    )
    check = check_request if isinstance(message, Request) else check_response
    return (
        start,
        list(message.headers.items()),
        message.body,
        [_asked(ask, message) for ask in (*ASKED, check)],
    )


def _asked(ask: Any, message: Any) -> Any:
    try:
        return ask(message)
    except RemoteProtocolError as error:
        return error.status, error.reason


ASKED = (
    lambda m: m.cseq,
    lambda m: m.from_tag,
    lambda m: m.to_tag,
    lambda m: (m.via.transport, m.via.host, m.via.port, m.via.branch, m.via.head, m.via.tail, m.via.end),
    lambda m: m.via.params,
)


@pytest.mark.parametrize("data", [INVITE, RINGING], ids=["request", "response"])
def test_usual_messages_are_scanned_and_sound(data: bytes) -> None:
    assert SCANNER.scan(data) is not None
    assert parse_message(data).sound
    assert outcome(parse_message, data) == outcome(parse_in_full, data)


def test_what_is_not_sound_is_looked_at_again() -> None:
    for damage in (b"Call-ID: c@h\r\n", b"CSeq: 0007 INVITE\r\n", b";tag=a1"):
        broken = INVITE.replace(damage, b"")
        assert SCANNER.scan(broken) is not None
        with pytest.raises(RemoteProtocolError):
            check_request(parse_message(broken))  # type: ignore[arg-type]  # a request


@pytest.mark.parametrize("vector", VECTORS, ids=lambda path: path.stem)
def test_torture_messages_come_out_the_same(vector: Path) -> None:
    data = vector.read_bytes()
    assert outcome(parse_message, data) == outcome(parse_in_full, data)


PIECES = (
    *(bytes([one]) for one in b'\r\n \t:;,<>"\\=?@0\x00\x7f\xff'),
    *(b"\r\n", b"9" * 10, b"tag=x", b";tag=", b";branch=b", b";BRANCH=c", b"Via: SIP/2.0/UDP x;branch=y\r\n"),
    *(b"l: 1\r\n", b"CSeq: 2 BYE\r\n", b"To: <sip:a@b>;tag=2\r\n", b"X-Own: 1\r\n", b"\xc3\xa9", b"%20"),
    *(b"sip:", b"SIP/2.0"),
)
MUTANTS = 3000


def mutants() -> Iterator[bytes]:
    """Usual messages with one to three places overwritten, the same in each run."""
    dice = Random("usual messages")  # noqa: S311  (repeatable)
    for _ in range(MUTANTS):
        data = bytearray(dice.choice((INVITE, RINGING)))
        for _ in range(dice.randint(1, 3)):
            at = dice.randint(0, len(data))
            data[at : at + dice.randint(0, 3)] = dice.choice(PIECES)
        yield bytes(data)


def test_mutated_messages_come_out_the_same() -> None:
    for data in mutants():
        assert outcome(parse_message, data) == outcome(parse_in_full, data), data


def test_bytes_that_no_parser_takes_are_left_alone() -> None:
    for data in (
        b"",
        b"\r\n\r\n",
        b"\xff" * 40,
        INVITE[:50],
        b"INVITE sip:a SIP/2.0\r\n" + b"a" * 70_000 + b":b\r\n\r\n",
    ):
        assert SCANNER.scan(data) is None
    assert parser.MAX_HEADERS == 512
    many = b"INVITE sip:a SIP/2.0\r\n" + b"To: x\r\n" * 600 + b"\r\n"
    assert SCANNER.scan(many) is None


SOURCES = (("192.0.2.1", 5062), ("198.51.100.7", 1), ("2001:db8::1", 65535), ("fe80::1%2", 5060))


def _answerable(parse: Any, data: bytes, source: tuple[str, int]) -> Any:
    """What an answer repeats, and the key of the transaction, by the scanner or by hand."""
    try:
        request = parse(data, source) if parse is parse_message else parse(data)
        if not isinstance(request, Request):
            return None
        check_request(request)
        via = request.via
        if not request.place:
            request.replace_via(stamp_via(request.headers["Via"], *source, via=via))
        return request.echo, list(request.headers.items()), _server_key(request, request.method)
    except RemoteProtocolError as error:
        return error.status


def test_stamped_requests_are_answered_as_others_are() -> None:
    for data, source in zip(mutants(), cycle(SOURCES), strict=False):
        single = data.replace(b"Via: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK0\r\n", b"")
        for form in (data, single):
            assert _answerable(parse_message, form, source) == _answerable(parse_in_full, form, source), form


def test_a_usual_request_comes_stamped() -> None:
    single = INVITE.replace(b"Via: SIP/2.0/TCP [2001:db8::1];branch=z9hG4bK0\r\n", b"")
    request = parse_message(single, ("192.0.2.1", 5062))
    assert isinstance(request, Request)
    assert request.place == "z9hG4bK1 192.0.2.1:5062"
    assert request.headers["Via"].endswith(";branch=z9hG4bK1;rport=5062;received=192.0.2.1")
