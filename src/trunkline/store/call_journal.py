"""The journal of calls: what is in progress reaches the store some seconds behind, many calls at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trunkline.model.kept_call import KeptCall
from trunkline.store.commit import Operation
from trunkline.store.rows import DELETE_CALL, TOUCH_CALLS, UPSERT_CALL, call_row
from trunkline.store.writer import Writer


class CallJournal:
    """Keeps the stored calls equal to those in progress. Methods are called on the writer's loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def write(self, calls: Sequence[KeptCall]) -> None:
        """Write calls, new or known, some time soon. Raises WriterFullError, WriterStoppedError."""
        box = self._writer.secrets
        self._writer.submit(Operation(UPSERT_CALL, [call_row(one, box) for one in calls]))

    def gone(self, calls: Iterable[tuple[str, str]]) -> None:
        """Delete calls by (tenant, id). Raises WriterStoppedError."""
        rows = list(calls)
        if rows:
            self._writer.submit(Operation(DELETE_CALL, rows, kept=True))

    def alive(self, node: int, at: float) -> None:
        """All calls of a node are still up at ``at``. Raises WriterFullError, WriterStoppedError."""
        self._writer.submit(Operation(TOUCH_CALLS, ((at, node),)))

    async def on_disk(self) -> None:
        """Return when all before is committed. Raises WriterFullError, WriterStoppedError."""
        await self._writer.drain()
