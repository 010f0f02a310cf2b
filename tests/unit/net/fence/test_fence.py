"""Whom the fence shuts out, and whom it must not: scenarios told as tables, in a time that stands still."""

from __future__ import annotations

import ipaddress
from typing import Final

import pytest

from trunkline.net.fence import Ban, Fence, FencePolicy
from trunkline.net.fence.penalties import Scale
from trunkline.net.fence.proofs import Proofs

REALM: Final = "a.test"
BAD, GOOD, NAT = "192.0.2.66", "192.0.2.7", "198.51.100.1"
POLICY = FencePolicy(scale=Scale(attempts=3, window_s=600, first_s=60, longest_s=240), strangers=5)


class Scene:
    """A fence, its clock and what it said."""

    def __init__(self, policy: FencePolicy = POLICY) -> None:
        self.banned: list[Ban] = []
        self.fence = Fence(policy, self.banned.append)
        self.now = 1000.0
        self._mark = 0

    def guess(self, host: str, user: str = "301", times: int = 1, port: int = 5060) -> None:
        for _ in range(times):
            self._mark += 1
            self.fence.failed((host, port), REALM, user, self.now, self._mark)

    def prove(self, host: str, user: str = "301", port: int = 5060) -> None:
        self.fence.proved((host, port), REALM, user, self.now)

    def bars(self, host: str, port: int = 5060) -> bool:
        return self.fence.bars((host, port), self.now)

    def mutes(self, host: str, user: str, port: int = 5060) -> bool:
        return self.fence.mutes((host, port), REALM, user, self.now)


@pytest.mark.rule("T-32")
def test_guesses_bring_a_ban_that_ends_and_comes_back_longer() -> None:
    scene = Scene()
    scene.guess(BAD, times=2)
    assert not scene.fence.shut
    scene.fence.pardon(None, scene.now)
    for seconds in (60, 120, 240, 240):
        scene.guess(BAD, times=3)
        assert scene.bars(BAD)
        assert not scene.bars(GOOD)
        scene.now += seconds - 1
        assert scene.bars(BAD)
        scene.now += 1
        assert not scene.bars(BAD)
        assert not scene.fence.shut, "nobody needs to ask any more"
    assert [ban.why for ban in scene.banned] == ["ban.wrong_passwords"] * 4


def test_unknown_users_are_guesses_like_others() -> None:
    scene = Scene()
    for user in ("100", "101", "102"):
        scene.guess(BAD, user)
    assert scene.bars(BAD)


def test_the_right_phone_at_a_banned_address_goes_on_and_the_wrong_one_does_not() -> None:
    scene = Scene()
    scene.prove(NAT, "301", 40001)
    scene.guess(NAT, "302", 3, port=40002)
    assert not scene.bars(NAT, 40002), "the address has a good phone, so that requests must be looked at"
    assert not scene.mutes(NAT, "301", 40001)
    assert not scene.mutes(NAT, "301", 40009), "the router gave it another port"
    assert scene.mutes(NAT, "302", 40002)
    assert scene.mutes(NAT, "303", 40003)
    assert scene.fence.mutes_strangers((NAT, 40002), scene.now, reliable=False)
    assert not scene.fence.mutes_strangers((NAT, 40001), scene.now, reliable=False)


def test_at_a_banned_address_one_guess_at_a_good_user_costs_its_other_ports() -> None:
    scene = Scene()
    scene.prove(NAT, "301", 40001)
    scene.guess(NAT, "302", 3, port=40002)
    scene.guess(NAT, "301", 1, port=40002)
    assert scene.mutes(NAT, "301", 40002)
    assert not scene.mutes(NAT, "301", 40001), "the phone itself goes on"
    scene.prove(NAT, "301", 40001)
    assert not scene.mutes(NAT, "301", 40009)


def test_a_flow_that_guesses_has_nothing_to_show_any_more() -> None:
    scene = Scene()
    scene.prove(NAT, "301", 40001)
    scene.guess(NAT, "302", 3, port=40001)
    assert scene.mutes(NAT, "302", 40001)
    assert not scene.mutes(NAT, "301", 40001), "two lines of one phone, one with a wrong password"


def test_a_user_who_is_guessed_at_from_everywhere_still_gets_in() -> None:
    scene = Scene()
    for number in range(20):
        scene.guess(f"203.0.113.{number}", "301")
    assert not scene.bars(GOOD)
    scene.prove(GOOD, "301")
    scene.guess(GOOD, "301", 2)
    assert not scene.fence.shut.get(GOOD), "where it has proven itself it may mistype as often as others"


