"""How phones are woken is written down, and read back after a restart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from trunkline.base.errors import TransportError
from trunkline.mobile.book import Book
from trunkline.mobile.push_records import KeptPushRecords
from trunkline.model.device import MobileDevice
from trunkline.registrar.push_record import PushRecord


class Rows:
    def __init__(self) -> None:
        self.rows: dict[str, MobileDevice] = {}
        self.full = False

    def keep_devices(self, devices: Iterable[MobileDevice]) -> None:
        if self.full:
            raise TransportError("the queue is full")
        self.rows |= {one.id: replace(one) for one in devices}

    def forget_device(self, tenant: str, key: str) -> None:
        self.rows.pop(key, None)


def record(prid: str = "token-1", instance: str = "<urn:uuid:1>", at: float = 1000.0) -> PushRecord:
    return PushRecord("t1", "1001", "fcm", prid, "project", instance, at, "")


def test_a_record_comes_back_after_a_restart() -> None:
    rows = Rows()
    records = KeptPushRecords(rows)
    kept = record()
    records.keep(kept)
    records.flush_all()
    again = KeptPushRecords(rows, rows.rows.values())
    assert list(again.of("t1", "1001")) == [kept]
    assert again.of("t2", "1001") == ()
    assert len(Book(rows, rows.rows.values())) == 0, "such a phone is no device of an account"


def test_a_refresh_is_written_some_seconds_later_and_once() -> None:
    rows = Rows()
    records = KeptPushRecords(rows)
    kept = record()
    records.keep(kept)
    due = records.flush_due(100.0)
    assert due > 100
    kept.registered_at = 2000.0
    records.keep(kept)
    records.keep(kept)
    records.flush_due(due - 1)
    assert [row.registered_at for row in rows.rows.values()] == [1000.0]
    records.flush_due(due)
    assert [row.registered_at for row in rows.rows.values()] == [2000.0]


def test_a_phone_whose_token_was_renewed_has_one_row() -> None:
    rows = Rows()
    records = KeptPushRecords(rows)
    records.keep(record())
    records.flush_all()
    records.keep(record("token-2"))
    records.flush_all()
    assert [row.push_token for row in rows.rows.values()] == ["token-2"]


def test_what_was_forgotten_is_deleted_even_before_it_was_written() -> None:
    rows = Rows()
    records = KeptPushRecords(rows)
    records.keep(record())
    records.forget(record())
    records.flush_all()
    assert not rows.rows
    assert records.of("t1", "1001") == ()


def test_a_full_queue_loses_nothing() -> None:
    rows = Rows()
    records = KeptPushRecords(rows)
    rows.full = True
    records.keep(record())
    soon = records.flush_due(100.0)
    records.flush_all()
    rows.full = False
    assert records.flush_due(soon) > soon
    assert len(rows.rows) == 1
