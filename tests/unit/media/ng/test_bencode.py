"""Bencode as rtpengine writes it, and as nobody should."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.base.errors import RemoteProtocolError
from trunkline.media.ng.bencode import MAX_DEPTH, MAX_OCTETS, MAX_VALUES, Decoded, decode, encode

VALUES: st.SearchStrategy[Decoded] = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (0, b"i0e"),
        (-42, b"i-42e"),
        (b"", b"0:"),
        (b"ping", b"4:ping"),
        ([b"a", 1], b"l1:ai1ee"),
        ({"command": b"ping"}, b"d7:command4:pinge"),
        ({"a": {"b": [b"c"]}}, b"d1:ad1:bl1:ceee"),
    ],
)
def test_values_are_read_and_written(value: Decoded, octets: bytes) -> None:
    assert encode(value) == octets
    assert decode(octets) == value


def test_text_is_written_as_utf_8_and_keys_in_order() -> None:
    assert encode({"b": "é", "a": True}) == b"d1:ai1e1:b2:\xc3\xa9e"


def test_keys_in_any_order_are_read() -> None:
    assert decode(b"d1:bi1e1:ai2ee") == {"b": 1, "a": 2}


@given(VALUES)
def test_what_was_written_is_read_again(value: Decoded) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"x",
        b"ie",
        b"i-0e",
        b"i01e",
        b"i1",
        b"i99999999999999999999e",
        b"5:abc",
        b"01:a",
        b"-1:a",
        b"99999999:a",
        b"l",
        b"d",
        b"di1ei2ee",
        b"d1:a",
        b"d1:ae",
        b"d1:ai1e1:ai2ee",
        b"i1ei2e",
        b"l" * (MAX_DEPTH + 2) + b"e" * (MAX_DEPTH + 2),
        b"l" * 100_000,
        b"l" + b"0:" * MAX_VALUES + b"e",
        b"0:" + bytes(MAX_OCTETS),
    ],
    ids=lambda octets: repr(octets[:24]),
)
def test_what_is_wrong_is_refused(octets: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(octets)


@given(st.binary(max_size=200) | st.text("dlie0123456789:-", max_size=60).map(str.encode))
def test_hostile_octets_raise_nothing_else(octets: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        decode(octets)
