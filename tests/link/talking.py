"""Two parties that talk through the exchange, and what they are told of each other's media."""

from __future__ import annotations

import pytest

from tests.link.phones import Party
from tests.link.stage import Stage
from trunkline.media.offer_answer import streams_of


async def talking(stage: Stage) -> tuple[Party, Party]:
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    return alice, bob


def who(stage: Stage, side: str) -> tuple[Party, Party]:
    """The party that changes the call, and the other."""
    alice, bob = stage.parties
    return (alice, bob) if side == "caller" else (bob, alice)


both_sides = pytest.mark.parametrize("side", ["caller", "callee"])


def port_of(body: bytes) -> int:
    return streams_of(body)[0].port


def version_of(body: bytes) -> int:
    origin = next(row for row in body.decode().split("\r\n") if row.startswith("o="))
    return int(origin.split(" ")[2])
