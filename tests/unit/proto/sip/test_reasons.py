"""Reason phrases and Q.850 causes."""

from __future__ import annotations

import pytest

from trunkline.proto.sip.reasons import CAUSE_TEXTS, Q850, REASONS, STATUS_OF_CAUSE, reason_phrase


@pytest.mark.rfc(3261, "21")
@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (100, "Trying"),
        (200, "OK"),
        (401, "Unauthorized"),
        (481, "Call/Transaction Does Not Exist"),
        (486, "Busy Here"),
        (487, "Request Terminated"),
        (504, "Server Time-out"),
        (603, "Decline"),
    ],
)
def test_a_status_has_the_phrase_of_its_rfc(status: int, phrase: str) -> None:
    assert reason_phrase(status) == phrase


@pytest.mark.rfc(3261, "8.1.3.2")
@pytest.mark.parametrize(
    ("status", "phrase"), [(299, "OK"), (499, "Bad Request"), (599, "Server Internal Error")]
)
def test_an_unknown_status_has_the_phrase_of_its_class(status: int, phrase: str) -> None:
    assert reason_phrase(status) == phrase


def test_every_status_has_a_phrase_that_fits_a_status_line() -> None:
    for status in range(100, 700):
        assert reason_phrase(status).isprintable()
        assert reason_phrase(status).isascii()
    assert all(100 <= status <= 699 for status in REASONS)


@pytest.mark.rfc(3398, "8.2.6.1")
@pytest.mark.parametrize(
    ("status", "cause"),
    [(404, 1), (410, 22), (480, 18), (486, 17), (484, 28), (408, 102), (503, 41), (600, 17), (603, 21)],
)
def test_a_failure_has_the_cause_of_the_isup_mapping(status: int, cause: int) -> None:
    assert Q850[status] == cause


def test_causes_are_those_of_failures_and_within_q850() -> None:
    assert all(400 <= status <= 699 and status in REASONS for status in Q850)
    assert all(1 <= cause <= 127 for cause in Q850.values())


@pytest.mark.rfc(3398, "7.2.4.1")
@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (1, 404),
        (17, 486),
        (18, 408),
        (19, 480),
        (20, 480),
        (21, 403),
        (22, 410),
        (28, 484),
        (34, 503),
        (102, 504),
    ],
)
def test_a_cause_has_the_failure_of_the_isup_mapping(cause: int, status: int) -> None:
    assert STATUS_OF_CAUSE[cause] == status


def test_every_cause_has_words_and_a_status_that_exists() -> None:
    assert all(status in REASONS for status in STATUS_OF_CAUSE.values())
    assert set(STATUS_OF_CAUSE) <= set(CAUSE_TEXTS)
