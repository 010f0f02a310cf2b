"""The names of ``trunkline.base.messages`` come from its files when they are asked for, and only then."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from trunkline.base import messages

FOLDER = Path(messages.__file__).parent
DECODES = """
import sys
from trunkline.app.control_wire import decode_answer
from trunkline.base.messages import Status
assert "trunkline.base.messages.exchange" in sys.modules, "what is asked for"
assert "trunkline.base.messages.texts" not in sys.modules, "what nobody asks for"
assert decode_answer(b'{"reply": {"type": "text.dropped", "number": "1", "count": 1}}')[1].type == "text.dropped"
"""


def for_type_checkers() -> dict[str, set[str]]:
    """What the package says to type checkers: the names of each file."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(Path(messages.__file__).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{messages.__name__}."):
            names = found.setdefault(str(node.module).rpartition(".")[2], set())
            names |= {alias.name for alias in node.names}
    return found


def test_every_name_that_type_checkers_see_is_there_and_no_other() -> None:
    assert {file: set(names) for file, names in messages._FILES.items()} == for_type_checkers()
    assert all(hasattr(messages, name) for names in messages._FILES.values() for name in names)


def test_no_file_is_left_out() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(messages._FILES)


def test_what_is_nowhere_is_not_found() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'ListNothing'"):
        getattr(messages, "ListNothing")  # noqa: B009  (a type checker would see it)


def test_an_answer_that_nobody_has_imported_is_decoded_all_the_same() -> None:
    subprocess.run([sys.executable, "-c", DECODES], check=True, timeout=60)
