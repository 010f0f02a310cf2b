"""RFC 3261 §18.1.1 in virtual time: large requests by TCP, and back to UDP where there is none."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import MemoryNetwork
from tests.link.phones import SDP, Party, describe, is_silent
from tests.link.stage import HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.base.errors import TransportError
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.ua.large_requests import FORGET_S, MOST_PEERS, is_at_home

ALICE, BOB = "10.0.0.1", "10.0.0.2"
LARGE = describe(ALICE, *[f"a=fmtp:{number} a-codec-with-parameters=yes" for number in range(40)])
pytestmark = pytest.mark.rule("T-29")


class World:
    """Alice, who has listeners for both, and Bob."""

    def __init__(self, bobs: str = "tcp", alices: str = "tcp") -> None:
        self.network = MemoryNetwork(asyncio.get_running_loop())
        self.alice = Party(self.network, ALICE)
        self.bob = Party(self.network, BOB)
        self.bob.offer_answer = SDP
        for party, also in ((self.alice, alices), (self.bob, bobs)):
            if also:
                party.node.listeners = (*party.node.listeners, Listener(f"{also}:{party.host}:5060"))
        self.bob.node.refuses_tcp = not bobs

    def ways(self, start: str, source: str = ALICE) -> list[str]:
        """The transports in the Vias of what somebody sent that begins so."""
        return [
            data.split(b"Via: SIP/2.0/")[1][:3].decode()
            for _, by, _, data in self.network.log
            if by == source and data.startswith(start.encode())
        ]

    async def ask(self, size: int, extra: str = "", method: str = "MESSAGE") -> Response:
        """A request of Alice's with so many bytes in all."""
        flow = self.alice.node.flow_to("UDP", BOB, 5060)
        blank = Draft(
            method,
            f"sip:bob@{BOB}",
            "<sip:alice@a.test>;tag=a",
            f"<sip:bob@{BOB}>",
            "id",
            1,
            extra=extra,
            body=b"x" * 1000,
        )
        fixed = len(blank.render(self.alice.endpoint.via(flow))) - 1000
        blank.body = b"x" * (size - fixed)
        assert len(blank.render(self.alice.endpoint.via(flow))) == size
        return await self.alice.endpoint.request(blank, flow)

    async def settle(self) -> None:
        await asyncio.sleep(200)
        for party in (self.alice, self.bob):
            assert is_silent(party.endpoint), party.endpoint.layer.clients

    @property
    def now(self) -> float:
        return self.network.loop.time()


@pytest.mark.rule("T-39")
@pytest.mark.rfc("3261", "18.1.1")
@pytest.mark.parametrize(("size", "way"), [(1300, "UDP"), (1301, "TCP"), (9000, "TCP")])
@virtual
async def test_a_request_of_more_than_1300_bytes_goes_by_tcp_and_its_via_says_so(size: int, way: str) -> None:
    world = World()
    assert (await world.ask(size)).status == 501
    assert world.ways("MESSAGE") == [way]
    await world.settle()


@pytest.mark.rfc("3261", "18.1.1")
@virtual
async def test_where_the_connection_is_refused_it_goes_by_udp() -> None:
    world = World(bobs="")
    began = world.now
    assert (await world.ask(2000)).status == 501
    assert world.ways("MESSAGE") == ["UDP"]
    assert world.now - began < 0.1
    assert (world.alice.endpoint.large.by_tcp, world.alice.endpoint.large.came_back) == (1, 1)
    await world.settle()


