"""RFC 4475 and RFC 5118 through the parser, the transaction layer and the stream framer."""

from __future__ import annotations

import re
from contextlib import nullcontext

import pytest

from tests.conformance.torture import TORTURE, VECTORS, Vector, params
from tests.unit.proto.sip.transaction.kit import FakeWire, World
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.message import Request, Response, check_request, check_response, parse_message
from trunkline.proto.sip.stream import StreamFramer

# What RFC 4475 calls invalid and lets an element take that does not care for what is wrong.
TAKEN = {
    "baddate": "§3.1.2.12: an element that has no use for Date should not refuse it",
    "regbadct": "§3.1.2.13: the Contact is read, and refused, by the registrar",
}
# What parses, and is answered before a user sees it because it cannot be a request.
REFUSED_HERE = {"insuf": 400, "multi01": 400, "mcl01": 400}
# The text of RFC 5118 breaks off before the empty line, or counts its body wrong; the framed twins are taken.
UNFRAMED = {"ipv6-in-sdp": 400, "ipv6-bug-abnf-3-colons": 400, "ipv6-correct-abnf-2-colons": 400}
NOT_OURS = "bcast"

pytestmark = pytest.mark.rule("T-40")


def status_of(vector: Vector) -> int | None:
    """The status to answer, or None when the message is handed to the user of the layer."""
    if vector.name in REFUSED_HERE | UNFRAMED:
        return (REFUSED_HERE | UNFRAMED)[vector.name]
    if vector.expected != "invalid" or vector.name in TAKEN:
        return None
    allowed = re.findall(r"\b[45]\d\d\b", vector.answer)
    return 400 if "400" in allowed or not allowed else int(allowed[0])


def received(vector: Vector) -> tuple[World, FakeWire]:
    world = World()
    wire = world.tcp if vector.reliable else world.udp
    world.receive(vector.data, wire)
    return world, wire


def test_every_file_is_listed_and_every_listed_message_is_there() -> None:
    files = {path.stem for folder in ("rfc4475", "rfc5118") for path in (VECTORS / folder).glob("*.dat")}
    assert files == set(TORTURE)
    assert len(TORTURE) == 66


@pytest.mark.parametrize("vector", params(*(v.name for v in TORTURE.values() if v.is_request)))
def test_a_request_is_handed_up_or_answered_with_the_status_of_the_rfc(vector: Vector) -> None:
    world, wire = received(vector)
    status = status_of(vector)
    if status is None:
        assert len(world.core.requests) == 1
        assert wire.sent == []
    else:
        assert world.core.requests == []
        assert wire.statuses == [status]
    world.assert_nothing_left()


@pytest.mark.parametrize("vector", params(*(v.name for v in TORTURE.values() if not v.is_request)))
def test_a_response_is_taken_or_dropped_and_never_answered(vector: Vector) -> None:
    world, wire = received(vector)
    taken = vector.expected == "valid"
    assert [stray.status for stray in world.core.strays] == ([int(vector.data[8:11])] if taken else [])
    assert world.layer.counters.parse_errors == (0 if taken else 1)
    assert wire.sent == []


@pytest.mark.parametrize("vector", params())
def test_the_parser_takes_it_or_says_what_is_wrong(vector: Vector) -> None:
    good = status_of(vector) is None and (vector.is_request or vector.expected == "valid")
    with nullcontext() if good else pytest.raises(RemoteProtocolError) as refusal:
        read_all(parse_message(vector.data), vector)
    if refusal is not None:
        assert refusal.value.reason.isascii()
        assert refusal.value.reason.isprintable()


def read_all(message: Request | Response, vector: Vector) -> None:
    """Everything that the layer reads of a message."""
    assert isinstance(message, Request if vector.is_request else Response)
    if isinstance(message, Request):
        check_request(message)
    else:
        check_response(message)
    _ = message.via, message.cseq, message.from_tag, message.to_tag


@pytest.mark.parametrize("vector", params())
@pytest.mark.rfc(3261, "18.3")
def test_on_a_stream_it_comes_out_the_same_byte_by_byte_and_whole(vector: Vector) -> None:
    whole, error = framed([vector.data])
    pieces, same_error = framed([vector.data[i : i + 1] for i in range(len(vector.data))])
    assert (pieces, same_error) == (whole, error)
    if vector.reliable:
        assert whole == [vector.data]
    elif error is None:
        assert all(vector.data.startswith(event) for event in whole)


@pytest.mark.parametrize("vector", params("ncl", "mcl01", "inv2543"))
def test_on_a_stream_a_length_that_is_missing_negative_or_double_closes_the_connection(
    vector: Vector,
) -> None:
    events, error = framed([vector.data])
    assert events == []
    assert error is not None


@pytest.mark.rfc(4475, "3.1.1.8")
def test_on_a_stream_the_octets_behind_a_message_are_the_next_message() -> None:
    events, error = framed([TORTURE["dblreq"].data])
    assert [event[:8] for event in events] == [b"REGISTER", b"INVITE s"]
    assert error is not None


@pytest.mark.parametrize("vector", params("clerr", "ipv6-in-sdp"))
def test_on_a_stream_a_length_that_is_too_long_waits_for_more(vector: Vector) -> None:
    framer = StreamFramer()
    assert framer.feed(vector.data) == []
    assert framer.buffered == len(vector.data)


def framed(pieces: list[bytes]) -> tuple[list[bytes], str | None]:
    """The messages that a stream of these pieces holds, and why it could not be read further."""
    framer = StreamFramer()
    events: list[bytes] = []
    try:
        for piece in pieces:
            events += [event for event in framer.feed(piece) if isinstance(event, bytes)]
    except RemoteProtocolError as error:
        return events, error.reason
    return events, None if framer.error is None else framer.error.reason
