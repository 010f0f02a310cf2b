"""Diversion and History-Info, and from one to the other."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.identity.diversion import (
    MAX_DIVERSIONS,
    Diversion,
    parse_diversions,
    render_diversions,
)
from trunkline.proto.sip.identity.history_info import (
    CAUSES,
    MAX_ENTRIES,
    diversions_of,
    parse_history,
    render_history,
)

BUSY = Diversion("sip:bob@a.test", "user-busy", 1, "Bob")
AWAY = Diversion("sip:carol@a.test", "no-answer", 2, private=True)


def value_of(lines: str) -> str:
    return "\n".join(line.partition(": ")[2] for line in lines.splitlines())


@pytest.mark.rfc("5806", "3")
@pytest.mark.rule("T-34")
def test_diversions_are_read_the_oldest_first_and_written_the_newest_first() -> None:
    value = '<sip:carol@a.test>;reason=no-answer;counter=2;privacy=full, "Bob" <sip:bob@a.test>;reason="User-Busy"'
    assert parse_diversions(value) == [BUSY, AWAY]
    lines = render_diversions((BUSY, AWAY))
    assert lines.index("carol") < lines.index("bob")
    assert parse_diversions(value_of(lines)) == [BUSY, AWAY]


@pytest.mark.parametrize(
    ("params", "reason", "count"),
    [
        (";reason=because;counter=x", "unknown", 1),
        (";reason;counter", "unknown", 1),
        (";counter=0", "unknown", 1),
        (";counter=999;reason=away", "away", 100),
        (";counter=٣", "unknown", 1),
    ],
)
def test_what_a_diversion_says_strangely_counts_for_little(params: str, reason: str, count: int) -> None:
    (read,) = parse_diversions(f"<sip:b@a.test>{params}")
    assert (read.reason, read.times) == (reason, count)


def test_too_many_diversions_are_a_loop() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_diversions(",".join(["<sip:b@a.test>"] * (MAX_DIVERSIONS + 1)))
    assert caught.value.status == 482


@pytest.mark.parametrize("value", ["<sip:>", "bob", "<sip:b@a.test", "<sip:b@a.test>;reason=\x01"])
def test_a_malformed_diversion_is_the_peers_fault(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_diversions(value)


@pytest.mark.rfc("7044", "5")
@pytest.mark.rule("T-34")
def test_a_history_is_read_in_the_order_of_its_indices() -> None:
    value = (
        "<sip:carol@a.test;cause=408>;index=1.1.1;mp=1.1\n"
        '"Bob" <sip:bob@a.test>;index=1, <sip:bob@pc.test;cause=486?Privacy=history>;index=1.1'
    )
    entries = parse_history(value)
    assert [entry.place for entry in entries] == [(1,), (1, 1), (1, 1, 1)]
    assert [(entry.uri, entry.cause, entry.private) for entry in entries] == [
        ("sip:bob@a.test", None, False),
        ("sip:bob@pc.test", 486, True),
        ("sip:carol@a.test", 408, False),
    ]
    assert diversions_of(entries) == [BUSY, Diversion("sip:bob@pc.test", "no-answer", private=True)]


@pytest.mark.rfc("7544", "7.3")
@pytest.mark.rule("T-34")
def test_a_step_without_cause_is_no_diversion() -> None:
    assert diversions_of(parse_history("<sip:a@a.test>;index=1, <sip:a@10.0.0.1>;index=1.1")) == []


@pytest.mark.rfc("7544", "7.2")
@pytest.mark.rule("T-34")
def test_diversions_become_a_history_without_holes_that_tells_the_same() -> None:
    lines = render_history((BUSY, AWAY), "sip:dave@a.test")
    assert lines == (
        'History-Info: "Bob" <sip:bob@a.test>;index=1\r\n'
        "History-Info: <sip:carol@a.test;cause=486?Privacy=history>;index=1.1;mp=1\r\n"
        "History-Info: <sip:dave@a.test;cause=408>;index=1.1.1;mp=1.1\r\n"
    )
    read = diversions_of(parse_history(value_of(lines)))
    assert read == [BUSY, AWAY._replace(times=1)]


@pytest.mark.rfc("7544", "7.2")
@pytest.mark.parametrize("reason", sorted(CAUSES))
def test_each_reason_comes_back_as_itself_or_as_unknown(reason: str) -> None:
    lines = render_history((Diversion("sip:b@a.test", reason),), "sip:c@a.test")
    (read,) = diversions_of(parse_history(value_of(lines)))
    assert read.reason in {reason, "unknown"}
    assert read.reason == reason or CAUSES[reason] == 404


@pytest.mark.parametrize(
    "value",
    [
        "<sip:b@a.test>",
        "<sip:b@a.test>;index=",
        "<sip:b@a.test>;index=1..1",
        "<sip:b@a.test>;index=1.",
        "x;index=1",
    ],
)
def test_a_malformed_history_is_the_peers_fault(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_history(value)


def test_a_history_without_end_is_not_read() -> None:
    with pytest.raises(RemoteProtocolError):
        parse_history(",".join(["<sip:b@a.test>;index=1"] * (MAX_ENTRIES + 1)))