@pytest.mark.rfc("3261", "18.1.1")
@virtual
async def test_a_connection_that_does_not_open_in_time_is_given_up_and_remembered() -> None:
    world = World()
    world.bob.node.deaf_to_tcp = True
    began = world.now
    assert (await world.ask(2000)).status == 501
    assert 2.0 <= world.now - began < 2.2
    began = world.now
    assert (await world.ask(2000)).status == 501
    assert world.now - began < 0.1, "only the first waits"
    assert world.ways("MESSAGE") == ["UDP", "UDP"]
    assert world.alice.endpoint.large.by_tcp == 1
    world.bob.node.deaf_to_tcp = False
    await asyncio.sleep(FORGET_S)
    await world.ask(2000)
    assert world.ways("MESSAGE")[-1] == "TCP", "after a while it is tried again"
    await world.settle()


@virtual
async def test_a_connection_that_was_slow_to_answer_but_stands_is_left_alone() -> None:
    world = World()
    world.network.weather.delay_s = 1.5  # the answer comes after the time to open
    assert (await world.ask(2000)).status == 501
    assert world.ways("MESSAGE") == ["TCP"]
    await world.settle()


@pytest.mark.rfc("3261", "18.1.1")
@virtual
async def test_an_invite_goes_by_tcp_with_its_ack_and_the_call_goes_on_by_udp() -> None:
    world = World()
    world.alice.call(BOB, body=LARGE)
    await world.bob.until("acknowledged")
    assert world.ways("INVITE") == ["TCP"]
    assert world.ways("ACK") == ["UDP"], "it is small"
    assert b"\r\nContact: <sip:" in world.network.log[0][3]
    assert b"transport=tcp" not in world.network.log[0][3]
    world.bob.dialogue.hang_up()
    await world.alice.until("ended bye")
    assert world.ways("BYE", BOB) in (["UDP"], ["TCP"])
    await world.settle()


@pytest.mark.rfc("3261", "18.1.1")
@pytest.mark.rfc("3261", "14.1")
@pytest.mark.parametrize(("bobs", "way"), [("tcp", "TCP"), ("", "UDP")])
@virtual
async def test_a_large_re_invite_goes_by_tcp_too(bobs: str, way: str) -> None:
    world = World(bobs)
    world.alice.call(BOB)
    await world.bob.until("acknowledged")
    assert (await world.alice.reoffer(LARGE))[0] == 200
    assert world.ways("INVITE") == ["UDP", way]
    world.alice.dialogue.hang_up()
    await world.settle()


@pytest.mark.rfc("3261", "9.1")
@virtual
async def test_the_cancel_of_a_large_invite_takes_its_way() -> None:
    world = World()
    world.bob.answers = False
    world.alice.call(BOB, body=LARGE)
    await world.alice.until("180")
    world.alice.dialogue.hang_up()
    await world.bob.until("cancelled")
    await world.alice.until("failed 487")
    assert world.ways("INVITE") == world.ways("CANCEL") == world.ways("ACK") == ["TCP"]
    await world.settle()


@virtual
async def test_an_invite_that_is_given_up_while_its_connection_opens_is_not_sent_at_all() -> None:
    world = World()
    world.bob.node.deaf_to_tcp = True
    world.alice.call(BOB, body=LARGE)
    await asyncio.sleep(0.5)
    world.alice.dialogue.hang_up()
    await world.alice.until("failed 503")
    assert world.ways("INVITE") == []
    await world.settle()


@pytest.mark.rfc("3261", "18.1.1")
@pytest.mark.parametrize(("bobs", "ways"), [("tcp", ["TCP"]), ("", ["UDP"])])
@virtual
async def test_a_large_answer_in_an_ack_goes_by_tcp_where_it_can(bobs: str, ways: list[str]) -> None:
    world = World(bobs)
    session = world.alice.call(BOB, body=b"")
    await world.alice.until("answered")
    session.acknowledge(LARGE)
    await world.bob.until("acknowledged")
    assert world.bob.heard[-1] == LARGE
    assert world.ways("ACK") == ways
    world.alice.dialogue.hang_up()
    await world.settle()


