"""New inputs out of old ones: cut, doubled, spliced, with numbers and separators where none belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

MAX_INPUT = 70_000

# What parsers stumble over: separators, quotes, folding, numbers out of range, compact names, UTF-8 halves.
_TOKENS = (
    b"\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\r\n", b"\x00", b"\xff", b"\xc3", b"\xe2\x82", b" ", b"\t",
    b'"', b'\\"', b"<", b">", b"<>", b",", b";", b"=", b":", b"::", b"@", b"[", b"]", b"[::1]", b"*", b"%",
    b"%00", b"%zz", b"-1", b"0", b"4294967295", b"4294967296", b"99999999999999999999", b"1e9",
    b"SIP/2.0", b"sip:", b"sips:", b"tel:", b"v: ", b"l: ", b"Content-Length: 0\r\n", b";tag=",
    b";branch=z9hG4bK", b"Digest ", b"nc=", b"m=audio 0 RTP/AVP 0\r\n", b"a=rtpmap:",
)  # fmt: skip


def mutant(seeds: Sequence[bytes], dice: Random) -> bytes:
    """One seed, changed once to eight times."""
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.randint(1, 8)):
        dice.choice(_MUTATIONS)(data, seeds, dice)
    return bytes(data[:MAX_INPUT])


def _place(data: bytearray, dice: Random) -> int:
    return dice.randint(0, len(data))


def _flip(data: bytearray, _seeds: Sequence[bytes], dice: Random) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _insert(data: bytearray, _seeds: Sequence[bytes], dice: Random) -> None:
    at = _place(data, dice)
    data[at:at] = dice.choice(_TOKENS) * dice.choice((1, 1, 1, 2, 50))


def _cut(data: bytearray, _seeds: Sequence[bytes], dice: Random) -> None:
    at = _place(data, dice)
    del data[at : at + dice.choice((1, 2, 8, 64))]


def _double(data: bytearray, _seeds: Sequence[bytes], dice: Random) -> None:
    at = _place(data, dice)
    piece = bytes(data[at : at + dice.choice((1, 8, 64, 512))])
    data[at:at] = piece * dice.choice((1, 2, 30))


def _splice(data: bytearray, seeds: Sequence[bytes], dice: Random) -> None:
    other = dice.choice(seeds)
    data[_place(data, dice) :] = other[dice.randint(0, len(other)) :]


_MUTATIONS: tuple[Callable[[bytearray, Sequence[bytes], Random], None], ...] = (
    _flip,
    _insert,
    _cut,
    _double,
    _splice,
)
