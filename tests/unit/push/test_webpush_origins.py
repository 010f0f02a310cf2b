"""Strangers' push services that do not answer get few of our places."""

from __future__ import annotations

from trunkline.push.webpush.origins import MOST_KNOWN, SILENT_AT_ONCE, Origins

SLOW, FINE = "https://slow.test", "https://fine.test"


def test_one_that_answers_may_have_all_places() -> None:
    origins = Origins()
    assert all(origins.enter(FINE) for _ in range(1000))
    for _ in range(1000):
        origins.leave(FINE, answered=True)
    assert origins.enter(FINE)


def test_one_that_is_silent_gets_a_few_until_it_answers() -> None:
    origins = Origins()
    assert origins.enter(SLOW)
    origins.leave(SLOW, answered=False)
    let_in = [origins.enter(SLOW) for _ in range(10)]
    assert let_in == [True] * SILENT_AT_ONCE + [False] * (10 - SILENT_AT_ONCE)
    assert origins.enter(FINE)
    origins.leave(SLOW, answered=True)
    assert all(origins.enter(SLOW) for _ in range(10))


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    origins = Origins()
    for number in range(MOST_KNOWN + 1):
        origins.enter(f"https://{number}.test")
        origins.leave(f"https://{number}.test", answered=False)
    assert all(origins.enter("https://0.test") for _ in range(10)), (
        "the one that was silent first is forgotten"
    )
    assert not all(origins.enter("https://1.test") for _ in range(10))
