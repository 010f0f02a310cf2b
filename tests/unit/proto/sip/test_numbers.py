"""Numbers in headers."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.numbers import (
    UINT32_MAX,
    parse_cseq,
    parse_delta_seconds,
    parse_qvalue,
    parse_uint,
)


@pytest.mark.parametrize(
    ("value", "cseq"),
    [
        ("1 INVITE", (1, "INVITE")),
        ("0009   INVITE", (9, "INVITE")),
        (" 7\tACK ", (7, "ACK")),
        ("4294967295 OPTIONS", (UINT32_MAX, "OPTIONS")),
        (
            "139122385 !interesting-Method0123456789_*+`.%indeed'~",
            (139122385, "!interesting-Method0123456789_*+`.%indeed'~"),
        ),
    ],
)
def test_a_cseq_is_a_number_and_a_method(value: str, cseq: tuple[int, str]) -> None:
    assert parse_cseq(value) == cseq


@pytest.mark.rfc("4475", "3.1.2.4")
@pytest.mark.parametrize(
    "value",
    [
        "",
        "INVITE",
        "1",
        "1INVITE",
        "-1 INVITE",
        "+1 INVITE",
        "1_0 INVITE",
        "x INVITE",
        "1 INV ITE",
        "1 INVITE x",
        "4294967296 REGISTER",
        "36893488147419103232 REGISTER",
        "² INVITE",
        "9" * 5000 + " INVITE",
    ],
)
def test_a_malformed_or_too_large_cseq_is_an_error(value: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_cseq(value)
    assert caught.value.status == 400
    assert len(caught.value.reason) < 120


def test_a_number_is_bounded_and_may_have_leading_zeros() -> None:
    assert parse_uint(" 0068 ", "Max-Forwards", 255) == 68
    assert parse_uint("0" * 5000 + "1", "Max-Forwards", 255) == 1
    assert parse_uint("0" * 5000, "Max-Forwards", 255) == 0
    for value in ("256", "-999", "", " ", "1.0", "0x10", "٣", "1" * 5000):
        with pytest.raises(RemoteProtocolError, match="Max-Forwards"):
            parse_uint(value, "Max-Forwards", 255)


@pytest.mark.rfc("3261", "20.19")
def test_seconds_beyond_32_bits_count_as_the_largest() -> None:
    assert parse_delta_seconds("3600", "Expires") == 3600
    assert parse_delta_seconds("4294967296", "Expires") == UINT32_MAX
    assert parse_delta_seconds("1" + "0" * 99, "Expires") == UINT32_MAX
    assert parse_delta_seconds("0" * 50 + "60", "Expires") == 60
    with pytest.raises(RemoteProtocolError, match="Expires is not a number"):
        parse_delta_seconds("soon", "Expires")


def test_a_q_value_is_read_in_thousandths() -> None:
    cases = {"1": 1000, "1.0": 1000, "1.000": 1000, "0": 0, "0.": 0, "0.5": 500, "0.33": 330, "0.001": 1}
    assert {value: parse_qvalue(value) for value in cases} == cases
    for value in ("", "2", "1.1", "0.1234", ".5", "-0", "0,5", "1.0001"):
        with pytest.raises(RemoteProtocolError, match="q is not within"):
            parse_qvalue(value)
