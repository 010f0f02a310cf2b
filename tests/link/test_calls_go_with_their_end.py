"""A call that is over is freed at once: the garbage collector, which stops all others, finds nothing of it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.link.mobile import MobileStage
from tests.link.virtual_time import virtual


@contextmanager
def without_collector() -> Iterator[None]:
    """Only what nobody refers to is freed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("accepted", [False, True])
@virtual
async def test_a_call_of_an_app_that_the_caller_ends(accepted: bool) -> None:
    with without_collector():
        stage = MobileStage()
        phone = stage.app("phone")
        stage.ring_app()
        await stage.pbx.until("180")
        call = weakref.ref(stage.call)
        hand_over = weakref.ref(stage.app_calls._parties[phone.token])
        if accepted:
            await phone.accept()
            await stage.pbx.until("answered")
        stage.pbx.dialogue.hang_up()
        await stage.settle()
        stage.calls.all.clear()
        assert call() is None
        assert hand_over() is None
