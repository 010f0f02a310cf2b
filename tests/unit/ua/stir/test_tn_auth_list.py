"""For which numbers a certificate speaks."""

from __future__ import annotations

import contextlib
import random

import pytest

from tests.peers.signers import block, code, element, one
from trunkline.base.errors import RemoteProtocolError
from trunkline.ua.stir.tn_auth_list import MAX_ENTRIES, parse_tn_auth_list

LIST = element(0x30, block("12025550100", 100), one("4930123456"))


@pytest.mark.rfc("8226", "9")
@pytest.mark.rule("T-35")
@pytest.mark.parametrize(
    ("number", "covered"),
    [
        ("12025550100", True),
        ("12025550199", True),
        ("12025550200", False),
        ("12025550099", False),
        ("4930123456", True),
        ("4930123457", False),
        ("2025550100", False),
    ],
)
def test_ranges_and_single_numbers_cover_what_they_say(number: str, covered: bool) -> None:
    assert parse_tn_auth_list(LIST).covers(number) is covered


@pytest.mark.rfc("8226", "9")
def test_a_providers_code_speaks_for_any_number() -> None:
    read = parse_tn_auth_list(element(0x30, code("1234")))
    assert read.codes == ("1234",)
    assert read.covers("12025550100")
    assert not parse_tn_auth_list(element(0x30)).covers("12025550100")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x05",
        LIST + b"x",
        element(0x31, one("1")),
        element(0x30, element(0xA3, b"x")),
        element(0x30, one("x")),
        element(0x30, one("1" * 16)),
        element(0x30, element(0xA1, b"\x30\x00")),
        b"\x30\x80\x00\x00",
        b"\x30\x84\x00\x00\x00\x00",
        element(0x30, *[one("1")] * (MAX_ENTRIES + 1)),
        bytes(70000),
    ],
)
def test_what_is_no_list_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_tn_auth_list(data)
    assert caught.value.status == 437


def test_no_mutant_of_a_list_raises_anything_else() -> None:
    dice = random.Random(7)  # noqa: S311  (mutants, not secrets)
    for _ in range(3000):
        data = bytearray(LIST)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with contextlib.suppress(RemoteProtocolError):
            parse_tn_auth_list(bytes(data)).covers("12025550100")
