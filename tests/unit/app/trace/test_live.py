"""Live traces: whose messages they have, how much they hold, when they end. In virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.virtual_time import virtual
from tests.unit.app.trace.samples import sip
from tests.unit.app.trace.scene import FakeNet, fake_call, invite
from trunkline.app.trace import live
from trunkline.app.trace.live import LEASE_S, MAX_TRACES, LiveTraces, Wanted
from trunkline.app.trace.tracer import Tracer
from trunkline.base.messages import Refused
from trunkline.call.registry import Calls


def traces() -> tuple[FakeNet, Calls, LiveTraces]:
    net, calls = FakeNet(), Calls()
    return net, calls, LiveTraces(Tracer(net, asyncio.get_running_loop().time), calls)


async def seen(table: LiveTraces, name: str) -> list[str]:
    """The Call-IDs of what a trace has gathered."""
    await asyncio.sleep(0)
    return [row.call for row in (await table.read(name, 0)).rows]


@virtual
async def test_everything_is_seen_unless_something_is_wanted() -> None:
    net, _, table = traces()
    name = table.start(Wanted(), bodies=False)
    net.show(invite("a"))
    net.show("garbage")
    assert await seen(table, name) == ["a", ""]
    assert await seen(table, name) == []
    table.stop_all()
    assert net.on is None


@virtual
async def test_one_dialog_is_seen_by_its_call_id() -> None:
    net, _, table = traces()
    name = table.start(Wanted(sip_call_id="b"), bodies=False)
    for call_id in "abcb":
        net.show(invite(call_id))
    assert await seen(table, name) == ["b", "b"]
    table.stop_all()


@virtual
async def test_both_legs_of_a_call_are_seen_also_one_that_begins_later() -> None:
    net, calls, table = traces()
    call = fake_call("c1", "1001", "1002", "in")
    calls.add(call)
    name = table.start(Wanted(call=call), bodies=False)
    # The message leaves before the leg knows its Call-ID.
    net.show(invite("out"), incoming=False)
    call.legs += fake_call("", "", "", "out").legs
    net.show(invite("other"))
    net.show(invite("in"))
    assert await seen(table, name) == ["out", "in"]
    table.stop_all()


@virtual
async def test_a_number_is_seen_as_caller_as_callee_and_on_the_other_leg() -> None:
    net, calls, table = traces()
    name = table.start(Wanted(number="1001"), bodies=False)
    net.show(sip("REGISTER sip:pbx.test SIP/2.0", cseq="1 REGISTER", call_id="reg"))
    net.show(invite("in"))
    calls.add(fake_call("c1", "1001", "1002", "in", "out"))
    calls.add(fake_call("c2", "1003", "1004", "x", "y"))
    for call_id in ("out", "y"):
        net.show(invite(call_id).replace("sip:1001@", "sip:anonymous@"), incoming=False)
    assert await seen(table, name) == ["reg", "in", "out"]
    # What is known of a dialog outlives its call.
    calls.active.clear()
    net.show(sip("SIP/2.0 200 OK", call_id="out").replace("sip:1001@", "sip:anonymous@"))
    assert await seen(table, name) == ["out"]
    table.stop_all()


@virtual
async def test_a_reader_waits_for_the_first_message() -> None:
    net, _, table = traces()
    name = table.start(Wanted(), bodies=False)
    loop = asyncio.get_running_loop()
    loop.call_later(3, net.show, invite("a"))
    began = loop.time()
    assert [row.call for row in (await table.read(name, 10)).rows] == ["a"]
    assert loop.time() - began == pytest.approx(3)
    assert not (await table.read(name, 2)).rows
    table.stop_all()


@virtual
async def test_what_nobody_reads_in_time_is_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    net, _, table = traces()
    monkeypatch.setattr(live, "MAX_MESSAGES", 3)
    name = table.start(Wanted(), bodies=False)
    for call_id in "abcde":
        net.show(invite(call_id))
    await asyncio.sleep(0)
    page = await table.read(name, 0)
    assert [row.call for row in page.rows] == ["a", "b", "c"]
    assert page.lost == 2
    assert (await table.read(name, 0)).lost == 0
    table.stop_all()


@virtual
async def test_a_page_has_a_bound_and_the_rest_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    net, _, table = traces()
    monkeypatch.setattr(live, "PAGE_MESSAGES", 2)
    name = table.start(Wanted(), bodies=False)
    for call_id in "abc":
        net.show(invite(call_id))
    assert [await seen(table, name) for _ in range(2)] == [["a", "b"], ["c"]]
    table.stop_all()


@virtual
async def test_a_trace_that_nobody_reads_ends() -> None:
    net, _, table = traces()
    name = table.start(Wanted(), bodies=False)
    await asyncio.sleep(LEASE_S - 1)
    await table.read(name, 2 * LEASE_S)  # waiting is reading
    await asyncio.sleep(LEASE_S + 1)
    assert len(table) == 0
    assert net.on is None
    with pytest.raises(Refused, match="has ended"):
        await table.read(name, 0)


@virtual
async def test_there_are_only_so_many_traces_at_a_time() -> None:
    _, _, table = traces()
    names = [table.start(Wanted(), bodies=False) for _ in range(MAX_TRACES)]
    with pytest.raises(Refused, match="run already"):
        table.start(Wanted(), bodies=False)
    table.stop(names[0])
    table.start(Wanted(), bodies=False)
    table.stop_all()


@virtual
async def test_the_trace_of_a_call_ends_after_its_last_answers() -> None:
    net, calls, table = traces()
    call = fake_call("c1", "1001", "1002", "in")
    calls.add(call)
    name = table.start(Wanted(call=call), bodies=False)
    calls.active.clear()
    assert not (await table.read(name, 0)).over
    net.show(invite("in"))
    assert await seen(table, name) == ["in"]
    await asyncio.sleep(2)
    assert (await table.read(name, 0)).over
    assert len(table) == 0
