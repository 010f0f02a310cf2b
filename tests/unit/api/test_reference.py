"""The reference says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from trunkline.api.described import COMMON, WITH_BODY
from trunkline.api.openapi import openapi
from trunkline.base.app_event import NAMES

DOCS = Path(__file__).parents[3] / "docs/reference"
DOCUMENT = openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def tables() -> dict[str, set[str]]:
    """The statuses of each endpoint's table."""
    found: dict[str, set[str]] = {}
    for section in (DOCS / "rest-api.md").read_text().split("\n### ")[1:]:
        name = section.partition("\n")[0].strip("`")
        found[name] = set(re.findall(r"^\| ([0-9]{3}) \|", section, re.MULTILINE))
    return found


def test_the_document_is_the_one_that_the_code_makes() -> None:
    assert json.loads((DOCS / "openapi.json").read_text()) == DOCUMENT, "run: make docs"


def test_every_endpoint_has_a_table_and_no_table_is_left_over() -> None:
    assert set(tables()) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_table_has_the_statuses_of_its_endpoint(name: str) -> None:
    operation: dict[str, Any] = OPERATIONS[name]
    told, written = set(operation["responses"]), tables()[name]
    common = {str(status) for status in COMMON} if "security" in operation else set()
    with_body = {str(status) for status in WITH_BODY} if "requestBody" in operation else set()
    assert written <= told
    assert told - written <= common | with_body


def test_the_page_of_events_has_all_of_them_and_no_other() -> None:
    page = (DOCS / "live-events.md").read_text()
    rows = re.findall(r"^\| (`[a-z]+\.[a-z_`, .]+) \|", page, re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", " ".join(rows))) == NAMES
