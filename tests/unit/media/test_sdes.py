"""Keys in the description: which rows are taken, and what of them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.media.sdes import KEY_SIZES, Crypto, best_of, complaint_of, crypto_of, new_key
from trunkline.media.security_commands import SUITES

pytestmark = [pytest.mark.rfc("4568", "6.1"), pytest.mark.rule("T-24")]

KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
SUITE = "AES_CM_128_HMAC_SHA1_80"


@pytest.mark.parametrize("suite", SUITES)
def test_each_suite_has_a_key_of_its_size(suite: str) -> None:
    key = new_key(suite)
    crypto = crypto_of(f"a=crypto:1 {suite} inline:{key}")
    assert crypto is not None
    assert (crypto.tag, crypto.suite, crypto.key) == (1, suite, key)
    assert len(base64.b64decode(key)) == KEY_SIZES[suite]
    assert new_key(suite) != key


@pytest.mark.parametrize("more", ["|2^20", "|1048576", " WSH=64", " -x", "|2^31 KDR=0"])
def test_lifetimes_and_hints_are_tolerated(more: str) -> None:
    crypto = crypto_of(f"a=crypto:7 {SUITE} inline:{KEY}{more}")
    assert crypto is not None
    assert (crypto.tag, crypto.key) == (7, KEY)


@pytest.mark.parametrize(
    "row",
    [
        f"a=crypto:1 {SUITE} inline:{KEY}|1:0",
        f"a=crypto:1 {SUITE} inline:{KEY}|1:129",
        f"a=crypto:1 {SUITE} inline:{KEY}|256:1",
        f"a=crypto:1 {SUITE} inline:{KEY}|-1:4",
        f"a=crypto:1 {SUITE} inline:{KEY}|1:4|2^20",
        f"a=crypto:1 {SUITE} inline:{KEY}|2^20|1:4|1:4",
        f"a=crypto:1 {SUITE} inline:{KEY}|1:4:4",
        f"a=crypto:1 {SUITE} inline:{KEY}|\u0661:4",
        f"a=crypto:1 {SUITE} inline:{KEY}|:4",
        f"a=crypto:1 {SUITE} inline:{KEY}|1:",
        f"a=crypto:1 {SUITE} inline:{KEY}|",
        f"a=crypto:1 {SUITE} inline:{KEY};inline:{KEY}",
        f"a=crypto:1 {SUITE} inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4",
        f"a=crypto:1 {SUITE} inline:{KEY} UNENCRYPTED_SRTP",
        f"a=crypto:1 {SUITE} inline:{KEY} UNAUTHENTICATED_SRTP",
        f"a=crypto:1 {SUITE} inline:{KEY} KDR=3",
        f"a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}",
        f"a=crypto:1 {SUITE} inline:short",
        f"a=crypto:1 {SUITE} inline:{KEY[:-1]}!",
        f"a=crypto:x {SUITE} inline:{KEY}",
        f"a=crypto:1 {SUITE}",
        "a=crypto:",
    ],
)
def test_what_we_could_not_do_is_not_taken(row: str) -> None:
    assert crypto_of(row) is None


@pytest.mark.parametrize("lifetime", ["", "|2^20", "|1048576"])
@pytest.mark.parametrize(
    ("said", "mki"),
    [
        ("1:4", b"\0\0\0\1"),
        ("255:1", b"\xff"),
        ("0:1", b"\0"),
        ("1:128", bytes(127) + b"\1"),
        (f"{(1 << 1024) - 1}:128", b"\xff" * 128),
    ],
)
def test_an_mki_is_read_in_its_length_and_written_again(lifetime: str, said: str, mki: bytes) -> None:
    crypto = crypto_of(f"a=crypto:7 {SUITE} inline:{KEY}{lifetime}|{said}")
    assert crypto is not None
    assert (crypto.key, crypto.mki) == (KEY, mki)
    assert crypto.row == f"a=crypto:7 {SUITE} inline:{KEY}|{said}"


def test_a_malformed_mki_is_complained_of_without_the_key() -> None:
    complaint = complaint_of([f"a=crypto:7 {SUITE} inline:{KEY}|2^20|256:1"])
    assert "an MKI and its length" in complaint
    for row in (f"inline:|{KEY}", f"inline:{KEY}|{KEY}", f"inline:{KEY}|1:4|{KEY}", f"{KEY}"):
        assert KEY[:8] not in complaint_of([f"a=crypto:7 {SUITE} {row}"])


@given(st.binary(min_size=1, max_size=128))
def test_any_mki_comes_through(mki: bytes) -> None:
    crypto = crypto_of(Crypto(1, SUITE, KEY, mki).row)
    assert crypto is not None
    assert crypto.mki == mki


def test_the_first_row_that_can_be_taken_is() -> None:
    rows = ["a=sendrecv", f"a=crypto:1 X inline:{KEY}", f"a=crypto:2 {SUITE} inline:{KEY}"]
    crypto = best_of([*rows, f"a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"])
    assert crypto is not None
    assert crypto.tag == 2


def test_no_key_is_shown() -> None:
    assert KEY not in repr(crypto_of(f"a=crypto:1 {SUITE} inline:{KEY}"))


@given(st.text(max_size=200))
def test_any_row_is_read_or_not(text: str) -> None:
    crypto_of("a=crypto:" + text)
