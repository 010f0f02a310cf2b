"""JSON of rows: whatever peers have said comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trunkline.base.json_text import json_bytes, json_text


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -2.5, 1e22, True, None, "", {}], "b": {"c": []}},
        {"story": "Käthe 😀 \u2028", "ключ": '\x00\x1f\x7f"\\/'},
        {"bytes that are no UTF-8": "\udc80\udcff", "and": "ü"},
        {"a lone surrogate": "\ud83d"},
        2**70,
    ],
)
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    assert json.loads(json_text(value)) == value
    assert json.loads(json_bytes(value)) == value


def test_there_is_no_space_in_it() -> None:
    assert json_text({"a": [1, "ü"], "b": None}) == '{"a":[1,"ü"],"b":null}'
    assert json_text({"a": [1, "\udc80"]}) == '{"a":[1,"\\udc80"]}'


@pytest.mark.parametrize("beside", ["", "\udc80"])
def test_what_json_does_not_know_becomes_its_text(beside: str) -> None:
    class Unknown:
        def __str__(self) -> str:
            return "somebody"

    found = json.loads(json_text([Path("a/b"), Unknown(), beside]))

    assert found == ["a/b", "somebody", beside]
