"""What callers are told when callees fail."""

from __future__ import annotations

import pytest

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.call.failures import PASSED_AS, best_of, fault, passed_on


@pytest.mark.rfc("3261", "16.7")
@pytest.mark.parametrize("status", range(300, 700))
def test_no_callee_makes_a_caller_authenticate_move_or_avoid_us(status: int) -> None:
    told = passed_on(status, "Whatever").status
    assert 400 <= told < 700
    assert told not in {401, 407, 408, 481, 482, 483, 487, 491, 503, 494, 422, 423}


@pytest.mark.parametrize("status", [404, 410, 480, 484, 486, 600, 603, 604, 606])
def test_what_a_person_means_passes_with_its_phrase(status: int) -> None:
    failure = passed_on(status, "Gone fishing")
    assert (failure.status, failure.reason) == (status, "Gone fishing")
    assert failure.q850 is not None


@pytest.mark.parametrize("status", PASSED_AS)
def test_a_status_that_changes_on_the_way_gets_the_phrase_of_the_new_one(status: int) -> None:
    assert passed_on(status, "Peculiar to the callee").reason != "Peculiar to the callee"


@pytest.mark.rfc("3261", "16.7")
@pytest.mark.parametrize(
    ("statuses", "best"),
    [
        ([480, 486], 486),
        ([486, 603], 603),
        ([480, 408], 480),
        ([500, 480], 500),
        ([404, 488], 488),
        ([503, 500], 500),
    ],
)
def test_the_failure_that_says_most_wins(statuses: list[int], best: int) -> None:
    failures = [CallFailed(status, "") for status in statuses]
    assert best_of(failures).status == best
    assert best_of(failures[::-1]).status == best


def test_nobody_to_ring_is_unavailable() -> None:
    assert (best_of([]).status, best_of([]).code) == (480, "call.nobody_registered")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (CallFailed(488, "No", 88, "sdp.no_codec"), 488, "sdp.no_codec"),
        (MediaError("none left", "media.ports_exhausted"), 503, "media.ports_exhausted"),
        (RemoteProtocolError("nonsense", 415), 415, "call.bad_request"),
        (TransportError("no way"), 480, "call.not_sent"),
    ],
)
def test_each_error_has_a_failure(
    error: CallFailed | MediaError | RemoteProtocolError | TransportError, status: int, code: str
) -> None:
    failure = fault(error)
    assert (failure.status, failure.code) == (status, code)
    assert failure.q850 is not None


@pytest.mark.rfc("6432", "4")
@pytest.mark.rule("T-34")
@pytest.mark.parametrize(
    ("status", "cause", "told", "code"),
    [
        (500, 17, 486, "call.busy"),
        (503, 1, 404, "call.refused"),
        (480, 21, 403, "call.refused"),
        (502, 18, 480, "call.refused"),
        (500, 41, 500, "call.refused"),
        (603, 17, 603, "call.refused"),
    ],
)
def test_a_vague_status_is_made_precise_by_its_cause(status: int, cause: int, told: int, code: str) -> None:
    failure = passed_on(status, "Whatever", cause=cause, said=f"Q.850;cause={cause}")
    assert (failure.status, failure.q850, failure.code) == (told, cause, code)
    assert failure.said == f"Q.850;cause={cause}"
