"""The INVITE server transaction in virtual time: RFC 3261 §17.2.1, RFC 6026 §7.1."""

from __future__ import annotations

import pytest

from tests.unit.proto.sip.samples import request_bytes
from tests.unit.proto.sip.transaction.kit import FakeWire, World, at
from trunkline.proto.sip.message import Request, parse_message
from trunkline.proto.sip.transaction import ServerInvite
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.transaction.server_invite import (
    ACCEPTED,
    COMPLETED,
    CONFIRMED,
    PROCEEDING,
    TERMINATED,
)

INVITE = request_bytes()
ACK = request_bytes("ACK", To="<sip:200@example.com>;tag=t1")


@pytest.fixture
def world() -> World:
    return World()


def incoming(world: World) -> Incoming:
    return world.core.requests[-1]


@pytest.mark.rfc(3261, "17.2.1")
def test_an_invite_is_answered_100_at_once_and_again_when_it_is_repeated(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE)
    world.receive(INVITE)
    assert world.udp.statuses == [100, 100]
    assert world.udp.last_response().to_tag is None
    assert transaction.state == PROCEEDING
    assert len(world.core.requests) == 1
    assert world.layer.counters.absorbed == 1


@pytest.mark.rfc(3261, "8.2.6.1")
def test_the_100_repeats_the_timestamp(world: World) -> None:
    world.begin_invite(request_bytes(Timestamp="54.1"))
    assert world.udp.last_response().headers["Timestamp"] == "54.1"


@pytest.mark.rfc(3261, "17.2.1")
def test_a_repeated_invite_gets_the_last_provisional(world: World) -> None:
    world.begin_invite(INVITE)
    incoming(world).respond(180, to_tag="t1")
    incoming(world).respond(183, to_tag="t1")
    world.receive(INVITE)
    assert world.udp.statuses == [100, 180, 183, 183]


def test_while_it_rings_no_timer_runs(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE)
    world.pass_time(1000)
    assert transaction.state == PROCEEDING
    assert world.udp.statuses == [100]


