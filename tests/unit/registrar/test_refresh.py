"""The short way of the commonest REGISTER comes to the result of the long one, or leaves it to that."""

from __future__ import annotations

import itertools

import pytest

from tests.unit.registrar.office import NOW, FakeFlow, request_of
from trunkline.base.errors import RemoteProtocolError
from trunkline.model.binding import Binding
from trunkline.proto.sip.message import Request
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.refresh import plain_refresh
from trunkline.registrar.registration import changes_of

POLICY = RegistrarPolicy()
CONTACT = "sip:301@10.0.0.7:5062"


def bound(contact: str = CONTACT, *, until: float = NOW + 60, q: int = 1000, path: str = "") -> Binding:
    return Binding("t", "301", "b", contact, "f", "h:1", "c1", 5, NOW, until, q, path=path)


def refresh(
    contact: str | None = f"<{CONTACT}>", cseq: int = 6, call_id: str = "c1", **headers: str
) -> Request:
    return request_of(contact, Call_ID=call_id, CSeq=f"{cseq} REGISTER", **headers)


def by_the_long_way(request: Request, known: list[Binding]) -> float | None:
    """Until when the one binding lives, when the general way changes nothing else."""
    location = Location()
    for binding in known:
        location.add(binding)
    try:
        changes = changes_of(request, "t", "301", FakeFlow(), location, POLICY, NOW)
    except RemoteProtocolError:
        return None
    if changes.added or changes.removed or len(changes.refreshed) != 1:
        return None
    return changes.refreshed[0][2]


@pytest.mark.parametrize(
    ("request_", "until"),
    [
        (refresh(Expires="600"), NOW + 600),
        (refresh(f"<{CONTACT}>;expires=61", Expires="600"), NOW + 61),
        (refresh(Expires="99999"), NOW + 7200),
        (refresh(Expires="60"), NOW + 60),
    ],
)
def test_a_plain_refresh_is_told_at_once(request_: Request, until: float) -> None:
    assert plain_refresh(request_, [bound()], POLICY, NOW) == until == by_the_long_way(request_, [bound()])


@pytest.mark.parametrize(
    ("request_", "known"),
    [
        (refresh(), [bound()]),
        (refresh(Expires="59"), [bound()]),
        (refresh(Expires="0"), [bound()]),
        (refresh(Expires="²"), [bound()]),
        (refresh(Expires="9" * 40), [bound()]),
        (refresh(Expires="600", cseq=5), [bound()]),
        (refresh(Expires="600", cseq=4), [bound()]),
        (refresh(Expires="600", call_id="c2"), [bound()]),
        (refresh(Expires="600", Path="<sip:edge;lr>"), [bound()]),
        (refresh(Expires="600"), [bound(path="<sip:edge;lr>")]),
        (refresh(Expires="600"), [bound(q=500)]),
        (refresh(Expires="600"), [bound(until=NOW)]),
        (refresh(Expires="600"), [bound("sip:other@h")]),
        (refresh(Expires="600"), [bound(), bound("sip:other@h")]),
        (refresh(Expires="600"), []),
        (refresh("*", Expires="0"), [bound()]),
        (refresh(None, Expires="600"), [bound()]),
        (refresh(f"<{CONTACT}>;q=0.5", Expires="600"), [bound()]),
        (refresh(f"<{CONTACT}>, <sip:2@h>", Expires="600"), [bound()]),
    ],
)
def test_what_is_not_plain_is_left_to_the_long_way(request_: Request, known: list[Binding]) -> None:
    assert plain_refresh(request_, known, POLICY, NOW) is None


def test_whatever_the_short_way_takes_the_long_one_decides_alike() -> None:
    contacts = [f"<{CONTACT}>", f"<{CONTACT}>;expires=300", f"<{CONTACT}>;expires=0", "<sip:2@h>", "*", None]
    taken = 0
    for contact, expires, cseq, known in itertools.product(
        contacts,
        [{}, {"Expires": "600"}, {"Expires": "0"}, {"Expires": "x"}, {"Expires": "59"}],
        [4, 5, 6],
        [[bound()], [], [bound("sip:2@h")], [bound(until=NOW - 1)], [bound(), bound("sip:2@h")]],
    ):
        request = refresh(contact, cseq, **expires)
        until = plain_refresh(request, known, POLICY, NOW)
        if until is not None:
            taken += 1
            assert until == by_the_long_way(request, known)
    assert taken == 7