@virtual
async def test_without_a_tcp_listener_of_our_own_it_goes_by_udp() -> None:
    world = World(alices="")

    def none(transport: str, *_: object, **__: object) -> Flow:
        raise TransportError(f"no {transport} listener")

    flow = world.alice.node.flow_to("UDP", BOB, 5060)
    world.alice.node.flow_to = none  # type: ignore[method-assign]
    draft = Draft("MESSAGE", f"sip:{BOB}", "<sip:a@a>;tag=1", "<sip:b@b>", "id", 1, body=b"x" * 2000)
    assert (await world.alice.endpoint.request(draft, flow)).status == 501
    assert world.ways("MESSAGE") == ["UDP"]
    await world.settle()


@pytest.mark.parametrize(
    ("uri", "at_home"),
    [
        ("sip:bob@192.0.2.1", True),
        ("sip:bob@192.0.2.1:5060;transport=udp", True),
        ("sip:bob@192.0.2.1:5062", False),
        ("sip:bob@10.0.0.7:5060", False),
        ("sip:bob@10.0.0.7;maddr=192.0.2.1", True),
        ("sip:bob@carrier.test", True),
        ("sip:bob@df7jal23ls0d.invalid", False),
        ("nonsense", False),
    ],
)
def test_a_phone_behind_nat_gets_no_connection(uri: str, at_home: bool) -> None:
    assert is_at_home(uri, ("192.0.2.1", 5060)) is at_home


@virtual
async def test_a_large_request_to_a_phone_behind_nat_stays_a_datagram() -> None:
    world = World()
    flow = world.alice.node.flow_to("UDP", BOB, 5060)
    draft = Draft("MESSAGE", "sip:bob@192.168.1.7:5060", "<sip:a@a>;tag=1", "<sip:b@b>", "id", 1)
    draft.body = b"x" * 2000
    assert (await world.alice.endpoint.request(draft, flow)).status == 501
    assert world.ways("MESSAGE") == ["UDP"]
    assert world.alice.endpoint.large.by_tcp == 0
    await world.settle()


@virtual
async def test_the_peers_that_are_remembered_are_bounded() -> None:
    world = World()
    large = world.alice.endpoint.large
    for number in range(MOST_PEERS + 100):
        large.refused((f"10.1.{number // 256}.{number % 256}", 5060), world.now)
    assert len(large._without_tcp) == MOST_PEERS


@pytest.mark.rfc("3261", "18.1.1")
@virtual
async def test_a_connection_that_is_closed_before_any_answer_counts_as_refused() -> None:
    world = World()
    callbacks: list[object] = []
    node = world.alice.node
    first = type(node).flow_to

    def closing(*args: object, **rest: object) -> Flow:
        flow = first(node, *args, **rest)  # type: ignore[arg-type]
        if flow.reliable:
            flow.on_close = callbacks.append  # type: ignore[method-assign,assignment]
            flow.send = lambda data, on_failure=None: None  # type: ignore[method-assign]
        return flow

    node.flow_to = closing  # type: ignore[method-assign]
    asked = asyncio.ensure_future(world.ask(2000))
    await asyncio.sleep(0.5)
    (closed,) = callbacks
    closed(None)  # type: ignore[operator]
    assert (await asked).status == 501
    assert world.ways("MESSAGE") == ["UDP"]
    await world.settle()


@pytest.mark.parametrize(("offer", "told"), [(LARGE, True), (SDP, False)])
@virtual
async def test_a_calls_story_tells_that_its_invite_took_the_detour(offer: bytes, *, told: bool) -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    for host in (HOST, bob.host):
        node = stage.network.nodes[host, 5060]
        node.listeners = (*node.listeners, Listener(f"tcp:{host}:5060"))
    stage.dial(alice, "1002", offer)
    await bob.until("acknowledged")
    invites = stage.sent(HOST, "INVITE", bob.host)
    assert all((b"SIP/2.0/TCP" in invite) is told for invite in invites)
    alice.dialogue.hang_up()
    await stage.settle()
    assert ("leg.by_tcp" in stage.story) is told
