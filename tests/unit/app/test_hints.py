"""What stories say to do about a refusal."""

from __future__ import annotations

import pytest

from trunkline.app.explain.hints import hint_of
from trunkline.push.notification import Outcome


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (Outcome.GONE, "the app was removed"),
        (Outcome.MISMATCH, "environment"),
        (Outcome.SUSPECT, "trunkline status"),
        (Outcome.REFUSED, "trunkline check"),
        (Outcome.UNAVAILABLE, "trunkline status"),
        (Outcome.BUSY, ""),
    ],
)
def test_a_push_that_failed_says_what_to_do_about_it(why: Outcome, said: str) -> None:
    hint = hint_of("mobile.push_failed", "apns: no", {"why": why.value})
    assert said in hint
    assert bool(hint) is bool(said)


@pytest.mark.parametrize("code", ["mobile.expired", "mobile.no_device", "mobile.no_push"])
def test_a_phone_that_does_not_ring_says_where_to_look(code: str) -> None:
    assert hint_of(code, "", {})
