"""The non-INVITE client transaction in virtual time: RFC 3261 §17.1.2."""

from __future__ import annotations

import pytest

from tests.unit.proto.sip.transaction.kit import FakeWire, User, World, answer_to, at
from trunkline.proto.sip.transaction import Failure
from trunkline.proto.sip.transaction.client_non_invite import COMPLETED, TERMINATED


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def user() -> User:
    return User()


def answer(world: World, status: int, wire: FakeWire | None = None) -> None:
    wire = wire or world.udp
    world.receive(answer_to(wire.messages[0], status), wire)


@pytest.mark.rfc(3261, "17.1.2.2")
@pytest.mark.rule("T-10")
def test_timer_e_doubles_up_to_t2_until_timer_f_gives_up(world: World, user: User) -> None:
    world.request(user)
    world.pass_time(100)
    assert world.udp.times == at(0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
    assert user.failures == [Failure.TIMEOUT]
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.1.2.2")
def test_nothing_is_repeated_over_a_reliable_wire_but_timer_f_runs(world: World, user: User) -> None:
    world.request(user, world.tcp)
    world.pass_time(31.9)
    assert user.failures == []
    world.pass_time(0.2)
    assert world.tcp.times == at(0)
    assert user.failures == [Failure.TIMEOUT]
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.1.2.2")
def test_after_a_provisional_it_is_repeated_each_t2(world: World, user: User) -> None:
    world.request(user)
    answer(world, 100)
    world.pass_time(100)
    assert world.udp.times == at(0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5)
    assert (user.statuses, user.failures) == ([100], [Failure.TIMEOUT])
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.1.2.2")
@pytest.mark.parametrize("status", [200, 302, 404, 503, 603])
@pytest.mark.rule("T-05")
def test_a_final_response_is_passed_up_once_and_timer_k_absorbs_repetitions(
    world: World, user: User, status: int
) -> None:
    client = world.request(user)
    answer(world, status)
    assert client.state == COMPLETED
    assert (client.user, client.data) == (None, b"")
    world.pass_time(4.9)
    answer(world, status)
    answer(world, 180)
    assert user.statuses == [status]
    assert world.core.strays == []
    assert world.udp.times == at(0)
    world.pass_time(0.2)
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.1.2.2")
def test_timer_k_is_zero_over_a_reliable_wire(world: World, user: User) -> None:
    client = world.request(user, world.tcp)
    answer(world, 200, world.tcp)
    assert client.state == TERMINATED
    assert user.statuses == [200]
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.1.4")
def test_a_transport_error_ends_it(world: World, user: User) -> None:
    world.request(user)
    world.udp.fail()
    assert user.failures == [Failure.TRANSPORT]
    world.assert_nothing_left()


def test_a_transport_error_after_the_answer_changes_nothing(world: World, user: User) -> None:
    world.request(user)
    answer(world, 200)
    world.udp.fail()
    assert (user.statuses, user.failures) == ([200], [])


@pytest.mark.rfc(3581, "3")
@pytest.mark.rule("T-26")
@pytest.mark.rule("T-10")
def test_our_requests_ask_for_rport_and_have_branches_of_their_own(world: World, user: User) -> None:
    for _ in range(3):
        world.request(user)
    vias = [message.via for message in world.udp.messages]
    assert all("rport" in via.params for via in vias)
    assert len({via.branch for via in vias}) == 3
    assert {via.sent_by for via in vias} == {"192.0.2.1:5060"}


@pytest.mark.rfc(3261, "17.1.3")
def test_a_response_goes_to_the_transaction_of_its_branch_and_method(world: World, user: User) -> None:
    other = User()
    world.request(user, method="OPTIONS")
    world.request(other, method="MESSAGE")
    first = world.udp.messages[0]
    world.receive(answer_to(world.udp.messages[1], 202))
    assert (user.statuses, other.statuses) == ([], [202])
    world.receive(answer_to(first, 200).replace(b"CSeq: 7 OPTIONS", b"CSeq: 7 INVITE"))
    world.receive(answer_to(first, 200).replace(b"ours1", b"ours9"))
    world.receive(answer_to(first, 200).replace(b"CSeq: 7 OPTIONS", b"CSeq: 7 CANCEL"))
    assert user.statuses == []
    assert [stray.status for stray in world.core.strays] == [200, 200, 200]


@pytest.mark.rfc(3261, "8.1.3.3")
@pytest.mark.parametrize(
    "damage",
    [(b"\r\nFrom", b"\r\nVia: SIP/2.0/UDP 192.0.2.9\r\nFrom"), (b"CSeq: 7", b"CSeq: x"), (b"To: ", b"X: ")],
)
def test_a_response_that_is_not_for_us_or_malformed_is_dropped_without_a_word(
    world: World, user: User, damage: tuple[bytes, bytes]
) -> None:
    world.request(user)
    world.receive(answer_to(world.udp.messages[0], 200).replace(*damage))
    assert (user.statuses, world.core.strays, len(world.udp.sent)) == ([], [], 1)
    assert world.layer.counters.parse_errors == 1
