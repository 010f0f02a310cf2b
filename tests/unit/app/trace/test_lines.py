"""A trace as lines of JSON: written and read back."""

from __future__ import annotations

import json

import pytest

from tests.unit.app.trace.samples import CALL, CALLER, EXCHANGE
from trunkline.app.trace.lines import line_of, message_of
from trunkline.base.errors import RemoteProtocolError
from trunkline.base.messages import TracedMessage


@pytest.mark.parametrize("message", CALL)
def test_a_line_is_read_as_it_was_written(message: TracedMessage) -> None:
    assert message_of(line_of(message)) == message


def test_names_from_and_to_follow_the_direction() -> None:
    body = json.loads(line_of(CALL[1]))
    assert (body["from"], body["to"]) == (EXCHANGE, CALLER)


def test_bytes_that_are_no_text_survive() -> None:
    odd = TracedMessage(1.5, True, "UDP", EXCHANGE, CALLER, "", bytes(range(256)).decode("latin-1"))
    assert message_of(line_of(odd)) == odd
    umlaut = TracedMessage(1.5, True, "UDP", EXCHANGE, CALLER, "", "ü".encode().decode("latin-1"))
    assert json.loads(line_of(umlaut))["message"] == "ü"
    assert message_of(line_of(umlaut)) == umlaut


LINE = json.loads(line_of(CALL[0]))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        json.dumps(LINE | {"time": "now"}),
        json.dumps(LINE | {"time": True}),
        json.dumps(LINE | {"incoming": 1}),
        json.dumps(LINE | {"message": 5}),
        json.dumps(LINE | {"message": "\ud800"}),
        json.dumps(LINE | {"encoding": "latin-1", "message": "\u20ac"}),
    ],
)
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(RemoteProtocolError):
        message_of(line)
