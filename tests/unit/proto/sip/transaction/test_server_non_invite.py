"""The non-INVITE server transaction in virtual time: RFC 3261 §17.2.2, RFC 4320."""

from __future__ import annotations

import pytest

from tests.unit.proto.sip.samples import request_bytes
from tests.unit.proto.sip.transaction.kit import World
from trunkline.base.errors import LocalProtocolError
from trunkline.proto.sip.transaction.server_non_invite import COMPLETED, TERMINATED, TRYING

MESSAGE = request_bytes("MESSAGE", body=b"hello")


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.rfc(3261, "17.2.2")
def test_a_repeated_request_is_absorbed_until_there_is_an_answer(world: World) -> None:
    transaction, _ = world.begin(MESSAGE)
    world.receive(MESSAGE)
    assert world.udp.sent == []
    assert transaction.state == TRYING
    assert len(world.core.requests) == 1


@pytest.mark.rfc(3261, "17.2.2")
@pytest.mark.rule("T-05")
def test_timer_j_repeats_the_answer_to_each_repetition_for_64_t1(world: World) -> None:
    transaction, incoming = world.begin(MESSAGE)
    world.pass_time(3)
    incoming.respond(202)
    assert transaction.state == COMPLETED
    world.pass_time(31.8)
    world.receive(MESSAGE)
    assert world.udp.statuses == [202, 202]
    assert world.udp.sent[0][1] == world.udp.sent[1][1]
    world.pass_time(0.3)
    world.assert_nothing_left()
    assert transaction.data == b""


@pytest.mark.rfc(3261, "17.2.2")
def test_timer_j_is_zero_over_a_reliable_wire(world: World) -> None:
    transaction, incoming = world.begin(MESSAGE, world.tcp)
    incoming.respond(202)
    assert transaction.state == TERMINATED
    assert world.tcp.statuses == [202]
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.2.2")
def test_only_the_first_final_answer_counts(world: World) -> None:
    _, incoming = world.begin(MESSAGE)
    incoming.respond(202)
    incoming.respond(500)
    assert world.udp.statuses == [202]


@pytest.mark.rfc(4320, "4.1")
def test_no_provisional_is_sent(world: World) -> None:
    transaction, incoming = world.begin(MESSAGE)
    incoming.respond(100)
    incoming.respond(183)
    assert world.udp.sent == []
    assert transaction.state == TRYING


def test_a_user_that_never_answers_leaves_nothing_behind(world: World) -> None:
    _, incoming = world.begin(MESSAGE)
    world.pass_time(32.1)
    world.assert_nothing_left()
    incoming.respond(200)
    assert world.udp.sent == []
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.2.4")
def test_a_transport_error_ends_it(world: World) -> None:
    _, incoming = world.begin(MESSAGE)
    incoming.respond(200)
    world.udp.fail()
    world.assert_nothing_left()


def test_each_kind_of_request_has_its_kind_of_transaction(world: World) -> None:
    world.receive(MESSAGE)
    world.receive(request_bytes("INVITE"))
    message, invite = world.core.requests
    with pytest.raises(LocalProtocolError):
        message.begin_invite()
    with pytest.raises(LocalProtocolError):
        invite.begin()
