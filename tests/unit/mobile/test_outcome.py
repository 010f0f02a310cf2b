"""How a call ends for an app: what the caller's Reason and the leg's code come to."""

from __future__ import annotations

import pytest

from trunkline.mobile.outcome import outcome_of
from trunkline.mobile.words import CANCEL, END, LOSE, TIMEOUT


@pytest.mark.rfc("3326", "3.1")
@pytest.mark.scenario(3)
@pytest.mark.parametrize(
    ("reason", "what", "word", "event"),
    [
        ("", CANCEL, "cancelled", "call.cancelled"),
        ("SIP;cause=487", CANCEL, "cancelled", "call.cancelled"),
        ("garbage;;;", CANCEL, "cancelled", "call.cancelled"),
        (
            'SIP;cause=200;text="Call completed elsewhere"',
            LOSE,
            "answered_elsewhere",
            "call.answered_elsewhere",
        ),
        ("sip ;cause=200", LOSE, "answered_elsewhere", "call.answered_elsewhere"),
        ("Q.850;cause=26", LOSE, "answered_elsewhere", "call.answered_elsewhere"),
        ("Q.850;cause=16, SIP;cause=200", LOSE, "answered_elsewhere", "call.answered_elsewhere"),
        ("SIP;cause=603", LOSE, "declined_elsewhere", "call.declined_elsewhere"),
        ("Q.850;cause=21", LOSE, "declined_elsewhere", "call.declined_elsewhere"),
    ],
)
def test_the_callers_exchange_says_why_it_cancels(reason: str, what: str, word: str, event: str) -> None:
    outcome = outcome_of(reason, "call.cancelled", "caller")
    assert (outcome.what, outcome.reason, outcome.event) == (what, word, event)
    assert not outcome.ours


@pytest.mark.parametrize(
    ("code", "by", "what", "word"),
    [
        ("call.elsewhere", "exchange", LOSE, "answered_elsewhere"),
        ("call.refused_elsewhere", "exchange", LOSE, "declined_elsewhere"),
        ("call.no_answer", "exchange", TIMEOUT, "expired"),
        ("call.hangup", "caller", END, "bye_from_remote"),
        ("call.hangup", "exchange", END, "hangup"),
        ("call.no_ack", "exchange", END, "no_ack"),
        ("call.lost_in_crash", "exchange", END, "restarted"),
        ("call.hung_up_by_operator", "exchange", END, "hung_up_by_operator"),
    ],
)
def test_a_code_comes_to_one_word(code: str, by: str, what: str, word: str) -> None:
    outcome = outcome_of("", code, by)
    assert (outcome.what, outcome.reason) == (what, word)
    assert outcome.ours == (code == "call.elsewhere")
