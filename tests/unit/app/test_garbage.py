"""How often Python looks for garbage."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator

import pytest

from trunkline.app.garbage import collecting_nothing, keep_what_is_there


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.enable()
    gc.unfreeze()


def test_after_a_start_collections_are_rare_and_look_at_nothing_that_it_made() -> None:
    kept: list[list[int]] = [[] for _ in range(1000)]
    keep_what_is_there()
    assert gc.get_threshold() == (50_000, 20, 50)
    assert gc.get_freeze_count() > len(kept)
    assert gc.isenabled()


def test_an_import_that_fails_does_not_leave_collecting_off() -> None:
    with pytest.raises(ModuleNotFoundError), collecting_nothing():
        importlib.import_module("trunkline.nowhere")
    assert gc.isenabled()
