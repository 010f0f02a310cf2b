"""How phones are woken that register by themselves (RFC 8599), kept over restarts in the table of devices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Final, Protocol

from trunkline.base.errors import TrunklineError
from trunkline.model.device import SIP, MobileDevice
from trunkline.registrar.push_record import MemoryPushRecords, PushRecord

FLUSH_S: Final = 15.0
SLICE: Final = 500
_PAUSE_S: Final = 0.02


class Journal(Protocol):
    """Where devices are written down; neither method waits."""

    def keep_devices(self, devices: Iterable[MobileDevice]) -> None:
        """Write them, new or known, some time soon. Its errors are TrunklineErrors."""
        ...

    def forget_device(self, tenant: str, key: str) -> None:
        """Delete one some time soon."""
        ...


class KeptPushRecords(MemoryPushRecords):
    """``registrar.ports.PushRecords``. ``rows`` are those of the store, of which the others are passed over."""

    def __init__(self, journal: Journal, rows: Iterable[MobileDevice] = ()) -> None:
        super().__init__()
        self._journal: Journal | None = None
        self._dirty: dict[str, PushRecord] = {}
        self._due = 0.0
        for row in rows:
            if row.kind == SIP:
                self.keep(_record(row))
        self._journal = journal

    def keep(self, record: PushRecord) -> None:
        """Remember it; what it takes the place of is deleted."""
        before = self.of(record.tenant, record.user)
        super().keep(record)
        after = self.of(record.tenant, record.user)
        if self._journal is None:
            return
        for gone in before:
            if all(one is not gone and one.key != gone.key for one in after):
                self._delete(gone)
        if any(one is record for one in after):
            self._dirty[_id_of(record)] = record

    def forget(self, record: PushRecord) -> None:
        """Its phone has left, or its token is dead."""
        super().forget(record)
        self._delete(record)

    def flush_due(self, now: float) -> float:
        """Hand over what was changed, when it is time (``now`` of any steady clock); returns when to call again."""
        if now < self._due:
            return self._due
        if self._dirty:
            self._flush()
        if self._dirty:
            return now + _PAUSE_S
        self._due = now + FLUSH_S
        return self._due

    def flush_all(self) -> None:
        """Hand over everything, before the writer is stopped."""
        before = -1
        while self._dirty and len(self._dirty) != before:
            before = len(self._dirty)
            self._flush()

    def _flush(self) -> None:
        some = list(islice(self._dirty.items(), SLICE))
        # When the writer's queue is full they stay, and go when there is room.
        with suppress(TrunklineError):
            if self._journal is not None:
                self._journal.keep_devices([_row(key, record) for key, record in some])
            for key, _ in some:
                del self._dirty[key]

    def _delete(self, record: PushRecord) -> None:
        key = _id_of(record)
        self._dirty.pop(key, None)
        if self._journal is not None:
            self._journal.forget_device(record.tenant, key)


def _id_of(record: PushRecord) -> str:
    """The same for the same phone, so that a record is written over and never twice."""
    return hashlib.sha256(
        "\0".join((record.tenant, record.user, *record.key)).encode("utf-8", "replace")
    ).hexdigest()[:32]


def _row(key: str, record: PushRecord) -> MobileDevice:
    """``team`` holds the instance: such a device has no team of its own."""
    return MobileDevice(
        record.tenant,
        key,
        "",
        None,
        SIP,
        record.user,
        "sip",
        "",
        record.provider,
        "",
        record.prid,
        "",
        record.environment,
        record.param,
        record.instance,
        "",
        "",
        active=True,
        disabled_why="",
        created_at=record.registered_at,
        registered_at=record.registered_at,
        seen_at=record.registered_at,
    )


def _record(row: MobileDevice) -> PushRecord:
    return PushRecord(
        row.tenant,
        row.user,
        row.service,
        row.push_token,
        row.bundle_id,
        row.team,
        row.registered_at,
        row.environment,
    )