@pytest.mark.rule("T-32")
def test_while_a_user_is_guessed_at_a_stranger_has_one_attempt() -> None:
    scene = Scene()
    scene.guess("203.0.113.1", "301", 3)
    scene.guess(BAD, "301")
    assert scene.bars(BAD)
    assert scene.banned[-1].why == "ban.hunted_user"
    scene.guess(GOOD, "302")
    assert not scene.bars(GOOD)


def test_a_request_that_is_repeated_is_one_guess() -> None:
    scene = Scene()
    for _ in range(10):
        scene.fence.failed((BAD, 5060), REALM, "301", scene.now, mark=99)
    assert not scene.fence.shut


@pytest.mark.parametrize(
    ("reliable", "proven", "count", "banned"),
    [
        (True, False, 2, False),
        (True, False, 3, True),
        (False, False, 29, False),
        (False, False, 30, True),
        (False, True, 10_000, False),  # anybody can forge datagrams in the name of an office
    ],
)
def test_what_is_no_sip_counts(*, reliable: bool, proven: bool, count: int, banned: bool) -> None:
    scene = Scene()
    if proven:
        scene.prove(BAD, port=1)
    for _ in range(count):
        scene.fence.malformed((BAD, 5060), scene.now, reliable=reliable)
    assert (BAD in scene.fence.shut) is banned


def test_challenges_that_nobody_answers_ban_nobody_and_end() -> None:
    """A datagram's source may be forged: silence towards it harms nobody who has proven himself."""
    scene = Scene()
    answered = [not scene.fence.floods((BAD, 5060), scene.now, reliable=False) for _ in range(100)]
    assert answered.count(True) == 5
    assert not scene.fence.shut
    assert not scene.fence.floods((GOOD, 5060), scene.now, reliable=False)
    scene.now += 10
    assert not scene.fence.floods((BAD, 5060), scene.now, reliable=False)


@pytest.mark.parametrize(
    ("reliable", "proven", "answered"), [(False, False, 5), (True, False, 50), (False, True, 50)]
)
def test_more_strangers_are_answered_where_the_address_is_not_forged(
    *, reliable: bool, proven: bool, answered: int
) -> None:
    scene = Scene()
    if proven:
        scene.prove(NAT, port=1)
    floods = [scene.fence.floods((NAT, 40_000), scene.now, reliable=reliable) for _ in range(100)]
    assert floods == [False] * answered + [True] * (100 - answered)
    assert scene.fence.counters.flooded == 100 - answered


def test_a_right_password_begins_the_count_of_strangers_anew() -> None:
    scene = Scene()
    for number in range(100):
        assert not scene.fence.floods((NAT, number), scene.now, reliable=False)
        scene.prove(NAT, f"{number}", number)


def test_a_proven_flow_is_answered_in_any_flood() -> None:
    scene = Scene()
    scene.prove(NAT, port=1)
    for _ in range(50):
        scene.fence.floods((NAT, 2), scene.now, reliable=False)
    assert scene.fence.floods((NAT, 2), scene.now, reliable=False)
    assert not scene.fence.floods((NAT, 1), scene.now, reliable=False)


@pytest.mark.parametrize(
    "policy",
    [
        FencePolicy(enabled=False, scale=POLICY.scale, strangers=5),
        FencePolicy(scale=POLICY.scale, strangers=5, trusted=(ipaddress.ip_network("192.0.2.0/24"),)),
    ],
    ids=["switched off", "trusted"],
)
def test_nothing_is_held_against_whom_the_operator_trusts(policy: FencePolicy) -> None:
    scene = Scene(policy)
    scene.guess(BAD, times=50)
    for _ in range(100):
        assert not scene.fence.malformed((BAD, 1), scene.now, reliable=True)
        assert not scene.fence.floods((BAD, 1), scene.now, reliable=False)
    assert not scene.fence.shut


def test_a_network_that_becomes_trusted_is_pardoned() -> None:
    scene = Scene()
    scene.guess(BAD, times=3)
    scene.guess("203.0.113.1", "99", times=3)
    scene.fence.adjust(FencePolicy(scale=POLICY.scale, trusted=(ipaddress.ip_network(BAD),)))
    assert list(scene.fence.shut) == ["203.0.113.1"]


def test_neighbours_in_an_ipv6_network_are_one_source() -> None:
    scene = Scene()
    for number in range(3):
        scene.guess(f"2001:db8::{number}", str(number))
    assert scene.bars("2001:db8::ffff")
    assert not scene.bars("2001:db8:0:1::1")