@pytest.mark.rfc(3261, "17.2.1")
@pytest.mark.rule("T-05")
def test_timer_g_repeats_a_failure_up_to_t2_until_timer_h_gives_up(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE)
    incoming(world).respond(486, to_tag="t1")
    assert transaction.state == COMPLETED
    world.pass_time(31.9)
    assert world.udp.times == at(0, 0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
    assert set(world.udp.statuses[1:]) == {486}
    world.pass_time(0.2)
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.2.1")
def test_over_a_reliable_wire_nothing_is_repeated_but_timer_h_runs(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE, world.tcp)
    incoming(world).respond(486, to_tag="t1")
    world.pass_time(31.9)
    assert world.tcp.statuses == [100, 486]
    assert transaction.state == COMPLETED
    world.pass_time(0.2)
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.2.1")
@pytest.mark.rule("T-05")
def test_the_ack_of_a_failure_ends_here_and_timer_i_absorbs_its_repetitions(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE)
    incoming(world).respond(486, to_tag="t1")
    world.pass_time(1)
    sent = len(world.udp.sent)
    world.receive(ACK)
    assert transaction.state == CONFIRMED
    assert transaction.data == b""
    world.pass_time(4.9)
    world.receive(ACK)
    world.receive(INVITE)
    assert len(world.udp.sent) == sent
    assert world.core.acks == []
    world.pass_time(0.2)
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.2.1")
@pytest.mark.rule("T-05")
def test_timer_i_is_zero_over_a_reliable_wire(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE, world.tcp)
    incoming(world).respond(486, to_tag="t1")
    world.receive(ACK, world.tcp)
    assert transaction.state == TERMINATED
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.2.1")
def test_a_repeated_invite_gets_the_failure_again(world: World) -> None:
    world.begin_invite(INVITE)
    incoming(world).respond(486, to_tag="t1")
    world.receive(INVITE)
    assert world.udp.statuses == [100, 486, 486]


@pytest.mark.rfc(6026, "7.1")
@pytest.mark.rule("T-01")
@pytest.mark.parametrize("wire", ["udp", "tcp"])
def test_a_2xx_is_sent_once_and_repeated_only_by_its_user_until_timer_l(world: World, wire: str) -> None:
    flow: FakeWire = getattr(world, wire)
    transaction, user = world.begin_invite(INVITE, flow)
    incoming(world).respond(200, to_tag="t1")
    assert transaction.state == ACCEPTED
    assert transaction.user is None
    world.receive(INVITE, flow)
    world.pass_time(10)
    assert flow.statuses == [100, 200]
    transaction.respond(200, flow.sent[-1][1], world.now)
    assert flow.statuses == [100, 200, 200]
    world.pass_time(21.9)
    assert transaction.state == ACCEPTED
    world.pass_time(0.2)
    world.assert_nothing_left()
    assert user.statuses == []


@pytest.mark.rfc(6026, "7.1")
@pytest.mark.parametrize("branch", ["z9hG4bK-1", "z9hG4bK-2"])
def test_the_ack_of_a_2xx_reaches_the_core_with_a_branch_of_its_own_or_that_of_its_invite(
    world: World, branch: str
) -> None:
    transaction, _ = world.begin_invite(INVITE)
    incoming(world).respond(200, to_tag="t1")
    for _ in range(2):
        world.receive(ACK.replace(b"z9hG4bK-1", branch.encode()))
    assert [ack.cseq for ack in world.core.acks] == [(1, "ACK")] * 2
    assert transaction.state == ACCEPTED
    assert world.udp.statuses == [100, 200]


@pytest.mark.parametrize("first", [200, 486])
@pytest.mark.parametrize("second", [180, 200, 404])
def test_after_a_final_response_only_repetitions_of_a_2xx_go_out(
    world: World, first: int, second: int
) -> None:
    transaction, _ = world.begin_invite(INVITE)
    incoming(world).respond(first, to_tag="t1")
    incoming(world).respond(second, to_tag="t1")
    repeated = [second] if first == second == 200 else []
    assert world.udp.statuses == [100, first, *repeated]
    assert transaction.state == (ACCEPTED if first == 200 else COMPLETED)


def test_an_ack_before_any_answer_is_dropped(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE)
    world.receive(ACK)
    assert transaction.state == PROCEEDING
    assert world.core.acks == []
    assert world.udp.statuses == [100]


@pytest.mark.rfc(3261, "17.2.4")
def test_a_transport_error_of_a_failure_ends_it_and_one_of_a_provisional_does_not(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE)
    incoming(world).respond(180, to_tag="t1")
    world.udp.fail()
    assert transaction.state == PROCEEDING
    incoming(world).respond(486, to_tag="t1")
    world.udp.fail()
    world.assert_nothing_left()


def test_an_answer_after_a_wait_has_its_timers_from_then_on(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE)
    world.pass_time(60)
    incoming(world).respond(486, to_tag="t1")
    world.pass_time(31.8)
    assert transaction.state == COMPLETED
    world.pass_time(0.4)
    world.assert_nothing_left()


def test_a_finished_transaction_holds_neither_user_nor_bytes(world: World) -> None:
    transaction, _ = world.begin_invite(INVITE)
    incoming(world).respond(200, to_tag="t1")
    assert (transaction.user, transaction.data) == (None, b"")


def test_a_transaction_that_was_written_down_is_taken_in_again(world: World) -> None:
    request = parse_message(INVITE)
    assert isinstance(request, Request)
    transaction, user = world.begin_invite(INVITE)
    other = World()
    copy = ServerInvite(other.layer, transaction.key, other.udp, transaction.short_key, transaction.merge_key)
    copy.data = transaction.data
    copy.user = user
    other.layer.adopt_server_invite(copy)
    other.receive(INVITE)
    assert other.udp.statuses == [100]
    other.receive(request_bytes("CANCEL"))
    assert len(user.cancels) == 1
    copy.respond(487, b"SIP/2.0 487 x\r\n\r\n", other.now)
    other.pass_time(40)
    other.assert_nothing_left()


# A 100 that is held


def held(world: World) -> ServerInvite:
    world.receive(INVITE)
    return incoming(world).begin_invite(hold=True)


@pytest.mark.rfc(3261, "17.2.1")
def test_a_100_that_is_held_goes_before_200_ms_are_over(world: World) -> None:
    held(world)
    world.pass_time(0.14)
    world.receive(INVITE)
    assert world.udp.statuses == [], "or the peer would not send it again"
    world.pass_time(0.05)
    assert world.udp.statuses == [100]
    world.receive(INVITE)
    assert world.udp.statuses == [100, 100]
    assert world.wheel.count == 0


def test_a_100_that_is_held_goes_when_it_is_let_go_and_once(world: World) -> None:
    transaction = held(world)
    transaction.let_go(world.now)
    transaction.let_go(world.now)
    world.pass_time(1.0)
    assert world.udp.statuses == [100]


def test_after_another_answer_no_100_goes(world: World) -> None:
    transaction = held(world)
    incoming(world).respond(180, to_tag="t1")
    transaction.let_go(world.now)
    world.pass_time(1.0)
    assert world.udp.statuses == [180]
    incoming(world).respond(486, to_tag="t1")
    transaction.let_go(world.now)
    world.receive(request_bytes("ACK", To="<sip:200@example.com>;tag=t1"))
    world.pass_time(60.0)
    assert world.udp.statuses == [180, 486]
    world.assert_nothing_left()


def test_provisionals_that_come_while_the_100_is_held_go_with_it_in_their_order(world: World) -> None:
    transaction = held(world)
    incoming(world).respond(183, to_tag="t1")
    incoming(world).respond(180, to_tag="t1")
    world.receive(INVITE)
    assert world.udp.statuses == [], "who hears one does not send its INVITE again"
    transaction.let_go(world.now)
    assert world.udp.statuses == [183, 180]
    incoming(world).respond(182, to_tag="t1")
    assert world.udp.statuses == [183, 180, 182]
    world.pass_time(1.0)
    assert world.udp.statuses == [183, 180, 182]


def test_a_description_that_is_held_is_not_lost_to_many_phones_that_ring(world: World) -> None:
    transaction = held(world)
    incoming(world).respond(183, to_tag="t1", body=b"v=0")
    for _ in range(20):
        incoming(world).respond(180, to_tag="t1")
    transaction.let_go(world.now)
    assert world.udp.statuses == [183, 180]


def test_what_is_held_goes_when_its_time_is_over_and_never_after_a_final_answer(world: World) -> None:
    held(world)
    incoming(world).respond(180, to_tag="t1")
    world.pass_time(0.19)
    assert world.udp.statuses == [180]
    other = World()
    transaction = held(other)
    incoming(other).respond(180, to_tag="t1")
    incoming(other).respond(486, to_tag="t1")
    transaction.let_go(other.now)
    other.pass_time(0.4)
    assert other.udp.statuses == [486]


@pytest.mark.rfc(3261, "9.2")
@pytest.mark.parametrize("wire", ["udp", "tcp"])
def test_who_cancels_before_the_100_is_let_go_hears_487_and_no_100(world: World, wire: str) -> None:
    by = world.tcp if wire == "tcp" else world.udp
    world.receive(INVITE, by)
    transaction = incoming(world).begin_invite(hold=True)
    world.receive(request_bytes("CANCEL"), by)
    assert by.statuses == [200]
    incoming(world).respond(487, to_tag="t1")
    transaction.let_go(world.now)
    world.pass_time(0.4)
    assert by.statuses == [200, 487]
    world.receive(ACK, by)
    world.pass_time(60.0)
    world.assert_nothing_left()
