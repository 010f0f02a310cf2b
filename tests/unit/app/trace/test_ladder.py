"""A ladder: columns, arrows, times, and what there is no room for."""

from __future__ import annotations

from tests.unit.app.trace.samples import CALL, CALLER, sip, traced
from trunkline.app.trace.ladder import MAX_PARTIES, Ladder, ladder_text


def test_a_call_through_the_exchange() -> None:
    lines = ladder_text(CALL, width=100).splitlines()
    assert lines[1].split() == ["1001", "trunkline"]
    assert lines[2].split() == [CALLER]
    assert lines[3].startswith("    0.000 +0.000")
    assert "INVITE" in lines[3]
    assert lines[3].index("INVITE") < lines[3].index(">")
    assert lines[4].index("<") < lines[4].index("100 Trying")
    # The callee has its column from its first message on.
    assert lines[6].split() == ["1001", "trunkline", "1002"]
    assert lines[8].split("│")[2].rstrip().endswith(">")
    assert lines[9].split("│")[2].startswith("<")
    assert lines[10].split("│")[1].startswith("<")
    assert "0.501 +0.001" in lines[10]


def test_every_column_stands_under_its_heading() -> None:
    lines = ladder_text(CALL, width=100).splitlines()
    bars = [at for at, char in enumerate(lines[8]) if char == "│"]
    for bar, name in zip(bars, ("1001", "trunkline", "1002"), strict=True):
        centre = lines[6].index(name) + len(name) // 2
        assert abs(centre - bar) <= 1


def test_an_arrow_to_a_third_party_passes_the_second() -> None:
    third = traced(sip("INVITE sip:3 SIP/2.0"), "192.0.2.30:5060", incoming=False)
    line = ladder_text([*CALL, third]).splitlines()[-1]
    # The lines of the first party, the exchange and the third party are seen; the second's is crossed.
    assert line.count("│") == 3


def test_a_retransmission_says_that_it_is_one() -> None:
    lines = ladder_text([CALL[0], CALL[0]]).splitlines()
    assert "sent again" not in lines[-2]
    assert lines[-1].endswith("sent again")


def test_more_parties_than_columns_share_the_last() -> None:
    calls = [traced(sip("OPTIONS sip:a SIP/2.0"), f"192.0.2.{n}:5060") for n in range(1, MAX_PARTIES + 3)]
    *_, last, first_again = ladder_text([*calls, calls[0]]).splitlines()
    assert "others" in ladder_text(calls)
    assert last.endswith(f"with 192.0.2.{MAX_PARTIES + 2}:5060")
    assert first_again.count("│") == MAX_PARTIES + 1


def test_a_peer_cannot_steer_the_terminal() -> None:
    message = traced(sip("SIP/2.0 486 \x1b[2JBusy", "Reason: \x1b]0;x\x07"))
    assert "\x1b" not in ladder_text([message])


def test_colours_tell_requests_successes_and_failures_apart() -> None:
    ladder = Ladder()
    styles = [
        {str(span.style) for line in ladder.lines(traced(sip(start))) for span in line.spans}
        for start in ("BYE sip:a SIP/2.0", "SIP/2.0 200 OK", "SIP/2.0 486 Busy")
    ]
    assert "bold cyan" in styles[0]
    assert "green" in styles[1]
    assert "red" in styles[2]
