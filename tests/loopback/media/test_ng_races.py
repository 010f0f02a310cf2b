"""Calls at rtpengines that end, move, speak and are looked for at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.fake_media import FakeEngine
from tests.loopback.media.ng_peer import NgPeer, Reply
from tests.loopback.media.test_ng_cluster import cluster, until
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import DigitsSent, MediaEvent
from trunkline.media.mixed import MixedEngine
from trunkline.media.ng import courier
from trunkline.media.ng import engine as ng_engine
from trunkline.media.ng.bencode import Decoded
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.instance import Instance
from trunkline.media.ng.strays import Strays


async def link(engine: RtpengineCluster) -> None:
    """A call of two ports."""
    for command in (
        c.OpenPort("a", "call"),
        c.OpenPort("b", "call"),
        c.SetRemote("a", "192.0.2.1", 4000),
        c.SetRemote("b", "192.0.2.2", 5000),
        c.Link("a", "b"),
    ):
        await engine.execute(command)


async def test_what_waited_for_a_call_that_has_ended_meanwhile_does_not_bring_it_back() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        await link(engine)
        results = await asyncio.gather(
            engine.execute(c.SetDirection("a", send=False)),
            engine.execute(c.CloseOwner("call")),
            engine.execute(c.Link("a", "b", convert=True)),
            engine.execute(c.ClosePort("a")),
            return_exceptions=True,
        )
        assert one.commands()[-1] == "delete"
        codes = [result.code for result in results if isinstance(result, MediaError)]
        assert codes == ["media.unknown_port"] * 2
        assert results[0] == c.Done()


@pytest.mark.parametrize("drained", [False, True], ids=["it-stays", "it-moves"])
async def test_keys_are_sent_to_the_last_in_a_call_that_is_to_move(drained: bool) -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        sent: asyncio.Queue[MediaEvent] = asyncio.Queue()
        engine.subscribe(sent.put_nowait)
        await link(engine)
        if drained:
            engine.drain(one.url)
        await engine.execute(c.SendDigits("a", "123", 101))
        moved = await engine.execute(c.MoveOwner("call"))
        assert bool(moved.ports) is drained
        async with asyncio.timeout(60):
            assert isinstance(await sent.get(), DigitsSent)
        told = [told for peer in (one, two) for told in peer.told if told["command"] == b"play DTMF"]
        assert [key["digit"] for key in told] == [b"1", b"2", b"3"]


async def test_a_call_moves_though_a_stand_in_of_it_ends_just_then() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as away:
        here = FakeEngine()
        engine = MixedEngine(here, away)
        await engine.execute(c.OpenPort("a", "call"))
        await engine.execute(c.Echo("a"))
        away.drain(one.url)
        here.fault = lambda command: isinstance(command, c.SetRemote)
        moved = await engine.execute(c.MoveOwner("call"))
        assert [port.port for port in moved.ports] == ["a"]


async def test_all_ports_of_a_call_are_opened_anew_though_their_instance_comes_back_in_between() -> None:
    async with NgPeer() as gone, NgPeer() as two:
        gone.die()
        async with cluster(gone, two) as engine:
            first = await engine.execute(c.OpenPort("a", "call", rtp_port=40_000))
            async with NgPeer(gone.port):
                await until(lambda: engine.states()[0].state == "up")
                second = await engine.execute(c.OpenPort("b", "call", rtp_port=40_002))
            assert (first.rtp_port, second.rtp_port) == (30_000, 30_002)


async def test_a_call_whose_instance_was_started_anew_as_we_were_is_opened_anew() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        one.answer = lambda question: (
            {"result": "error", "error-reason": "Unknown call-id"}
            if question["command"] == b"query"
            else one.usual(question)
        )
        opened = [
            await engine.execute(c.OpenPort(port, "call", rtp_port=40_000 + 2 * number))
            for number, port in enumerate("ab")
        ]
        assert [port.rtp_port for port in opened] == [30_000, 30_002]
        for command in (
            c.SetRemote("a", "192.0.2.1", 4000),
            c.SetRemote("b", "192.0.2.2", 5000),
            c.Link("a", "b"),
        ):
            await engine.execute(command)
        told = [command for command in one.commands() if command != "statistics"]
        assert told == ["query", "publish", "query", "publish", "offer", "answer"]
        assert [state.sessions for state in engine.states()] == [1]


async def test_a_call_that_no_instance_takes_back_is_refused_with_the_reason() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        one.answer = lambda question: (
            one.usual(question)
            if question["command"] == b"ping"
            else {"result": "error", "error-reason": "Unknown call-id"}
            if question["command"] == b"query"
            else {"result": "error", "error-reason": "Parallel session limit reached"}
        )
        with pytest.raises(MediaError, match="Parallel session limit") as refused:
            await engine.execute(c.OpenPort("a", "call", rtp_port=40_000))
        assert refused.value.code == "media.engine_refused"


async def test_a_port_that_its_instance_has_given_back_is_opened_beside_those_that_it_kept() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        stream: Reply = {"local port": 40_000, "local address": "127.0.0.1", "stats": {}}
        kept: Reply = {"result": "ok", "tags": {"a": {"medias": [{"streams": [stream]}]}}}
        two.answer = lambda question: kept if question["command"] == b"query" else two.usual(question)
        one.answer = lambda question: (
            {"result": "error", "error-reason": "Unknown call-id"}
            if question["command"] == b"query"
            else one.usual(question)
        )
        second = await engine.execute(c.OpenPort("b", "call", rtp_port=40_002))
        first = await engine.execute(c.OpenPort("a", "call", rtp_port=40_000))
        assert (first.rtp_port, second.rtp_port) == (40_000, 30_000)
        assert "publish" not in one.commands()


async def test_strays_are_deleted_though_an_instance_lists_but_some_of_its_calls() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        strays = [f"trunkline-gone{number}" for number in range(7)]
        one.answer = lambda question: _listing(one, strays, question)
        await engine.execute(c.CloseStrays())
        assert one.commands().count("delete") == 7
        assert strays == []


async def test_a_stray_that_cannot_be_deleted_is_tried_once() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        one.answer = lambda question: (
            {"result": "ok", "calls": ["trunkline-gone"]}
            if question["command"] == b"list"
            else {"result": "error", "error-reason": "no"}
            if question["command"] == b"delete"
            else one.usual(question)
        )
        await engine.execute(c.CloseStrays())
        assert one.commands().count("delete") == 1


async def test_strays_at_an_instance_that_falls_silent_do_not_each_wait_for_an_answer() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        strays = [f"trunkline-gone{number}" for number in range(50)]
        silent = asyncio.Event()

        def answer(question: dict[str, Decoded]) -> Reply:
            if question["command"] == b"list":
                one.lose = 1_000_000
                silent.set()
                return {"result": "ok", "calls": list(strays)}
            return one.usual(question)

        one.answer = answer
        await engine.execute(c.CloseStrays())
        assert silent.is_set()
        assert {told["call-id"] for told in one.told if told["command"] == b"delete"} == {b"trunkline-gone0"}
        one.lose = 0
        one.answer = one.usual
        await until(lambda: one.commands().count("delete") >= len(strays))


async def test_a_stray_hunt_that_takes_long_does_not_hold_whoever_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ng_engine, "_STRAYS_S", 0.0)
    hunts: list[bool] = []

    async def find(self: Strays, instance: Instance, known: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            hunts.append(True)

    monkeypatch.setattr(Strays, "find", find)
    async with NgPeer() as one, cluster(one) as engine:
        await engine.execute(c.CloseStrays())
        assert not hunts
    assert hunts == [True], "it ends with the engine"


async def test_an_instance_to_which_too_many_questions_wait_is_not_taken_for_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with NgPeer() as one, cluster(one) as engine:
        await link(engine)
        with monkeypatch.context() as full:
            full.setattr(courier, "MAX_WAITING", 0)
            with pytest.raises(MediaError, match="questions waiting") as refused:
                await engine.execute(c.ReadStatistics("a"))
            assert refused.value.code == "media.engine_silent"
        assert [(state.state, state.failures) for state in engine.states()] == [("up", 0)]
        await engine.execute(c.ReadStatistics("a"))


async def test_thousands_of_calls_that_end_with_the_exchange_do_not_drown_their_instance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courier, "MAX_WAITING", 2 * ng_engine._AT_ONCE)
    calls = 3 * ng_engine._AT_ONCE
    async with NgPeer() as one:
        async with cluster(one) as engine:
            monkeypatch.setattr(ng_engine, "_GOODBYE_S", 60.0)
            for number in range(calls):
                await engine.execute(c.OpenPort(f"a{number}", f"call{number}"))
        assert len({told["call-id"] for told in one.told if told["command"] == b"delete"}) == calls


async def test_a_call_that_an_instance_did_not_answer_for_is_deleted_there_when_it_is_back() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        one.lose = 1_000_000
        await engine.execute(c.OpenPort("a", "call"))
        assert "publish" in two.commands()
        one.lose = 0
        await until(lambda: "delete" in one.commands())
        assert "delete" not in two.commands()


def _listing(peer: NgPeer, calls: list[str], question: dict[str, Decoded]) -> Reply:
    """Two calls at once."""
    if question["command"] == b"list":
        return {"result": "ok", "calls": list(calls[:2])}
    if question["command"] == b"delete":
        calls.remove(bytes(question["call-id"]).decode())  # type: ignore[arg-type]
    return peer.usual(question)
