"""Journals: how live bindings and finished calls reach the store.

Rows name their tenant themselves. Methods are called on the writer's loop.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice

from trunkline.model.binding import Binding
from trunkline.model.record import CallRecord
from trunkline.store.commit import Operation
from trunkline.store.errors import WriterFullError
from trunkline.store.rows import APPEND_RECORD, DELETE_BINDING, UPSERT_BINDING, binding_row, record_row
from trunkline.store.writer import Writer

FLUSH_INTERVAL_S = 15.0
SLICE_ROWS = 500  # rows made at a time: the loop is held up for a millisecond, not for all refreshes at once
SLICE_PAUSE_S = 0.02


class BindingJournal:
    """Keeps the stored bindings equal to the live ones, a refresh lagging some seconds behind.

    A lost refresh costs little: after a crash a contact may seem to expire earlier than it was promised.
    """

    def __init__(self, writer: Writer, interval_s: float = FLUSH_INTERVAL_S) -> None:
        self._writer = writer
        self._interval_s = interval_s
        self._dirty: dict[str, Binding] = {}
        self._due = 0.0

    @property
    def dirty(self) -> int:
        """Bindings refreshed and not yet handed to the writer; never more than there are bindings."""
        return len(self._dirty)

    def new(self, binding: Binding) -> asyncio.Future[None]:
        """Write a binding; done when it is committed, and its 200 may be sent. Raises as Writer.commit."""
        future = self._writer.commit(Operation(UPSERT_BINDING, (binding_row(binding, self._writer.secrets),)))
        self._dirty.pop(binding.id, None)
        return future

    def refresh(self, binding: Binding) -> None:
        """Note that a stored binding changed; it is written as it is when its turn comes."""
        self._dirty[binding.id] = binding

    def gone(self, binding: Binding) -> asyncio.Future[None]:
        """Delete a binding, whatever was noted about it; done when that is committed.

        The deletion itself survives a full queue and a file that cannot be written: no refresh that is
        still queued can bring the binding back. Raises as Writer.commit.
        """
        self._dirty.pop(binding.id, None)
        return self._writer.commit(Operation(DELETE_BINDING, ((binding.tenant, binding.id),), kept=True))

    def flush_due(self, now: float) -> float:
        """Hand over what was refreshed, when it is time (``now`` in seconds of any steady clock).

        Returns when to call again: soon while slices remain, else an interval later.
        """
        if now < self._due:
            return self._due
        if self._dirty:
            self._flush_slice()
        if self._dirty:
            return now + SLICE_PAUSE_S
        self._due = now + self._interval_s
        return self._due

    def flush_all(self) -> None:
        """Hand over everything at once, before the writer is stopped. Raises WriterStoppedError."""
        self._submit(list(self._dirty.values()), kept=True)

    def _flush_slice(self) -> None:
        # At the writer's bound they stay dirty, and go when there is room.
        with suppress(WriterFullError):
            self._submit(list(islice(self._dirty.values(), SLICE_ROWS)))

    def _submit(self, bindings: list[Binding], *, kept: bool = False) -> None:
        box = self._writer.secrets
        self._writer.submit(Operation(UPSERT_BINDING, [binding_row(one, box) for one in bindings], kept))
        for one in bindings:
            del self._dirty[one.id]


class RecordJournal:
    """Call records: never dropped, and harmless when written twice."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def append(self, *records: CallRecord) -> None:
        """Write records some time soon. Raises WriterStoppedError."""
        rows = [record_row(one) for one in records]
        self._writer.submit(Operation(APPEND_RECORD, rows, kept=True, apart=True))
