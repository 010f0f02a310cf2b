"""Exceptions that nobody can catch, which Python prints by itself: told like all else, and not once for each peer.

A TLS client can bring one about with each connection: by the bytes of the name that it asks for (ssl decodes them
within OpenSSL's callback).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import structlog

from trunkline.net.faults import FaultLog
from trunkline.net.settings import Counters

log = structlog.get_logger("exchange")


class UnraisableLog:
    """A ``sys.unraisablehook``: the first of a kind, then one a minute. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._faults = FaultLog(Counters(), clock)

    def install(self) -> None:
        """From now on, for the whole process."""
        sys.unraisablehook = self

    def __call__(self, unraisable: Any) -> None:
        # Neither its text nor its object is told: both may be what a peer sent.
        error = getattr(unraisable.exc_type, "__name__", "unknown")
        place = _place(unraisable.exc_traceback)
        count = self._faults.due(f"{error} {place}")
        if count:
            log.error("an exception that nobody can catch", error=error, place=place, count=count)


def _place(traceback: Any) -> str:
    """``file:line`` of its innermost call, as far as Python knows it."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    return f"{traceback.tb_frame.f_code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}"
