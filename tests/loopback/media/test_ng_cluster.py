"""Commands to rtpengine over a network that loses, repeats and forges; and instances that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.loopback.media.ng_peer import NgPeer, Reply
from trunkline.base.errors import MediaError, RemoteProtocolError, TransportError
from trunkline.media import commands as c
from trunkline.media.events import EngineLeaving, EngineLost, MediaEvent
from trunkline.media.ng.bencode import Decoded
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.plan import ClusterPlan, InstancePlan
from trunkline.media.ng.udp import UdpTransport
from trunkline.media.ng.websocket import SUBPROTOCOL, WebSocketTransport

QUICK = (0.02, 0.04, 0.08)


@pytest.fixture
async def peer() -> AsyncIterator[NgPeer]:
    async with NgPeer() as one:
        yield one


@pytest.fixture
async def way(peer: NgPeer) -> AsyncIterator[UdpTransport]:
    transport = UdpTransport("127.0.0.1", peer.port, QUICK)
    await transport.start()
    yield transport
    await transport.stop()


@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_a_question_is_sent_again_under_the_same_cookie(
    way: UdpTransport, peer: NgPeer, lost: int
) -> None:
    peer.lose = lost
    assert await way.ask({"command": "query"}, 5.0) == {"result": b"ok"}
    assert len(peer.told) == lost + 1
    assert len(set(peer.cookies)) == 1


async def test_without_an_answer_it_ends_by_its_deadline(way: UdpTransport, peer: NgPeer) -> None:
    peer.lose = 1000
    with pytest.raises(TransportError, match="did not answer within"):
        await way.ask({"command": "query"}, 0.3)
    assert len(peer.told) == 4


async def test_duplicates_and_answers_of_nobodys_are_counted_and_dropped(
    way: UdpTransport, peer: NgPeer
) -> None:
    peer.twice = peer.astray = True
    for _ in range(3):
        assert await way.ask({"command": "ping"}, 5.0) == {"result": b"pong"}
    async with asyncio.timeout(60):
        while way.courier.strays < 6:  # noqa: ASYNC110  (the duplicate of the last one may be under way)
            await asyncio.sleep(0.01)


async def test_answers_in_another_order_find_their_questions(way: UdpTransport, peer: NgPeer) -> None:
    peer.answer = lambda question: {"result": "ok", "said": question["number"]}
    answers = await asyncio.gather(*(way.ask({"command": "x", "number": n}, 5.0) for n in range(50)))
    assert [answer["said"] for answer in answers] == list(range(50))


async def test_an_answer_that_is_no_bencode_is_told_so(way: UdpTransport, peer: NgPeer) -> None:
    peer.garbled = True
    with pytest.raises(RemoteProtocolError):
        await way.ask({"command": "ping"}, 5.0)


async def test_a_question_that_no_datagram_holds_is_refused(way: UdpTransport) -> None:
    with pytest.raises(TransportError, match="too many for a datagram"):
        await way.ask({"command": "play media", "blob": bytes(70_000)}, 5.0)


async def test_a_websocket_is_opened_anew_when_it_breaks() -> None:
    connected: asyncio.Queue[ServerConnection] = asyncio.Queue()

    async def answer(connection: ServerConnection) -> None:
        assert connection.subprotocol == SUBPROTOCOL
        connected.put_nowait(connection)
        async for message in connection:
            assert isinstance(message, bytes)
            await connection.send(message.partition(b" ")[0] + b" d6:result4:ponge")

    async with serve(answer, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)]) as server:
        way = WebSocketTransport(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await way.start()
        try:
            assert await way.ask({"command": "ping"}, 5.0) == {"result": b"pong"}
            async with asyncio.timeout(60):
                await (await connected.get()).close()
                await connected.get()
            assert await _once_open(way) == {"result": b"pong"}
        finally:
            await way.stop()
        with pytest.raises(TransportError):
            await way.ask({"command": "ping"}, 1.0)


async def _once_open(way: WebSocketTransport) -> object:
    async with asyncio.timeout(60):
        while True:
            try:
                return await way.ask({"command": "ping"}, 5.0)
            except TransportError:
                await asyncio.sleep(0.02)


# The cluster


@asynccontextmanager
async def cluster(*peers: NgPeer, weights: tuple[int, ...] = ()) -> AsyncIterator[RtpengineCluster]:
    """A cluster of these; its pings are quick."""
    weights = weights or (1,) * len(peers)
    instances = tuple(InstancePlan(peer.url, weight) for peer, weight in zip(peers, weights, strict=True))
    engine = RtpengineCluster(ClusterPlan(instances, timeout_s=0.6, ping_s=0.05))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  (states are read, not told)
            await asyncio.sleep(0.01)


async def test_a_link_takes_an_offer_and_an_answer() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        for port in ("a", "b"):
            await engine.execute(c.OpenPort(port, "call"))
        remotes = [
            c.SetRemote("a", "192.0.2.1", 4000),
            c.SetRemote("b", "192.0.2.2", 5000, policy="signalled"),
        ]
        for command in (*remotes, c.Link("a", "b"), *remotes, c.Link("a", "b")):
            await engine.execute(command)
        assert one.commands() == ["publish", "publish", "offer", "answer"], "what is known is not told again"
        offer, answer = one.told[-2:]
        assert (offer["from-tag"], offer["to-tag"], offer["call-id"]) == (b"a", b"b", b"trunkline-call")
        assert b"192.0.2.1" in bytes(offer["sdp"])  # type: ignore[arg-type]
        assert b"192.0.2.2" in bytes(answer["sdp"])  # type: ignore[arg-type]
        assert offer["flags"] == [b"port latching"]
        assert answer["flags"] == [b"port latching", b"asymmetric", b"strict source"]


async def test_a_new_address_without_a_link_behind_it_is_told_too() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        for port in ("a", "b"):
            await engine.execute(c.OpenPort(port, "call"))
        await engine.execute(c.Link("a", "b"))
        await engine.execute(c.SetRemote("a", "192.0.2.77", 4000))
        await until(lambda: one.commands().count("offer") == 2)
        assert b"192.0.2.77" in bytes(one.told[-2]["sdp"]) or b"192.0.2.77" in bytes(one.told[-1]["sdp"])  # type: ignore[arg-type]


async def test_holds_and_links_that_end_are_blocks() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        for port in ("a", "b", "c"):
            await engine.execute(c.OpenPort(port, "call"))
        await engine.execute(c.Link("a", "b"))
        await engine.execute(c.SetDirection("a", send=False))
        assert (one.commands()[-1], one.told[-1]["from-tag"]) == ("block media", b"b")
        await engine.execute(c.SetDirection("a"))
        assert (one.commands()[-1], one.told[-1]["from-tag"]) == ("unblock media", b"b")
        await engine.execute(c.Link("a", "c"))
        assert (one.commands()[-1], one.told[-1]["from-tag"]) == ("block media", b"b")


async def test_calls_are_shared_by_weight() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two, weights=(2, 1)) as engine:
        for number in range(30):
            await engine.execute(c.OpenPort(f"a{number}", f"call{number}"))
        assert [one.commands().count("publish"), two.commands().count("publish")] == [20, 10]
        assert [state.sessions for state in engine.states()] == [20, 10]


async def test_sessions_of_others_count() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        one.answer = lambda question: (
            {"result": "ok", "statistics": {"currentstatistics": {"sessionstotal": 500}}}
            if question["command"] == b"statistics"
            else one.usual(question)
        )
        await until(lambda: engine.states()[0].sessions_all == 500)
        for number in range(10):
            await engine.execute(c.OpenPort(f"a{number}", f"call{number}"))
        assert two.commands().count("publish") == 10


async def test_all_ports_of_a_call_are_at_one_instance() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        await asyncio.gather(*(engine.execute(c.OpenPort(f"p{number}", "call")) for number in range(6)))
        assert sorted([one.commands().count("publish"), two.commands().count("publish")]) == [0, 6]


async def test_an_instance_that_refuses_is_passed_over() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        one.answer = lambda question: (
            one.usual(question)
            if question["command"] == b"ping"
            else {"result": "error", "error-reason": "Parallel session limit reached"}
        )
        opened = await engine.execute(c.OpenPort("a", "call"))
        assert opened.rtp_port == 30_000
        assert two.commands() == ["publish"]
        two.answer = one.answer
        with pytest.raises(MediaError, match="Parallel session limit") as refused:
            await engine.execute(c.OpenPort("b", "other"))
        assert refused.value.code == "media.engine_refused"


async def test_an_instance_that_falls_silent_is_noticed_and_comes_back() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        events: list[MediaEvent] = []
        engine.subscribe(events.append)
        await engine.execute(c.OpenPort("a", "call"))
        one.die()
        await until(lambda: engine.states()[0].state == "down")
        assert [(type(event), event.owner, event.port) for event in events] == [(EngineLost, "call", "a")]
        with pytest.raises(MediaError) as refused:
            await engine.execute(c.ReadStatistics("a"))
        assert refused.value.code == "media.engine_lost"
        with pytest.raises(MediaError) as refused:
            await engine.execute(c.OpenPort("b", "other"))
        assert refused.value.code == "media.no_engine"
        closed = await engine.execute(c.CloseOwner("call"))
        assert [one.port for one in closed.statistics] == ["a"]
        async with NgPeer(one.port) as again:
            await until(lambda: "delete" in again.commands())
            assert b"trunkline-call" in {told.get("call-id") for told in again.told}
            assert engine.states()[0].state == "up"
            assert engine.states()[0].failures == 1
            await engine.execute(c.OpenPort("c", "third"))


async def test_a_call_goes_on_when_its_instance_was_away_for_a_moment() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        await engine.execute(c.OpenPort("a", "call"))
        one.die()
        await until(lambda: engine.states()[0].state == "down")
        async with NgPeer(one.port) as again:
            await until(lambda: "query" in again.commands())
            await until(lambda: engine.states()[0].state == "up")
            await engine.execute(c.SetRemote("a", "192.0.2.1", 4000))


async def test_commands_that_find_nobody_fail_over_at_once() -> None:
    async with NgPeer() as one, NgPeer() as two:
        plan = ClusterPlan((InstancePlan(one.url), InstancePlan(two.url)), timeout_s=0.5, ping_s=30.0)
        engine = RtpengineCluster(plan)
        await engine.start()
        one.die()
        await engine.execute(c.OpenPort("a", "call"))
        assert two.commands() == ["publish"]
        assert [state.state for state in engine.states()] == ["down", "up"], "not a single ping was due"
        await engine.stop()


async def test_what_is_stopped_has_deleted_its_calls() -> None:
    async with NgPeer() as one:
        async with cluster(one) as engine:
            await engine.execute(c.OpenPort("a", "call"))
        assert one.commands() == ["publish", "query", "delete"]
        assert engine.snapshot().ports_open == 0


async def test_commands_are_refused_when_they_make_no_sense() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        await engine.execute(c.OpenPort("a", "call"))
        await engine.execute(c.OpenPort("z", "other"))
        for command, code in (
            (c.OpenPort("a", "call"), "media.duplicate_port"),
            (c.Unlink("nobody"), "media.unknown_port"),
            (c.Link("a", "z"), "media.not_with_rtpengine"),
            (c.Link("a", "a2"), "media.unknown_port"),
            (c.SendDigits("a", "1", 101), "media.not_with_rtpengine"),
            (c.ReadIdentity(), "media.not_with_rtpengine"),
        ):
            with pytest.raises(MediaError) as refused:
                await engine.execute(command)
            assert refused.value.code == code, command
        await engine.execute(c.OpenPort("b", "call"))
        with pytest.raises(MediaError) as refused:
            await engine.execute(c.Link("a", "b", convert=True))
        assert refused.value.code == "media.codec"


# Calls that move


async def test_a_call_moves_with_all_that_its_ports_were_told() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        for command in (
            c.OpenPort("a", "call"),
            c.OpenPort("b", "call"),
            c.SetRemote("a", "192.0.2.1", 4000),
            c.SetRemote("b", "192.0.2.2", 5000),
            c.Link("a", "b"),
        ):
            await engine.execute(command)
        assert (await engine.execute(c.MoveOwner("call"))).ports == (), "its instance is well"
        one.die()
        await until(lambda: engine.states()[0].state == "down")
        await engine.execute(c.SetDirection("a", receive=False))
        await engine.execute(c.SetRemote("b", "192.0.2.3", 5002))
        moved = await engine.execute(c.MoveOwner("call"))
        assert (moved.before, moved.after) == (one.url, two.url)
        assert [port.port for port in moved.ports] == ["a", "b"]
        told = [command for command in two.commands() if command != "statistics"]
        assert told == ["publish", "publish", "offer", "answer", "block media"]
        described = str([one["sdp"] for one in two.told if one["command"] in {b"offer", b"answer"}])
        assert "192.0.2.1" in described
        assert "192.0.2.3" in described
        assert [state.sessions for state in engine.states()] == [0, 1]
        await engine.execute(c.SetDirection("a"))
        assert two.commands()[-1] == "unblock media"
        async with NgPeer(one.port) as again:
            await until(lambda: "delete" in again.commands())
            await until(lambda: engine.states()[0].state == "up")
            assert [state.sessions for state in engine.states()] == [0, 1], "nothing moves back"


async def test_figures_of_all_instances_add_up() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        await engine.execute(c.OpenPort("a", "call"))
        for number, peer in enumerate((one, two), start=1):
            heard = {"packets": 100 * number, "bytes": 17_200 * number}
            party = {"medias": [{"streams": [{"stats": heard, "local port": 30_000}]}]}
            told: dict[str, object] = {"result": "ok", "tags": {"a": party}}
            peer.answer = _answering(peer, told)
        await engine.execute(c.ReadStatistics("a"))
        engine.drain(one.url)
        await engine.execute(c.MoveOwner("call"))
        read = (await engine.execute(c.ReadStatistics("a"))).statistics
        assert (read.packets_in, read.bytes_in) == (300, 51_600)
        (closed,) = (await engine.execute(c.CloseOwner("call"))).statistics
        assert closed.packets_in == 300


def _answering(peer: NgPeer, told: dict[str, object]) -> Callable[[dict[str, Decoded]], Reply]:
    return lambda question: told if question["command"] == b"query" else peer.usual(question)  # type: ignore[return-value]


async def test_a_drained_instance_gets_no_calls_and_its_calls_are_told_of() -> None:
    async with NgPeer() as one, NgPeer() as two, cluster(one, two) as engine:
        events: list[MediaEvent] = []
        engine.subscribe(events.append)
        await engine.execute(c.OpenPort("a", "call"))
        state = engine.drain(one.url, move=True)
        assert state is not None
        assert state.draining
        assert [(type(event), event.owner) for event in events] == [(EngineLeaving, "call")]
        await engine.execute(c.OpenPort("b", "call"))
        for number in range(3):
            await engine.execute(c.OpenPort(f"c{number}", f"other{number}"))
        assert [one.commands().count("publish"), two.commands().count("publish")] == [2, 3]
        engine.drain(two.url)
        with pytest.raises(MediaError, match="drained"):
            await engine.execute(c.OpenPort("d", "fourth"))
        assert engine.snapshot().ports_free == 0
        assert engine.drain("udp:192.0.2.1:1") is None
        engine.drain(one.url, undo=True)
        await engine.execute(c.OpenPort("d", "fourth"))


async def test_an_instance_that_dies_while_a_call_moves_to_it_is_passed_over() -> None:
    async with NgPeer() as one, NgPeer() as two, NgPeer() as three, cluster(one, two, three) as engine:
        for port in ("a", "b"):
            await engine.execute(c.OpenPort(port, "call"))
        one.die()
        await until(lambda: engine.states()[0].state == "down")
        two.answer = lambda question: (
            {"result": "error", "error-reason": "no ports"}
            if question["command"] == b"publish" and question["from-tag"] == b"b"
            else two.usual(question)
        )
        moved = await engine.execute(c.MoveOwner("call"))
        assert moved.after == three.url
        assert "delete" in two.commands(), "what it had opened is not left there"


async def test_a_call_that_its_instance_has_forgotten_is_opened_there_anew() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        await engine.execute(c.OpenPort("a", "call"))
        one.die()
        await until(lambda: engine.states()[0].state == "down")
        with pytest.raises(MediaError) as refused:
            await engine.execute(c.MoveOwner("call"))
        assert refused.value.code == "media.no_engine"
        async with NgPeer(one.port) as again:
            again.answer = lambda question: (
                {"result": "error", "error-reason": "Unknown call-id"}
                if question["command"] == b"query"
                else again.usual(question)
            )
            await until(lambda: engine.states()[0].state == "up")
            moved = await engine.execute(c.MoveOwner("call"))
            assert (moved.before, moved.after) == (one.url, one.url)
            assert engine.states()[0].sessions == 1


async def test_calls_of_a_process_before_are_deleted_and_those_of_others_left() -> None:
    async with NgPeer() as one:
        plan = ClusterPlan((InstancePlan(one.url),), timeout_s=0.6, ping_s=0.05, mark="m1")
        engine = RtpengineCluster(plan)
        await engine.start()
        await engine.execute(c.OpenPort("a", "alive"))
        calls = ["trunkline-m1-alive", "trunkline-m1-gone", "trunkline-m2-theirs", "somebody's"]
        one.answer = lambda question: (
            {"result": "ok", "calls": list(calls)} if question["command"] == b"list" else one.usual(question)
        )
        await engine.execute(c.CloseStrays())
        deleted = [told["call-id"] for told in one.told if told["command"] == b"delete"]
        assert deleted == [b"trunkline-m1-gone"]
        await engine.stop()


async def test_a_call_that_begins_while_strays_are_looked_for_is_none() -> None:
    async with NgPeer() as one, cluster(one) as engine:
        listed: list[str] = []
        one.answer = lambda question: (
            {"result": "ok", "calls": list(listed)} if question["command"] == b"list" else one.usual(question)
        )
        for number in range(20):
            listed.append(f"trunkline-call{number}")
            await asyncio.gather(
                engine.execute(c.CloseStrays()), engine.execute(c.OpenPort(f"a{number}", f"call{number}"))
            )
        assert "delete" not in one.commands()
