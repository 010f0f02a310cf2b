"""Nonces that need no memory."""

from __future__ import annotations

import pytest

from trunkline.proto.sip.nonce import Freshness, Nonces

KEY = b"0123456789abcdef"
NOW = 1_800_000_000.0


def test_any_holder_of_the_key_can_judge_a_nonce() -> None:
    nonce = Nonces(KEY).mint("r", "MD5", NOW)
    assert Nonces(KEY).judge(nonce, "r", "MD5", NOW + 1) is Freshness.FRESH
    assert Nonces(b"another key 1234").judge(nonce, "r", "MD5", NOW + 1) is Freshness.FOREIGN


@pytest.mark.parametrize("ours", [True, False])
def test_a_nonce_is_good_for_its_realm_and_algorithm_alone(ours: bool) -> None:
    minter = Nonces(KEY)
    nonce = minter.mint("r", "MD5", NOW)
    judge = minter if ours else Nonces(KEY)
    assert judge.judge(nonce, "r", "MD5", NOW) is Freshness.FRESH
    assert judge.judge(nonce, "other", "MD5", NOW) is Freshness.FOREIGN
    assert judge.judge(nonce, "r", "SHA-256", NOW) is Freshness.FOREIGN
    assert judge.judge(nonce, "5:r", "MD", NOW) is Freshness.FOREIGN


@pytest.mark.parametrize(
    ("age", "freshness"),
    [
        (0, Freshness.FRESH),
        (59, Freshness.FRESH),
        (60, Freshness.EXPIRED),
        (10**8, Freshness.EXPIRED),
        (-4, Freshness.FRESH),
        (-10, Freshness.EXPIRED),
    ],
)
def test_a_nonce_is_fresh_within_its_window(age: float, freshness: Freshness) -> None:
    nonces = Nonces(KEY, window_s=60)
    assert nonces.judge(nonces.mint("r", "MD5", NOW), "r", "MD5", NOW + age) is freshness


@pytest.mark.parametrize(
    "nonce", ["", "x", "0" * 32, "é" * 32, "+" + "0" * 31, "g" * 32, "0" * 31 + "\udcff", "²" * 32]
)
def test_what_we_did_not_mint_is_foreign(nonce: str) -> None:
    assert Nonces(KEY).judge(nonce, "r", "MD5", NOW) is Freshness.FOREIGN


def test_each_digit_of_a_nonce_counts() -> None:
    nonces = Nonces(KEY)
    nonce = nonces.mint("r", "MD5", NOW)
    for at, digit in enumerate(nonce):
        forged = nonce[:at] + ("1" if digit == "0" else "0") + nonce[at + 1 :]
        assert nonces.judge(forged, "r", "MD5", NOW) is Freshness.FOREIGN


def test_one_nonce_serves_a_second() -> None:
    nonces = Nonces(KEY)
    assert nonces.mint("r", "MD5", NOW) == nonces.mint("r", "MD5", NOW + 0.9)
    assert nonces.mint("r", "MD5", NOW) != nonces.mint("r", "MD5", NOW + 1)


def test_users_of_a_shared_nonce_do_not_replay_each_other() -> None:
    nonces = Nonces(KEY)
    nonce = nonces.mint("r", "MD5", NOW)
    assert nonces.use(nonce, "a", "c", 1, NOW)
    assert nonces.use(nonce, "b", "c", 1, NOW)
    assert nonces.use(nonce, "a", "d", 1, NOW)
    assert nonces.use(nonce, "a", "c", 2, NOW)
    assert not nonces.use(nonce, "a", "c", 1, NOW)


def test_windows_of_expired_nonces_are_dropped() -> None:
    nonces = Nonces(KEY, window_s=60)
    nonces.use(nonces.mint("r", "MD5", NOW), "a", "c", 1, NOW)
    nonces.use(nonces.mint("r", "MD5", NOW + 100), "a", "c", 1, NOW + 100)
    assert len(nonces.replays) == 1


def test_nonces_given_up_for_room_count_as_expired() -> None:
    nonces = Nonces(KEY, replay_capacity=1)
    old, new = nonces.mint("r", "MD5", NOW), nonces.mint("r", "MD5", NOW + 1)
    assert nonces.use(old, "a", "c", 1, NOW + 1)
    assert nonces.use(new, "a", "c", 1, NOW + 1)
    assert nonces.judge(old, "r", "MD5", NOW + 1) is Freshness.EXPIRED
    assert nonces.judge(new, "r", "MD5", NOW + 1) is Freshness.FRESH


def test_the_memory_for_known_nonces_is_bounded() -> None:
    nonces = Nonces(KEY)
    for n in range(10_000):
        nonces.mint(f"realm {n}", "MD5", NOW)
    assert len(nonces._known) <= 4096
    assert nonces.judge(nonces.mint("r", "MD5", NOW), "r", "MD5", NOW) is Freshness.FRESH


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 65])
def test_a_key_of_the_wrong_size_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="nonce key"):
        Nonces(key)


def test_the_key_is_never_shown() -> None:
    assert "0123" not in repr(Nonces(KEY))
