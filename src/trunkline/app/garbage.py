"""How often Python looks for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def collect_seldom() -> None:
    """Neither commands nor calls leave cycles behind, so looking for some often only costs.

    5 to 10 % of a call, measured.
    """
    gc.set_threshold(50_000, 20, 50)


def keep_what_is_there() -> None:
    """For a start that is over: what is garbage goes, and what it has made is looked through no more."""
    gc.collect()
    gc.freeze()
    collect_seldom()


@contextmanager
def collecting_nothing() -> Iterator[None]:
    """For imports: what they make stays for good, and looking through it is a tenth of their time (measured)."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
