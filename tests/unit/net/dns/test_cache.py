"""How long answers are believed."""

from __future__ import annotations

import pytest

from trunkline.net.dns.cache import AnswerCache
from trunkline.net.dns.records import NOTHING, Answer, Kind, Question
from trunkline.net.dns.settings import DnsSettings

ASKED = Question("a.test", Kind.A)
FOUND = Answer(("192.0.2.1",))
FAILED = Answer(failure="no name server answers")


def cache(**settings: float) -> AnswerCache:
    return AnswerCache(DnsSettings(**settings))  # type: ignore[arg-type]


def question(number: int) -> Question:
    return Question(f"{number}.test", Kind.A)


def test_an_answer_is_believed_for_its_ttl() -> None:
    known = cache()
    known.put(ASKED, FOUND, 60, now=100)
    assert known.fresh(ASKED, 159.9) == FOUND
    assert known.fresh(ASKED, 160) is None


@pytest.mark.parametrize(("ttl_s", "until"), [(0, 105), (3, 105), (6, 106), (10**6, 100 + 900)])
def test_a_ttl_has_a_floor_and_a_ceiling(ttl_s: float, until: float) -> None:
    known = cache(min_ttl_s=5, max_ttl_s=900)
    known.put(ASKED, FOUND, ttl_s, now=100)
    assert known.fresh(ASKED, until - 0.1) == FOUND
    assert known.fresh(ASKED, until) is None


@pytest.mark.rfc("2308", "5")
@pytest.mark.parametrize(("ttl_s", "until"), [(0, 105), (60, 160), (86_400, 400)])
def test_that_there_is_nothing_is_believed_for_a_while_too(ttl_s: float, until: float) -> None:
    known = cache(max_negative_ttl_s=300)
    known.put(ASKED, NOTHING, ttl_s, now=100)
    assert known.fresh(ASKED, until - 0.1) == NOTHING
    assert known.fresh(ASKED, until) is None


@pytest.mark.rfc("2308", "7.1")
def test_a_failure_is_remembered_shortly() -> None:
    known = cache(failure_ttl_s=5)
    assert known.put_failure(ASKED, FAILED, now=100) == FAILED
    assert known.fresh(ASKED, 104.9) == FAILED
    assert known.fresh(ASKED, 105) is None


@pytest.mark.rfc("8767", "5")
def test_an_answer_past_its_time_serves_while_nobody_answers_but_not_for_ever() -> None:
    known = cache(stale_s=1000, failure_ttl_s=5)
    known.put(ASKED, FOUND, 60, now=100)
    assert known.put_failure(ASKED, FAILED, now=200) == FOUND
    assert known.fresh(ASKED, 204.9) == FOUND, "not every question waits for a dead name server"
    assert known.fresh(ASKED, 205) is None
    assert known.put_failure(ASKED, FAILED, now=1159) == FOUND
    assert known.put_failure(ASKED, FAILED, now=1160) == FAILED


def test_stale_answers_can_be_forbidden() -> None:
    known = cache(stale_s=0)
    known.put(ASKED, FOUND, 60, now=100)
    assert known.put_failure(ASKED, FAILED, now=160) == FAILED


def test_that_there_was_nothing_does_not_serve_past_its_time() -> None:
    known = cache()
    known.put(ASKED, NOTHING, 60, now=100)
    assert known.stale(ASKED, 161) is None


def test_the_answers_kept_are_bounded_and_what_is_asked_for_stays() -> None:
    known = cache(cache_size=3)
    for number in range(3):
        known.put(question(number), FOUND, 60, now=0)
    known.fresh(question(0), 1)
    known.put(question(3), FOUND, 60, now=1)
    assert len(known) == 3
    assert known.fresh(question(1), 1) is None
    assert known.fresh(question(0), 1) == known.fresh(question(3), 1) == FOUND


def test_with_other_name_servers_only_what_was_found_stays() -> None:
    known = cache()
    known.put(question(0), FOUND, 60, now=0)
    known.put(question(1), NOTHING, 60, now=0)
    known.put_failure(question(2), FAILED, now=0)
    known.forget_failures()
    assert [known.fresh(question(number), 1) for number in range(3)] == [FOUND, None, None]
