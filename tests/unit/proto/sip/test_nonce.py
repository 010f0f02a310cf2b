"""Nonces that need no memory."""

from __future__ import annotations

import pytest

from trunkline.proto.sip.nonce import Freshness, Nonces

KEY = b"0123456789abcdef"
NOW = 1_800_000_000.0


def test_any_holder_of_the_key_can_judge_a_nonce() -> None:
    nonce = Nonces(KEY).mint("r", NOW)
    assert Nonces(KEY).judge(nonce, "r", NOW + 1) is Freshness.FRESH
    assert Nonces(b"another key 1234").judge(nonce, "r", NOW + 1) is Freshness.FOREIGN


def test_a_nonce_is_good_for_its_realm_alone() -> None:
    nonces = Nonces(KEY)
    nonce = nonces.mint("r", NOW)
    assert nonces.judge(nonce, "r", NOW) is Freshness.FRESH
    assert nonces.judge(nonce, "other", NOW) is Freshness.FOREIGN
    assert nonces.judge(nonce, "", NOW) is Freshness.FOREIGN


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
    assert nonces.judge(nonces.mint("r", NOW), "r", NOW + age) is freshness


@pytest.mark.parametrize(
    "nonce",
    ["", "x", "0" * 48, "é" * 48, "+" + "0" * 47, "g" * 48, "0" * 47 + "\udcff", "²" * 48, "0x" + "0" * 46],
)
def test_what_we_did_not_mint_is_foreign(nonce: str) -> None:
    assert Nonces(KEY).judge(nonce, "r", NOW) is Freshness.FOREIGN


def test_each_digit_of_a_nonce_counts() -> None:
    nonces = Nonces(KEY)
    nonce = nonces.mint("r", NOW)
    for at, digit in enumerate(nonce):
        forged = nonce[:at] + ("1" if digit == "0" else "0") + nonce[at + 1 :]
        assert nonces.judge(forged, "r", NOW) is Freshness.FOREIGN


def test_a_nonce_is_good_at_the_source_that_it_was_sent_to() -> None:
    nonces = Nonces(KEY)
    nonce = nonces.mint("r", NOW, "192.0.2.7")
    assert nonces.judge(nonce, "r", NOW, "192.0.2.7") is Freshness.FRESH
    assert nonces.judge(nonce, "r", NOW, "192.0.2.8") is Freshness.ELSEWHERE
    assert nonces.judge(nonce, "r", NOW + 10**6, "192.0.2.8") is Freshness.ELSEWHERE
    assert Nonces(KEY).judge(nonce, "r", NOW, "192.0.2.7") is Freshness.FRESH, "a restart forgets none"


def test_the_mark_of_one_source_is_of_no_use_at_another() -> None:
    nonces = Nonces(KEY)
    mine, theirs = nonces.mint("r", NOW, "192.0.2.7"), nonces.mint("r", NOW, "192.0.2.8")
    mixed = mine[:16] + theirs[16:24] + mine[24:]
    assert nonces.judge(mixed, "r", NOW, "192.0.2.8") is Freshness.FOREIGN


def test_a_nonce_may_be_judged_again_and_again() -> None:
    nonces = Nonces(KEY)
    nonce = nonces.mint("r", NOW)
    assert [nonces.judge(nonce, "r", NOW + age) for age in range(3)] == [Freshness.FRESH] * 3
    assert nonces.judge(nonce, "other", NOW) is Freshness.FOREIGN


def test_each_nonce_is_its_own() -> None:
    nonces = Nonces(KEY)
    assert len({nonces.mint("r", NOW) for _ in range(1000)}) == 1000


def test_workers_that_share_a_key_mint_different_nonces() -> None:
    minted = [Nonces(KEY, worker=worker).mint("r", NOW) for worker in (0, 1, 255)]
    assert len(set(minted)) == 3
    assert [nonce[8:10] for nonce in minted] == ["00", "01", "ff"]
    assert all(Nonces(KEY, worker=7).judge(nonce, "r", NOW) is Freshness.FRESH for nonce in minted)


@pytest.mark.parametrize("worker", [-1, 256])
def test_a_worker_without_room_in_a_nonce_is_refused(worker: int) -> None:
    with pytest.raises(ValueError, match="worker"):
        Nonces(KEY, worker=worker)


def test_the_serial_begins_again_and_leaves_the_worker_alone() -> None:
    nonces = Nonces(KEY, worker=255)
    nonces._count = 0xFFFFFF
    assert nonces.mint("r", NOW)[8:16] == "ff000000"
    assert nonces.mint("r", NOW)[8:16] == "ff000001"


def test_a_count_is_taken_once_for_each_nonce_user_and_cnonce() -> None:
    nonces = Nonces(KEY)
    nonce = nonces.mint("r", NOW)
    assert nonces.use(nonce, "a", "c", 1, NOW)
    assert nonces.use(nonce, "b", "c", 1, NOW)
    assert nonces.use(nonce, "a", "d", 1, NOW)
    assert nonces.use(nonce, "a", "c", 2, NOW)
    assert not nonces.use(nonce, "a", "c", 1, NOW)
    assert nonces.use(nonces.mint("r", NOW), "a", "c", 1, NOW)


def test_windows_of_expired_nonces_are_dropped() -> None:
    nonces = Nonces(KEY, window_s=60)
    nonces.use(nonces.mint("r", NOW), "a", "c", 1, NOW)
    nonces.use(nonces.mint("r", NOW + 100), "a", "c", 1, NOW + 100)
    assert len(nonces.replays) == 1


def test_nonces_given_up_for_room_count_as_expired() -> None:
    nonces = Nonces(KEY, replay_capacity=1)
    old, new = nonces.mint("r", NOW), nonces.mint("r", NOW + 1)
    assert nonces.use(old, "a", "c", 1, NOW + 1)
    assert nonces.use(new, "a", "c", 1, NOW + 1)
    assert nonces.judge(old, "r", NOW + 1) is Freshness.EXPIRED
    assert nonces.judge(new, "r", NOW + 1) is Freshness.FRESH


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 65])
def test_a_key_of_the_wrong_size_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="nonce key"):
        Nonces(key)


def test_the_key_is_never_shown() -> None:
    assert "0123" not in repr(Nonces(KEY))
