"""Bringing the changes of one REGISTER to the journal: all of them or, as far as anybody relies on it, none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from trunkline.base.errors import TrunklineError
from trunkline.registrar.ports import Journal
from trunkline.registrar.registration import Changes


class NotKeptError(TrunklineError):
    """A change could not be written."""


async def write(changes: Changes, journal: Journal) -> None:
    """Return when the bindings made are committed and those ended are forgotten; raises NotKeptError.

    What was written of the new bindings is taken back then.
    """
    waiting: list[Awaitable[None]] = []
    try:
        waiting += [journal.gone(binding) for binding in changes.removed]
        waiting += [journal.new(binding) for binding in changes.added]
    except TrunklineError as error:
        failed: TrunklineError | None = error
    else:
        failed = None
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, TrunklineError):
            failed = outcome
        elif isinstance(outcome, BaseException):
            raise outcome
    if failed is not None:
        await _take_back(changes, journal)
        raise NotKeptError(str(failed)) from failed


async def _take_back(changes: Changes, journal: Journal) -> None:
    """A deletion survives a store that fails now, so its outcome need not be known."""
    try:
        waiting = [journal.gone(binding) for binding in changes.added]
    except TrunklineError:
        return  # the writer has stopped: nothing is written any more
    await asyncio.gather(*waiting, return_exceptions=True)
