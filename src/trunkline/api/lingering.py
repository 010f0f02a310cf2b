"""The end of a connection whose client still sends: our reply must reach it all the same.

A socket that is closed while bytes wait in it, or arrive after, answers with a reset, and a reset takes away what the
peer has not read yet: whoever sends a body that is too large would see a broken connection instead of the 413. So we
end our side only, and read what comes for nothing until the client has ended too (RFC 9112 §9.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from trunkline.api.patience import Patience

_PATIENCE_S: Final = 5.0
_MOST: Final = 16 * 1024 * 1024
"""Bytes that are read for nothing."""


class LingeringTransport:
    """A transport whose ``close`` leaves the client time to read, while ``unread`` tells that it may still send.

    The protocol gives what arrives to ``waste`` once ``lingers``; the connection is cut after ``patience_s`` seconds or
    ``most`` bytes.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        unread: Callable[[], bool],
        *,
        patience_s: float = _PATIENCE_S,
        most: int = _MOST,
    ) -> None:
        self.transport = transport
        self._unread = unread
        self._patience_s = patience_s
        self._left = most
        self._patience = Patience()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)

    @property
    def lingers(self) -> bool:
        """Our side has ended, and the client's has not."""
        return self._patience.waits

    def is_closing(self) -> bool:
        """Nothing can be written any more."""
        return self.lingers or self.transport.is_closing()

    def close(self) -> None:
        """Flush and close, at once or when the client has ended too. Harmless twice."""
        if self.is_closing():
            return
        if not self._unread():
            self.transport.close()
            return
        self._patience.until(self._patience_s, self.transport)
        if self.transport.can_write_eof():  # under TLS it cannot: the reply's length tells the client its end
            self.transport.write_eof()
        self.transport.resume_reading()

    def waste(self, data: bytes) -> None:
        """Read for nothing."""
        self._left -= len(data)
        if self._left < 0:
            self.transport.abort()

    def lost(self) -> None:
        """The connection is gone."""
        self._patience.enough()
