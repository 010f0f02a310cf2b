"""The journal of texts: a text is kept once its writer is told so, and deleted when somebody took it."""

from __future__ import annotations

import asyncio

from trunkline.model.text import Text
from trunkline.store.commit import Operation
from trunkline.store.rows import DELETE_TEXT, INSERT_TEXT, text_row
from trunkline.store.writer import Writer


class TextJournal:
    """Methods are called on the writer's loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def keep(self, text: Text) -> asyncio.Future[None]:
        """Write a text; done when it is committed. Raises as Writer.commit."""
        return self._writer.commit(Operation(INSERT_TEXT, (text_row(text),)))

    def gone(self, text: Text) -> None:
        """Delete a text, some time soon. Raises WriterStoppedError."""
        self._writer.submit(Operation(DELETE_TEXT, ((text.tenant, text.id),), kept=True))
