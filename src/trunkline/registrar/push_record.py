"""How a phone is woken, kept longer than its binding: a binding expires while the phone sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from trunkline.push.notification import PushAddress
from trunkline.registrar.push_parameters import PushNotSupportedError, PushParameters

MOST_OF_ONE: Final = 10
MOST: Final = 1_000_000


@dataclass(slots=True)
class PushRecord:
    """One phone of the AOR (``tenant``, ``user``).

    ``provider``, ``prid`` and ``param`` are as the phone wrote them (the first in lower case); together they are its
    ``key``. ``instance`` is its +sip.instance, "" without one or when it is not known any more. ``registered_at`` is
    the wall-clock second of its last REGISTER. ``environment`` is that of Apple's to which its token was found to
    belong, "" while it is what ``provider`` says.
    """

    tenant: str
    user: str
    provider: str
    prid: str = field(repr=False)
    param: str
    instance: str
    registered_at: float
    environment: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.provider, self.prid, self.param

    def address(self, use: str) -> PushAddress | None:
        """Where notifications for ``call`` or ``quiet`` go; None when the phone takes none of these."""
        try:
            found = PushParameters(*self.key).addresses().get(use)
        except PushNotSupportedError:
            return None  # kept by a version that knew more
        if found is not None and self.environment:
            return replace(found, environment=self.environment)
        return found

    def is_same_phone(self, other: PushRecord) -> bool:
        """A phone whose token was renewed is still that phone."""
        return self.key == other.key or (bool(self.instance) and self.instance == other.instance)


class MemoryPushRecords:
    """``PushRecords`` that end with the process: the last ``MOST_OF_ONE`` phones of each AOR."""

    def __init__(self) -> None:
        self._by_aor: dict[tuple[str, str], tuple[PushRecord, ...]] = {}
        self.count = 0

    def keep(self, record: PushRecord) -> None:
        known = self.of(record.tenant, record.user)
        if any(one is record for one in known):
            return
        others = [one for one in known if not one.is_same_phone(record)]
        if len(others) == len(known) and self.count >= MOST:
            return
        self._put(record.tenant, record.user, (*others[-MOST_OF_ONE + 1 :], record))

    def of(self, tenant: str, user: str) -> tuple[PushRecord, ...]:
        return self._by_aor.get((tenant, user), ())

    def forget(self, record: PushRecord) -> None:
        left = tuple(one for one in self.of(record.tenant, record.user) if one.key != record.key)
        self._put(record.tenant, record.user, left)

    def __iter__(self) -> Iterator[PushRecord]:
        for known in self._by_aor.values():
            yield from known

    def all_of(self, tenant: str) -> list[PushRecord]:
        return [one for (owner, _), known in self._by_aor.items() if owner == tenant for one in known]

    def _put(self, tenant: str, user: str, records: tuple[PushRecord, ...]) -> None:
        self.count += len(records) - len(self.of(tenant, user))
        if records:
            self._by_aor[tenant, user] = records
        else:
            self._by_aor.pop((tenant, user), None)
