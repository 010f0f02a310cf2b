"""What extensions publish of themselves (RFC 3903): soft state, each piece under an entity tag of our making."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.wheel import Timer, TimerWheel

MOST_OF_ONE: Final = 10
MOST_IN_ALL: Final = 20_000
# All that one extension says of itself goes into each document about it, which has to fit into a message.
MOST_BYTES_OF_ONE: Final = 32_768
MOST_BYTES: Final = 64 * 2**20


class Publication:
    """``document`` is the body as it was published, found good; ``expires_at`` in the loop's seconds."""

    __slots__ = ("document", "etag", "expires_at", "number", "tenant", "timer")

    def __init__(self, tenant: str, number: str, document: bytes) -> None:
        self.tenant = tenant
        self.number = number
        self.document = document
        self.etag = ""
        self.expires_at = 0.0
        self.timer: Timer | None = None


class Publications:
    """All of them; ``on_change(tenant, number)`` is told when what an extension says of itself is another thing."""

    def __init__(self, wheel: TimerWheel, on_change: Callable[[str, str], None]) -> None:
        self._wheel = wheel
        self._on_change = on_change
        self._by_number: dict[tuple[str, str], dict[str, Publication]] = {}
        self.count = 0
        self.size = 0  # bytes of all documents

    def of(self, tenant: str, number: str) -> list[Publication]:
        """What an extension has published, the oldest first."""
        return list(self._by_number.get((tenant, number), {}).values())

    def find(self, tenant: str, number: str, etag: str) -> Publication:
        """Raises RemoteProtocolError(412) for a tag that names nothing of the extension (RFC 3903 §6 step 3)."""
        found = self._by_number.get((tenant, number), {}).get(etag)
        if found is None:
            raise RemoteProtocolError("Conditional Request Failed", 412)
        return found

    def add(self, tenant: str, number: str, document: bytes, until: float) -> Publication:
        """A new one. Raises RemoteProtocolError(503) when there is no room."""
        known = self._by_number.get((tenant, number), {})
        if len(known) >= MOST_OF_ONE or self.count >= MOST_IN_ALL:
            raise RemoteProtocolError("Too Many Publications", 503)
        self._check_size(tenant, number, len(document))
        made = Publication(tenant, number, document)
        self.count += 1
        self.size += len(document)
        self._by_number[tenant, number] = known
        self._put(made, until)
        self._on_change(tenant, number)
        return made

    def renew(self, publication: Publication, document: bytes, until: float) -> None:
        """Keep one for longer, with another document or, if it is empty, as it is; it gets another tag (RFC 3903 §6
        step 6). Raises RemoteProtocolError(503) when there is no room.
        """
        if document:
            more = len(document) - len(publication.document)
            self._check_size(publication.tenant, publication.number, more)
            self.size += more
            publication.document = document
        self._take(publication)
        self._put(publication, until)
        if document:
            self._on_change(publication.tenant, publication.number)

    def remove(self, publication: Publication) -> None:
        """It is over, or its extension has taken it back."""
        self._take(publication)
        self.count -= 1
        self.size -= len(publication.document)
        key = publication.tenant, publication.number
        if not self._by_number[key]:
            del self._by_number[key]
        self._on_change(*key)

    def gone(self, tenant: str, number: str = "") -> None:
        """An extension was removed, or a whole tenant."""
        for key in [key for key in self._by_number if key[0] == tenant and number in {"", key[1]}]:
            for publication in self.of(*key):
                self.remove(publication)

    def stop(self) -> None:
        """No timer is left."""
        for known in self._by_number.values():
            for publication in known.values():
                if publication.timer is not None:
                    self._wheel.cancel(publication.timer)

    def _check_size(self, tenant: str, number: str, more: int) -> None:
        has = sum(len(one.document) for one in self.of(tenant, number))
        if has + more > MOST_BYTES_OF_ONE or self.size + more > MOST_BYTES:
            raise RemoteProtocolError("Publications Too Large", 503)

    def _put(self, publication: Publication, until: float) -> None:
        publication.etag = secrets.token_hex(8)
        publication.expires_at = until
        publication.timer = self._wheel.call_at(until, lambda _now: self.remove(publication))
        self._by_number[publication.tenant, publication.number][publication.etag] = publication

    def _take(self, publication: Publication) -> None:
        if publication.timer is not None:
            self._wheel.cancel(publication.timer)
        del self._by_number[publication.tenant, publication.number][publication.etag]
