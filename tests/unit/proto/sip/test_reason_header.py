"""The Reason header."""

from __future__ import annotations

import pytest

from trunkline.proto.sip.reason_header import MAX_REASONS, Reason, parse_reasons, q850_cause


@pytest.mark.rfc("3326", "2")
def test_reasons_are_read_in_order_with_cause_and_text() -> None:
    value = (
        'SIP ;cause=200 ;text="Call completed elsewhere", Q.850;cause=16;text="a, b"\nSTIR;cause=436;ppi="x"'
    )
    assert parse_reasons(value) == [
        Reason("SIP", 200, "Call completed elsewhere"),
        Reason("Q.850", 16, "a, b"),
        Reason("STIR", 436),
    ]


@pytest.mark.rfc("3326", "2")
@pytest.mark.parametrize(
    "value", ["", ";cause=1", 'Q.850;cause="', "Q.850 cause=16", "<Q.850>;cause=16", 'Q.850;text="x']
)
def test_what_is_malformed_is_ignored(value: str) -> None:
    assert parse_reasons(value) == []
    assert q850_cause(value) is None


@pytest.mark.parametrize("cause", ["", "=", "=x", "=-1", "=1000", "=٣", "=0", "=128"])
def test_a_cause_that_is_none_of_q850_is_not_told(cause: str) -> None:
    assert q850_cause(f"Q.850;cause{cause}") is None


@pytest.mark.rfc("6432", "4")
def test_the_first_cause_of_q850_counts() -> None:
    assert q850_cause("SIP;cause=486, q.850;cause=17, Q.850;cause=31") == 17
    assert q850_cause(None) is None
    assert q850_cause("SIP;cause=486") is None


def test_a_thousand_reasons_are_cut() -> None:
    assert len(parse_reasons(",".join(["SIP;cause=1"] * 1000))) == MAX_REASONS


def test_a_reason_is_written_so_that_its_text_stays_text() -> None:
    assert str(Reason("Q.850", 17, 'busy "now"')) == 'Q.850;cause=17;text="busy \\"now\\""'
    assert str(Reason("SIP", None)) == "SIP"
