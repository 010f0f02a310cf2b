"""Sharing out how many branches a call may have (RFC 5393)."""

from __future__ import annotations

import pytest

from trunkline.base.errors import CallFailed, RemoteProtocolError
from trunkline.call.breadth import Breadth, breadth_of
from trunkline.proto.sip.message import Request


@pytest.mark.rfc("5393", "5.3.3")
@pytest.mark.parametrize(
    ("value", "breadth"), [(None, 60), ("60", 60), ("7", 7), ("0", 0), ("1000000", 60), ("4294967295", 60)]
)
def test_a_request_has_what_it_says_or_sixty_and_never_more(value: str | None, breadth: int) -> None:
    headers = {} if value is None else {"Max-Breadth": value}
    assert breadth_of(Request("INVITE", "sip:a@b", headers)) == breadth


@pytest.mark.parametrize("value", ["", "many", "-1", "4294967296", "1 2"])
def test_what_is_no_number_is_the_peers_fault(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        breadth_of(Request("INVITE", "sip:a@b", {"Max-Breadth": value}))


def taken(breadth: Breadth, times: int) -> list[int]:
    shares = []
    for _ in range(times):
        try:
            shares.append(breadth.take())
        except CallFailed as failed:
            shares.append(-failed.status)
    return shares


@pytest.mark.rfc("5393", "5.3.3.1")
@pytest.mark.parametrize(
    ("total", "branches", "shares"),
    [
        (60, 1, [60, -440]),
        (60, 2, [30, 30, -440]),
        (60, 7, [8] * 7 + [4]),
        (3, 3, [1, 1, 1, -440]),
        (1, 2, [-440, -440]),
        (0, 1, [-440]),
        (60, None, [1, 1, 1]),
        (60, 0, [60]),
    ],
)
def test_all_branches_together_have_no_more_than_the_request(
    total: int, branches: int | None, shares: list[int]
) -> None:
    assert taken(Breadth(total, branches, 32), len(shares)) == shares
