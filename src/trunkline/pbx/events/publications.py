"""What extensions publish of themselves (RFC 3903): soft state, each piece under an entity tag of our making."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final
from xml.etree.ElementTree import Element

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.wheel import Timer, TimerWheel

MOST_OF_ONE: Final = 10
MOST_IN_ALL: Final = 20_000


class Publication:
    """``root`` is the document as it was published, ``expires_at`` in the loop's seconds."""

    __slots__ = ("etag", "expires_at", "number", "root", "tenant", "timer")

    def __init__(self, tenant: str, number: str, root: Element) -> None:
        self.tenant = tenant
        self.number = number
        self.root = root
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

    def of(self, tenant: str, number: str) -> list[Publication]:
        """What an extension has published, the oldest first."""
        return list(self._by_number.get((tenant, number), {}).values())

    def find(self, tenant: str, number: str, etag: str) -> Publication:
        """Raises RemoteProtocolError(412) for a tag that names nothing of the extension (RFC 3903 §6 step 3)."""
        found = self._by_number.get((tenant, number), {}).get(etag)
        if found is None:
            raise RemoteProtocolError("Conditional Request Failed", 412)
        return found

    def add(self, tenant: str, number: str, root: Element, until: float) -> Publication:
        """A new one. Raises RemoteProtocolError(503) when there is no room."""
        known = self._by_number.setdefault((tenant, number), {})
        if len(known) >= MOST_OF_ONE or self.count >= MOST_IN_ALL:
            raise RemoteProtocolError("Too Many Publications", 503)
        made = Publication(tenant, number, root)
        self.count += 1
        self._put(made, until)
        self._on_change(tenant, number)
        return made

    def renew(self, publication: Publication, root: Element | None, until: float) -> None:
        """Keep one for longer, with another document or as it is; it gets another tag (RFC 3903 §6 step 6)."""
        self._take(publication)
        if root is not None:
            publication.root = root
        self._put(publication, until)
        if root is not None:
            self._on_change(publication.tenant, publication.number)

    def remove(self, publication: Publication) -> None:
        """It is over, or its extension has taken it back."""
        self._take(publication)
        self.count -= 1
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

    def _put(self, publication: Publication, until: float) -> None:
        publication.etag = secrets.token_hex(8)
        publication.expires_at = until
        publication.timer = self._wheel.call_at(until, lambda _now: self.remove(publication))
        self._by_number[publication.tenant, publication.number][publication.etag] = publication

    def _take(self, publication: Publication) -> None:
        if publication.timer is not None:
            self._wheel.cancel(publication.timer)
        del self._by_number[publication.tenant, publication.number][publication.etag]
