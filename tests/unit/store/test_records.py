"""Call records."""

from __future__ import annotations

import pytest

from tests.unit.store.samples import SYSTEM, a_record
from trunkline.model.record import CallRecord
from trunkline.model.tenant import TenantScope
from trunkline.store import Store
from trunkline.store.errors import AmbiguousError


def test_a_record_comes_back_whole(store: Store, mine: TenantScope) -> None:
    answered = a_record(mine.tenant)
    failed = a_record(
        mine.tenant, started_at=900.0, answered_at=None, q850=None, status=486, quality={}, story=[]
    )
    store.records.append_many(mine, [answered, failed])
    assert store.records.list(mine) == (answered, failed)


def test_a_record_written_twice_is_stored_once(store: Store, mine: TenantScope) -> None:
    record = a_record(mine.tenant)
    echo = a_record(mine.tenant, id=record.id, reason="written again")
    store.records.append_many(mine, [record, record])
    store.records.append_many(mine, [echo])
    assert store.records.list(mine) == (record,)


def at(tenant: str, started: float, **changes: object) -> CallRecord:
    return a_record(tenant, started_at=started, ended_at=started + 10, **changes)


def test_the_newest_come_first_within_the_limit(store: Store, mine: TenantScope) -> None:
    store.records.append_many(mine, [at(mine.tenant, start) for start in (10.0, 30.0, 20.0)])
    assert [one.started_at for one in store.records.list(mine, limit=2)] == [30.0, 20.0]
    assert [one.started_at for one in store.records.list(SYSTEM)] == [30.0, 20.0, 10.0]
    for limit in (0, -1, 10_001):
        with pytest.raises(ValueError, match=r"limit must be 1\.\.10000"):
            store.records.list(mine, limit=limit)


def test_filters_narrow_the_list(store: Store, mine: TenantScope) -> None:
    first = at(mine.tenant, 10.0, caller="1001", callee="1002")
    second = at(mine.tenant, 20.0, caller="1002", callee="1003")
    third = at(mine.tenant, 30.0, caller="1003", callee="9", target="1001")
    store.records.append_many(mine, [first, second, third])
    assert store.records.list(mine, number="1001") == (third, first)
    assert store.records.list(mine, number="1002", since=20.0) == (second,)
    assert store.records.list(mine, call=first.call) == (first,)


@pytest.mark.parametrize("system", [False, True])
def test_a_call_is_found_by_its_id_a_sip_call_id_or_a_beginning(
    store: Store, mine: TenantScope, system: bool
) -> None:
    caller = at(mine.tenant, 10.0, call="0192-aaaa-1", sip_call_id="from-caller")
    callee = at(mine.tenant, 11.0, call="0192-aaaa-1", sip_call_id="to-callee", direction="out")
    stranger = at(mine.tenant, 12.0, call="0192-bbbb-1", sip_call_id="another")
    store.records.append_many(mine, [stranger, callee, caller])
    scope = SYSTEM if system else mine
    for key in ("0192-aaaa-1", "to-callee", "from-caller", "0192-a"):
        assert store.records.find(scope, key) == (caller, callee)
    for key in ("", "0193", "aaaa", "0192-aaaa-11", "0192%", "_"):
        assert store.records.find(scope, key) == ()


def test_a_beginning_that_fits_several_calls_is_refused_naming_them(store: Store, mine: TenantScope) -> None:
    calls = [f"0192-{number}" for number in range(8)]
    store.records.append_many(mine, [a_record(mine.tenant, call=call) for call in calls])
    with pytest.raises(AmbiguousError, match="fits several calls: 0192-7, 0192-6") as caught:
        store.records.find(mine, "0192")
    assert caught.value.calls == ("0192-7", "0192-6", "0192-5", "0192-4", "0192-3")


def test_a_calls_whole_id_is_found_though_it_begins_another(store: Store, mine: TenantScope) -> None:
    short, long = a_record(mine.tenant, call="0192"), a_record(mine.tenant, call="0192-1")
    store.records.append_many(mine, [short, long])
    assert store.records.find(mine, "0192") == (short,)


def test_purging_deletes_what_ended_before(store: Store, mine: TenantScope, other: TenantScope) -> None:
    old = [at(mine.tenant, 10.0) for _ in range(2100)]
    long_call = a_record(mine.tenant, started_at=10.0, ended_at=5000.0)
    theirs = at(other.tenant, 10.0)
    store.records.append_many(SYSTEM, [*old, long_call, theirs])
    assert store.records.purge(mine, before=21.0) == 2100
    assert store.records.list(mine) == (long_call,)
    assert store.records.purge(SYSTEM, before=21.0) == 1
    assert store.records.list(SYSTEM) == (long_call,)


def test_text_of_peers_is_stored_whatever_its_bytes(store: Store, mine: TenantScope) -> None:
    reason = b"Besetzt \xfc".decode("utf-8", "surrogateescape")
    record = a_record(
        mine.tenant, reason=reason, story=[{"ms": 0, "code": "a.b", "text": reason, "of": object}]
    )
    store.records.append_many(mine, [record])
    (found,) = store.records.list(mine)
    assert found.reason == "Besetzt %FC"
    assert found.story[0]["text"] == reason


def test_a_search_for_a_number_reads_an_index_and_the_records_it_finds_alone(store: Store) -> None:
    with store.database.reading() as connection:
        columns = ("tenant_id", "started_at", "caller", "callee", "target")
        query = (
            "EXPLAIN QUERY PLAN SELECT * FROM call_record WHERE tenant_id = 'x' AND started_at >= 0 "
            "AND (caller = '1' OR callee = '1' OR target = '1') ORDER BY started_at DESC LIMIT 20"
        )
        plans = [str(row[3]) for row in connection.exec_driver_sql(query)]
        index = plans[0].partition("USING INDEX ")[2].split()[0]
        names = [row[2] for row in connection.exec_driver_sql(f"PRAGMA index_info({index})")]
    assert names == list(columns)
    assert len(plans) == 1  # no sorting besides
