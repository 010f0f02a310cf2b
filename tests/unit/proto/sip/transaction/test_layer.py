"""What the layer does itself: stateless answers, limits, malformed requests, and nothing left behind."""

from __future__ import annotations

import random

import pytest

from tests.unit.proto.sip.samples import request_bytes, response_bytes
from tests.unit.proto.sip.transaction.kit import FakeWire, User, World, answer_to
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.wire import Wire

OLD_VIA = "SIP/2.0/UDP 192.0.2.7:5060"


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.rfc(3261, "8.2.7")
@pytest.mark.parametrize("via", ["SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK-9", "SIP/2.0/UDP 192.0.2.7"])
def test_a_stateless_answer_has_the_same_tag_each_time_and_keeps_nothing(world: World, via: str) -> None:
    world.core.decide = lambda incoming: incoming.respond(401)
    for _ in range(2):
        world.receive(request_bytes("REGISTER", Via=via))
    first, second = world.udp.sent
    assert first[1] == second[1]
    assert world.udp.last_response().to_tag
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "8.2.7")
def test_stateless_tags_differ_by_request_and_key(world: World) -> None:
    other = World()
    other.layer.tag_key = b"x" * 32
    tags = set()
    for place in (world, other):
        place.core.decide = lambda incoming: incoming.respond(401)
        for call_id in ("a", "b"):
            place.receive(request_bytes("REGISTER", Call_ID=call_id))
        tags |= {message.to_tag for message in place.udp.messages}
    assert len(tags) == 4


@pytest.mark.rule("T-05")
def test_no_ack_is_ever_answered(world: World) -> None:
    acks = [
        request_bytes("ACK"),
        request_bytes("ACK", uri="sip:x?a=b"),
        request_bytes("ACK", CSeq="1 INVITE"),
        request_bytes("ACK", Via="nonsense"),
        request_bytes("ACK", To='"unclosed <sip:a@b>'),
        request_bytes("ACK", start="ACK  sip:x SIP/2.0"),
        request_bytes("ACK", start="ACK sip:x SIP/7.0"),
        request_bytes("ACK", Content_Length="99"),
        request_bytes("ACK", Call_ID=None),
    ]
    world.core.decide = lambda incoming: incoming.respond(404)  # who is asked does answer
    for data in acks:
        world.receive(data)
    assert world.udp.sent == []
    assert len(world.core.acks) == 2, "the others are malformed"
    world.assert_nothing_left()


@pytest.mark.rule("T-11")
def test_beyond_the_limit_new_requests_are_refused_503_and_calls_that_stand_are_served() -> None:
    world = World(limit=16)
    for number in range(16):
        world.begin(request_bytes("MESSAGE", Via=f"{OLD_VIA};branch=z9hG4bK{number}", Call_ID=str(number)))
    world.receive(request_bytes("INVITE"))
    refusal = world.udp.last_response()
    assert (refusal.status, refusal.headers["Retry-After"]) == (503, "5")
    for number in range(4):
        world.receive(
            request_bytes(
                "BYE", Via=f"{OLD_VIA};branch=z9hG4bKbye{number}", To="<sip:200@example.com>;tag=t1"
            )
        )
        if len(world.core.requests) > 16 + number:
            world.core.requests[-1].begin()
    assert len(world.layer.servers) == 18
    assert world.layer.counters.refused == 3
    world.pass_time(40)
    world.assert_nothing_left()


@pytest.mark.rule("T-40")
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request_bytes(start="INVITE <sip:x> SIP/2.0"), 400),
        (request_bytes(start="INVITE sip:x SIP/3.0"), 505),
        (request_bytes(CSeq="1 OPTIONS"), 400),
        (request_bytes(Call_ID=None), 400),
        (request_bytes(Content_Length="9"), 400),
        (request_bytes(To='"unclosed <sip:a@b>'), 400),
        (request_bytes(Via="SIP/2.0/UDP ;;,"), 400),
        (b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nCSeq: 1 INVITE\r\n", 400),
    ],
)
def test_a_malformed_request_is_answered_and_not_handed_up(world: World, data: bytes, status: int) -> None:
    world.receive(data)
    assert world.udp.statuses == [status]
    assert world.core.requests == []
    assert world.layer.counters.parse_errors == 1
    world.assert_nothing_left()