def test_a_ban_by_hand_spares_nobody_and_is_not_shortened() -> None:
    scene = Scene()
    scene.prove(NAT, "301", 1)
    scene.fence.ban(NAT, scene.now, 3600)
    assert scene.bars(NAT, 1)
    scene.guess(NAT, "301", 50)
    assert [ban.why for ban in scene.fence.bans(scene.now)] == ["ban.by_hand"]


def test_whom_we_call_is_heard_though_its_address_is_banned() -> None:
    scene = Scene()
    scene.fence.is_called = lambda source: source == BAD
    scene.guess(BAD, times=3)
    assert not scene.bars(BAD), "a door phone that registers with a wrong password still answers calls"
    assert scene.mutes(BAD, "301")
    assert scene.fence.mutes_strangers((BAD, 5060), scene.now, reliable=False)


@pytest.mark.parametrize("reliable", [False, True])
def test_where_we_register_many_more_are_answered_but_not_any_number(reliable: bool) -> None:
    scene = Scene()
    asked: list[str] = []

    def is_called(source: str) -> bool:
        asked.append(source)
        return source == GOOD

    scene.fence.is_called = is_called
    floods = [scene.fence.floods((GOOD, 5060), scene.now, reliable=reliable) for _ in range(600)]
    assert floods == [False] * 500 + [True] * 100, "an exchange asks for each contact that we have there"
    assert scene.fence.floods((BAD, 5060), scene.now, reliable=False) is False
    floods = [scene.fence.floods((BAD, 5060), scene.now, reliable=reliable) for _ in range(600)]
    assert floods.count(False) == (49 if reliable else 4)
    assert asked == [GOOD, BAD], "once in a window: there may be many registrars"
    scene.now += 11
    assert not scene.fence.floods((BAD, 5060), scene.now, reliable=False)
    scene.fence.is_called = lambda source: source == BAD
    floods = [scene.fence.floods((BAD, 5060), scene.now, reliable=False) for _ in range(200)]
    assert not any(floods), "a registration that was made meanwhile counts from the next window on"


def test_a_pardon_forgets_attempts_too() -> None:
    scene = Scene()
    scene.guess(BAD, times=3)
    scene.guess(GOOD, "302", times=2)
    assert scene.fence.pardon(BAD, scene.now) == [BAD]
    assert scene.fence.pardon(BAD, scene.now) == []
    assert not scene.bars(BAD)
    assert scene.fence.pardon(None, scene.now) == []
    scene.guess(GOOD, "302", times=2)
    assert not scene.fence.shut


def test_a_million_forged_sources_grow_no_table() -> None:
    policy = FencePolicy(scale=POLICY.scale, strangers=5, capacity=1000)
    fence = Fence(policy)
    for number in range(1_000_000):
        remote = (f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5060)
        if number % 10:
            fence.floods(remote, 1000.0, reliable=False)
        else:
            fence.malformed(remote, 1000.0, reliable=False)
    assert len(fence._strangers) <= 1000
    assert len(fence._suspects) == 1000
    assert not fence.shut
    assert not len(fence._sources)


def test_who_is_remembered_as_an_offender_is_bounded() -> None:
    fence = Fence(FencePolicy(scale=POLICY.scale, capacity=100))
    for number in range(1000):
        for mark in range(1, 4):
            fence.failed((f"10.0.{number >> 8}.{number & 255}", 1), REALM, f"u{number}", 1000.0, mark)
    assert len(fence._sources) == len(fence._users) == 100
    assert len(fence.shut) <= 100


def test_a_proof_ends_though_nobody_proves_anything_any_more() -> None:
    scene = Scene()
    scene.prove(NAT, port=1)
    for _ in range(2):
        assert (NAT, 1) in scene.fence.proofs
        scene.now += POLICY.proof_s
        scene.fence.sweep(scene.now)
    assert (NAT, 1) not in scene.fence.proofs


def test_proofs_last_their_time_and_are_bounded() -> None:
    proofs = Proofs(100.0, capacity=30)
    proofs.add((GOOD, 1), GOOD, REALM, "301", 0.0)
    proofs.add((BAD, 1), BAD, REALM, "302", 100.0)
    assert (GOOD, 1) in proofs
    assert (GOOD, REALM, "301") in proofs
    proofs.add((BAD, 1), BAD, REALM, "302", 200.0)
    assert (GOOD, 1) not in proofs
    assert GOOD not in proofs
    proofs.add((NAT, 1), NAT, REALM, "303", 1000.0)
    assert BAD not in proofs, "nobody came for two lifetimes"
    for number in range(1000):
        proofs.add((NAT, number), NAT, REALM, f"{number}", 1000.0)
    assert len(proofs) <= 60
