"""docs/reference/story-codes.md knows every code that the source can produce, and no other."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from trunkline.app.explain.stages import STAGES, areas, stage_of
from trunkline.app.settings.live import LIVE, RESTART
from trunkline.base import app_event, events, messages
from trunkline.base.message_codec import REGISTRY

ROOT = Path(__file__).parents[3]
FILLED_BY = (app_event, events)  # importing them puts their names into REGISTRY
messages.import_all()
PAGE = ROOT / "docs/reference/story-codes.md"
AREAS = (
    r"(account|api|audio_socket|auth|backup|ban|call|conference|control|device|domain|exchange|explain|extension|fork|identify|identity|leg|limit|log|media|"
    r"message|mobile|mwi|number|pickup|publish|push|recording|register|request|restore|route|sdp|settings|stir|subscribe|tenant|text|trace|transfer|wake)"
)
CODE = re.compile(AREAS + r"\.[a-z][a-z_]*")
# Google names the fields of a message so, and FCM's double does as well.
FIELDS_OF_FCM = {"message.android", "message.data", "message.fid", "message.token"}
LAYERS = ("api", "app", "base", "call", "media", "message", "mobile", "net", "pbx", "push", "registrar", "ua")


def documented() -> set[str]:
    return {line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")}


@cache
def in_source() -> set[str]:
    """Literals that look like a code, but for names of messages, settings and files."""
    found = set()
    for layer in LAYERS:
        for file in (ROOT / "src/trunkline" / layer).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and CODE.fullmatch(node.value)
                ):
                    found.add(node.value)
    # Some events are named as the codes of stories are: a call that was cancelled is both.
    names = app_event.NAMES - {"call.cancelled", "call.answered", "call.ended"}
    settings = LIVE | RESTART
    sections = {key.rpartition(".")[0] for key in settings}
    return (
        found - set(REGISTRY) - settings - sections - names - FIELDS_OF_FCM - {"control.sock", "control.lock"}
    )


def test_every_code_is_documented() -> None:
    assert sorted(in_source() - documented()) == [], f"add a line for each to {PAGE}"


def test_no_code_is_documented_that_nothing_produces() -> None:
    assert sorted(documented() - in_source()) == [], f"take them out of {PAGE}"


def test_every_code_belongs_to_a_stage() -> None:
    codes = documented()
    assert {code.partition(".")[0] for code in codes} == areas()
    assert {stage_of(code) for code in codes} == set(STAGES)


def test_what_another_version_wrote_is_told_too() -> None:
    assert stage_of("unheard.of") == "call"
