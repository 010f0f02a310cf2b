"""Preconditions in descriptions (RFC 3312)."""

from __future__ import annotations

import pytest

from trunkline.media.preconditions import (
    are_met,
    mirrored,
    refusal_of_preconditions,
    without_preconditions,
)

pytestmark = pytest.mark.rule("T-18")

HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def body(*sections: str) -> bytes:
    """A description of audio streams with these rows, ended by line feeds as its sender likes."""
    return HEAD + b"".join(b"m=audio 4000 RTP/AVP 0\r\n" + rows.encode() for rows in sections)


@pytest.mark.rfc("3312", "5.1.2")
@pytest.mark.parametrize(
    ("rows", "met"),
    [
        ("", True),
        ("a=curr:qos local none\r\na=des:qos optional local sendrecv\r\n", True),
        ("a=curr:qos local none\r\na=des:qos none local sendrecv\r\n", True),
        ("a=curr:qos local none\r\na=des:qos mandatory local sendrecv\r\n", False),
        ("a=curr:qos local send\r\na=des:qos mandatory local sendrecv\r\n", False),
        ("a=curr:qos local sendrecv\r\na=des:qos mandatory local send\r\n", True),
        ("a=curr:qos e2e sendrecv\r\na=des:qos mandatory e2e sendrecv\r\n", True),
        ("a=curr:qos remote sendrecv\r\na=des:qos mandatory local sendrecv\r\n", False),
        ("a=des:qos mandatory local none\r\n", True),
        ("a=des:qos mandatory local sendrecv\r\n", False),
        ("a=curr:qos local none\na=des:qos mandatory local sendrecv\n", False),
        ("a=des:nonsense\r\n", True),
    ],
)
def test_what_is_mandatory_must_be_there_in_its_direction(rows: str, *, met: bool) -> None:
    assert are_met(body(rows)) == met
    assert are_met(body("", rows)) == met, "in each stream"


@pytest.mark.rfc("3312", "8")
def test_a_refusal_names_what_failed_in_each_stream() -> None:
    offer = body("a=des:qos mandatory local send\r\na=des:qos optional remote recv\r\n", "a=ptime:20\r\n")
    assert refusal_of_preconditions(offer).endswith(
        b"m=audio 0 RTP/AVP 0\r\na=des:qos failure remote recv\r\nm=audio 0 RTP/AVP 0\r\n"
    )


@pytest.mark.rfc("3312", "5.1.2")
def test_an_answer_shows_them_from_the_other_side() -> None:
    offer = body(
        "a=curr:qos local send\r\na=des:qos optional local sendrecv\r\n", "a=des:qos none e2e recv\r\n"
    )
    answer = body("a=ptime:20\r\n", "a=ptime:30\r\n")
    assert mirrored(offer, answer) == body(
        "a=ptime:20\r\na=curr:qos remote recv\r\na=des:qos optional remote sendrecv\r\n",
        "a=ptime:30\r\na=des:qos none e2e send\r\n",
    )


def test_nothing_of_them_is_left_for_others() -> None:
    rows = "a=curr:qos local none\r\na=ptime:20\r\na=conf:qos local sendrecv\r\na=des:qos none local send\r\n"
    assert without_preconditions(body(rows)) == body("a=ptime:20\r\n")
    assert without_preconditions(body("")) == body("")
