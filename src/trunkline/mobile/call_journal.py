"""Hand-overs as they are written down, so that tokens outlive a crash."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from trunkline.base.errors import LocalProtocolError, TrunklineError
from trunkline.base.json_text import json_text
from trunkline.model.device import MobileCall

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trunkline.mobile.ports import CallJournal

VERSION: Final = 1
PATIENCE_S: Final = 0.5


class HandOverJournal:
    """One row for each token, from the moment at which its push is queued.

    A row that cannot be written costs a token's life after a crash, and nothing else: the call goes on.
    """

    def __init__(self, journal: CallJournal | None = None) -> None:
        self._journal = journal
        self.lost = 0

    async def write(self, row: MobileCall) -> None:
        """Write it, and return when it is on disk, or the disk takes too long for a phone that is to ring."""
        if self._journal is not None:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._journal.write_call(row)
            except (TrunklineError, TimeoutError):
                self.lost += 1

    async def on_disk(self) -> None:
        """Return when all before is on disk, or the disk takes too long: an app is told of what a crash keeps."""
        if self._journal is not None:
            with suppress(TrunklineError, TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await self._journal.on_disk()

    def keep(self, row: MobileCall) -> None:
        """Write it, new or known."""
        if self._journal is not None:
            try:
                self._journal.keep_calls((row,))
            except TrunklineError:
                self.lost += 1

    def forget(self, tokens: Iterable[tuple[str, str]]) -> None:
        """Delete what is over, by (tenant, token)."""
        if self._journal is not None:
            try:
                self._journal.forget_calls(tokens)
            except TrunklineError:
                self.lost += 1


def body_of(data: dict[str, Any]) -> str:
    """The body of a row."""
    return json_text({"version": VERSION, **data})


def read_body(row: MobileCall) -> dict[str, Any]:
    """What ``body_of`` wrote. Raises LocalProtocolError for what another version wrote, or half of one."""
    try:
        data = json.loads(row.body)
    except ValueError as error:
        raise LocalProtocolError("a kept hand-over is no JSON") from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise LocalProtocolError(f"a kept hand-over of another version, expected {VERSION}")
    return data