def test_a_malformed_response_is_dropped(world: World) -> None:
    for data in (response_bytes(CSeq="x"), response_bytes(Via=None), b"SIP/2.0 9 x\r\n\r\n"):
        world.receive(data)
    assert world.udp.sent == []
    assert world.layer.counters.parse_errors == 3


def test_what_the_core_finds_wrong_is_answered_with_its_status(world: World) -> None:
    def refuse(_incoming: Incoming) -> None:
        raise RemoteProtocolError("Contact without URI", 400)

    world.core.decide = refuse
    world.receive(request_bytes())
    assert world.udp.statuses == [400]


@pytest.mark.rfc(3581, "4")
@pytest.mark.rule("T-26")
def test_an_answer_says_where_the_request_came_from(world: World) -> None:
    wire = FakeWire(world, remote=("198.51.100.9", 40000))
    world.core.decide = lambda incoming: incoming.respond(200)
    world.receive(request_bytes("OPTIONS"), wire)
    via = wire.last_response().via
    assert (via.params["received"], via.params["rport"]) == ("198.51.100.9", "40000")


@pytest.mark.rfc(3261, "18.2.2")
@pytest.mark.rule("T-26")
def test_without_rport_the_core_says_where_the_answer_goes(world: World) -> None:
    elsewhere = FakeWire(world)

    def reply(_request: Request, _wire: Wire) -> Wire:
        return elsewhere

    world.core.reply = reply
    world.core.decide = lambda incoming: incoming.respond(200)
    world.receive(request_bytes("OPTIONS", Via=f"{OLD_VIA};branch=z9hG4bK1"))
    world.receive(request_bytes("OPTIONS", Via=f"{OLD_VIA};branch=z9hG4bK2;rport"))
    world.receive(request_bytes("OPTIONS", Via=f"{OLD_VIA};branch=z9hG4bK3"), world.tcp)
    assert (len(elsewhere.sent), len(world.udp.sent), len(world.tcp.sent)) == (1, 1, 1)


def test_the_layer_counts_what_it_sees(world: World) -> None:
    world.begin(request_bytes("MESSAGE"))
    world.receive(request_bytes("MESSAGE"))
    world.receive(response_bytes())
    counters = world.layer.counters
    assert (counters.requests, counters.absorbed, counters.responses, counters.strays) == (2, 1, 1, 1)


def test_after_a_busy_hour_with_losses_nothing_is_left(world: World) -> None:
    dice = random.Random(7)  # noqa: S311  (a test's repeatable dice)
    user = User()
    for number in range(300):
        wire = dice.choice([world.udp, world.tcp])
        via = f"{OLD_VIA};branch=z9hG4bK{number};rport"
        if dice.random() < 0.5:
            (world.invite if dice.random() < 0.5 else world.request)(user, wire)
            message = wire.messages[-1]
            for status in dice.choice([[], [100], [180, 486], [200, 200], [487, 487]]):
                world.receive(answer_to(message, status), wire)
        elif dice.random() < 0.5:
            world.begin_invite(request_bytes(Via=via, Call_ID=str(number)), wire)
            world.core.requests[-1].respond(dice.choice([200, 404, 487]), to_tag="t")
            if dice.random() < 0.5:
                world.receive(request_bytes("ACK", Via=via, Call_ID=str(number)), wire)
        else:
            world.begin(request_bytes("MESSAGE", Via=via, Call_ID=str(number)), wire)
            if dice.random() < 0.7:
                world.core.requests[-1].respond(200)
        world.pass_time(dice.random())
    for client in list(world.layer.clients.values()):
        if hasattr(client, "cancel"):
            client.cancel(world.now)
    world.pass_time(200)
    world.assert_nothing_left()
