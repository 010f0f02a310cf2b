"""Calls of a process before us, opened anew while no instance answers: what becomes of them once one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tests.link.virtual_time import virtual
from trunkline.base.errors import MediaError, TransportError
from trunkline.media import commands as c
from trunkline.media.ng.bencode import Encodable
from trunkline.media.ng.courier import Answer
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.plan import ClusterPlan, InstancePlan

OURS = "192.0.2.10"
PORTS = {"a": 30_000, "b": 30_002}


class Rtpengine:
    """An instance, and the way to it: while it is not ``up`` nothing is answered. ``calls`` are those that it has."""

    answer_octets = 65_000

    def __init__(self) -> None:
        self.up = False
        self.calls: dict[str, dict[str, int]] = {}
        self.told: list[tuple[str, str]] = []
        self._next = 40_000

    async def start(self) -> None:
        """It is reached, or not."""

    async def stop(self) -> None:
        """It is reached no more."""

    async def ask(self, question: Mapping[str, Encodable], within_s: float) -> Answer:
        if not self.up:
            await asyncio.sleep(within_s)
            raise TransportError("it did not answer")
        command, call = str(question["command"]), str(question.get("call-id", ""))
        if command != "ping":
            self.told.append((command, call))
        return self._answer(command, call, question)

    def _answer(self, command: str, call: str, question: Mapping[str, Encodable]) -> Answer:
        if command == "ping":
            return {"result": b"pong"}
        if command == "publish":
            ports = self.calls.setdefault(call, {})
            self._next += 2
            ports[str(question["from-tag"])] = self._next
        elif command in {"query", "delete", "offer", "answer"} and call not in self.calls:
            return {"result": b"error", "error-reason": b"Unknown call-id"}
        if command == "delete":
            del self.calls[call]
        elif command == "query":
            tags: Answer = {tag: _tag(port) for tag, port in self.calls[call].items()}
            return {"result": b"ok", "tags": tags}
        elif command in {"publish", "offer", "answer"}:
            tag = str(question["to-tag" if command == "offer" else "from-tag"])
            body = f"v=0\r\nc=IN IP4 {OURS}\r\nm=audio {self.calls[call][tag]} RTP/AVP 0\r\n"
            return {"result": b"ok", "sdp": body.encode()}
        return {"result": b"ok", "calls": []}


def _tag(port: int) -> Answer:
    address: Answer = {"family": b"IPv4", "address": OURS.encode(), "port": port}
    return {
        "medias": [{"streams": [{"local port": port, "local address": OURS.encode(), "endpoint": address}]}]
    }


@asynccontextmanager
async def started(monkeypatch: pytest.MonkeyPatch, *instances: Rtpengine) -> AsyncIterator[RtpengineCluster]:
    ways = {f"udp:192.0.2.{at}:2223": one for at, one in enumerate(instances, 10)}
    monkeypatch.setattr("trunkline.media.ng.instance.transport_to", lambda url, _ca: ways[url])
    plan = ClusterPlan(tuple(map(InstancePlan, ways)), mark="m")
    engine = RtpengineCluster(plan)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def open_again(engine: RtpengineCluster, owner: str = "call") -> list[c.PortOpened]:
    """What a process after a crash does for a call whose two parties talk."""
    opened = [
        await engine.execute(c.OpenPort(owner + port, owner, "ipv4", number, address=OURS))
        for port, number in PORTS.items()
    ]
    for port in PORTS:
        await engine.execute(c.SetRemote(owner + port, "203.0.113.5", 4000))
    await engine.execute(c.Link(owner + "a", owner + "b"))
    return opened


def has(rtpengine: Rtpengine, owner: str = "call") -> None:
    """It has relayed this call all the while."""
    rtpengine.calls[f"trunkline-m-{owner}"] = {owner + port: number for port, number in PORTS.items()}


@virtual
async def test_an_instance_that_answers_soon_and_has_the_call_goes_on_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Rtpengine()
    has(one)
    async with started(monkeypatch, one) as engine:
        opened = await open_again(engine)
        assert [(port.advertised, port.rtp_port, port.awaited) for port in opened] == [
            (OURS, 30_000, True),
            (OURS, 30_002, True),
        ]
        assert one.told == []
        finding = asyncio.ensure_future(engine.execute(c.FindOwner("call")))
        await asyncio.sleep(5)
        assert not finding.done()
        one.up = True
        assert (await finding).known
        # What we were told meanwhile it is told, and nothing is opened.
        asked = [command for command, _ in one.told if command not in {"list", "statistics"}]
        assert asked == ["query", "offer", "answer", "unblock media", "unblock media"]
        assert (await engine.execute(c.MoveOwner("call"))).ports == ()
        assert [state.sessions for state in engine.states()] == [1]
        await engine.execute(c.CloseOwner("call"))
        assert (one.calls, [state.sessions for state in engine.states()]) == ({}, [0])


@virtual
async def test_one_that_has_forgotten_it_is_no_find_and_the_call_is_opened_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other = Rtpengine(), Rtpengine()
    has(other)
    async with started(monkeypatch, one, other) as engine:
        await open_again(engine)
        one.up = True
        assert not (await engine.execute(c.FindOwner("call"))).known
        moved = await engine.execute(c.MoveOwner("call"))
        assert [port.rtp_port for port in moved.ports] == [40_002, 40_004]
        assert not any(port.awaited for port in moved.ports)
        # The one that comes later still has it, and nobody wants it there any more.
        other.up = True
        await asyncio.sleep(10)
        assert (list(one.calls), other.calls) == (["trunkline-m-call"], {})


@virtual
async def test_half_of_a_call_is_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Rtpengine()
    one.calls["trunkline-m-call"] = {"calla": 30_000}
    async with started(monkeypatch, one) as engine:
        await open_again(engine)
        one.up = True
        assert not (await engine.execute(c.FindOwner("call"))).known
        assert one.calls == {}
        moved = await engine.execute(c.MoveOwner("call"))
        assert len(moved.ports) == 2


@virtual
async def test_one_that_falls_silent_again_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Rtpengine()
    has(one)
    async with started(monkeypatch, one) as engine:
        await open_again(engine)
        usual = one._answer

        def silent(command: str, call: str, question: Mapping[str, Encodable]) -> Answer:
            if command == "query":
                one.up = False
                raise TransportError("it did not answer")
            return usual(command, call, question)

        monkeypatch.setattr(one, "_answer", silent)
        finding = asyncio.ensure_future(engine.execute(c.FindOwner("call")))
        one.up = True
        await asyncio.sleep(10)
        assert (finding.done(), one.up) == (False, False)
        monkeypatch.setattr(one, "_answer", usual)
        one.up = True
        assert (await finding).known


@virtual
async def test_a_call_that_ends_meanwhile_is_deleted_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Rtpengine(), Rtpengine()
    has(other)
    async with started(monkeypatch, one, other) as engine:
        await open_again(engine)
        finding = asyncio.ensure_future(engine.execute(c.FindOwner("call")))
        await asyncio.sleep(1)
        await engine.execute(c.CloseOwner("call"))
        one.up = other.up = True
        assert not (await finding).known
        await asyncio.sleep(10)
        assert other.calls == {}
        assert [state.sessions for state in engine.states()] == [0, 0]


@virtual
async def test_many_are_found_and_new_calls_are_refused_at_once_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = Rtpengine()
    owners = [f"call{number}" for number in range(500)]
    for owner in owners:
        has(one, owner)
    async with started(monkeypatch, one) as engine:
        begun = asyncio.get_running_loop().time()
        for owner in owners:
            await open_again(engine, owner)
        with pytest.raises(MediaError, match="no rtpengine is up"):
            await engine.execute(c.OpenPort("new", "new"))
        assert asyncio.get_running_loop().time() == begun, "nobody waited"
        finding = [asyncio.ensure_future(engine.execute(c.FindOwner(owner))) for owner in owners]
        await asyncio.sleep(2)
        one.up = True
        assert all(found.known for found in await asyncio.gather(*finding))


@virtual
async def test_without_the_address_that_its_party_knows_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with started(monkeypatch, Rtpengine()) as engine:
        with pytest.raises(MediaError, match="no rtpengine is up"):
            await engine.execute(c.OpenPort("a", "call", "ipv4", 30_000))
        assert (await engine.execute(c.FindOwner("call"))).known is False
