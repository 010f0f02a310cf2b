"""The INVITE client transaction in virtual time: RFC 3261 §17.1.1, §9.1, RFC 6026 §7.2."""

from __future__ import annotations

import pytest

from tests.unit.proto.sip.transaction.kit import FakeWire, User, World, answer_to, at
from trunkline.proto.sip.transaction import ClientInvite, Failure
from trunkline.proto.sip.transaction.client_invite import ACCEPTED, COMPLETED, PROCEEDING, TERMINATED


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def user() -> User:
    return User()


def answer(world: World, status: int, wire: FakeWire | None = None, **more: str) -> None:
    """The peer answers the first thing that we sent."""
    wire = wire or world.udp
    world.receive(answer_to(wire.messages[0], status, **more), wire)


@pytest.mark.rfc(3261, "17.1.1.2")
@pytest.mark.rule("T-10")
def test_timer_a_doubles_without_ceiling_until_timer_b_gives_up(world: World, user: User) -> None:
    world.invite(user)
    world.pass_time(100)
    assert world.udp.times == at(0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5)
    assert set(world.udp.methods) == {"INVITE"}
    assert user.failures == [Failure.TIMEOUT]
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.1.1.2")
@pytest.mark.rule("T-10")
def test_timer_b_fires_after_64_t1_and_not_before(world: World, user: User) -> None:
    world.invite(user)
    world.pass_time(31.99)
    assert user.failures == []
    world.pass_time(0.03)
    assert user.failures == [Failure.TIMEOUT]


@pytest.mark.rfc(3261, "17.1.1.2")
def test_nothing_is_repeated_over_a_reliable_wire_but_timer_b_runs(world: World, user: User) -> None:
    world.invite(user, world.tcp)
    world.pass_time(100)
    assert world.tcp.times == at(0)
    assert user.failures == [Failure.TIMEOUT]
    world.assert_nothing_left()


@pytest.mark.rfc(3261, "17.1.1.2")
def test_a_provisional_stops_timers_a_and_b(world: World, user: User) -> None:
    client = world.invite(user)
    world.pass_time(1)
    answer(world, 180)
    world.pass_time(600)
    assert world.udp.times == at(0, 0.5)
    assert client.state == PROCEEDING
    assert (user.statuses, user.failures) == ([180], [])
    answer(world, 183)
    assert user.statuses == [180, 183]


@pytest.mark.rfc(3261, "17.1.1.3")
@pytest.mark.rule("T-05")
def test_a_failure_is_acknowledged_and_each_repetition_of_it_too(world: World, user: User) -> None:
    client = world.invite(user)
    answer(world, 486)
    assert client.state == COMPLETED
    assert client.user is None
    for _ in range(3):
        world.pass_time(1)
        answer(world, 486)
    acks = [data for _, data in world.udp.sent[1:]]
    assert len(acks) == 4
    assert set(acks) == {acks[0]}
    ack, invite = world.udp.messages[1], world.udp.messages[0]
    assert (ack.via.branch, ack.cseq, ack.to_tag) == (invite.via.branch, (7, "ACK"), "t1")
    assert user.statuses == [486]


@pytest.mark.rfc(3261, "17.1.1.2")
def test_timer_d_absorbs_repeated_failures_for_32_seconds_over_udp(world: World, user: User) -> None:
    world.invite(user)
    answer(world, 503)
    world.pass_time(31.9)
    answer(world, 503)
    assert world.udp.methods.count("ACK") == 2
    world.pass_time(0.2)
    world.assert_nothing_left()
    answer(world, 503)
    assert world.udp.methods.count("ACK") == 2
    assert [stray.status for stray in world.core.strays] == [503]


@pytest.mark.rfc(3261, "17.1.1.2")
def test_timer_d_is_zero_over_a_reliable_wire(world: World, user: User) -> None:
    client = world.invite(user, world.tcp)
    answer(world, 603, world.tcp)
    assert client.state == TERMINATED
    assert world.tcp.methods == ["INVITE", "ACK"]
    assert user.statuses == [603]
    world.assert_nothing_left()


@pytest.mark.rfc(6026, "7.2")
@pytest.mark.parametrize("wire", ["udp", "tcp"])
def test_a_2xx_and_its_repetitions_are_passed_up_until_timer_m(world: World, user: User, wire: str) -> None:
    flow: FakeWire = getattr(world, wire)
    client = world.invite(user, flow)
    answer(world, 200, flow)
    assert client.state == ACCEPTED
    answer(world, 200, flow, to_tag="another-fork")
    world.pass_time(31.9)
    answer(world, 200, flow)
    assert user.statuses == [200, 200, 200]
    assert flow.methods == ["INVITE"], "the ACK of a 2xx is the user's"
    world.pass_time(0.2)
    world.assert_nothing_left()
    answer(world, 200, flow)
    assert [stray.status for stray in world.core.strays] == [200]


@pytest.mark.rfc(6026, "7.2")
def test_after_a_2xx_provisionals_and_failures_are_dropped(world: World, user: User) -> None:
    world.invite(user)
    answer(world, 200)
    for status in (180, 486, 500):
        answer(world, status)
    assert user.statuses == [200]
    assert world.udp.methods == ["INVITE"]


@pytest.mark.rfc(3261, "17.1.1.2")
def test_after_a_failure_provisionals_and_2xx_are_dropped(world: World, user: User) -> None:
    world.invite(user)
    answer(world, 486)
    for status in (180, 200):
        answer(world, status)
    assert user.statuses == [486]
    assert world.udp.methods == ["INVITE", "ACK"]


@pytest.mark.rfc(3261, "17.1.4")
@pytest.mark.parametrize("provisional", [False, True])
def test_a_transport_error_ends_it(world: World, user: User, provisional: bool) -> None:
    world.invite(user)
    if provisional:
        answer(world, 180)
    world.udp.fail()
    assert user.failures == [Failure.TRANSPORT]
    world.assert_nothing_left()
    world.udp.fail()
    assert user.failures == [Failure.TRANSPORT]


@pytest.mark.rfc(3261, "17.1.1.2")
def test_a_transport_error_after_the_ack_ends_it_silently(world: World, user: User) -> None:
    world.invite(user)
    answer(world, 486)
    world.udp.fail()
    assert user.failures == []
    world.assert_nothing_left()


def test_a_finished_transaction_holds_neither_draft_nor_user_nor_bytes(world: World, user: User) -> None:
    accepted, failed = world.invite(user), world.invite(user)
    world.receive(answer_to(world.udp.messages[0], 200))
    world.receive(answer_to(world.udp.messages[1], 486))
    assert (accepted.draft, accepted.data) == (None, b"")
    assert (failed.draft, failed.user) == (None, None)
    world.pass_time(40)
    for client in (accepted, failed):
        assert (client.draft, client.user, client.data) == (None, None, b"")


class TestCancel:
    def cancels(self, world: World) -> list[float]:
        return [at for at, data in world.udp.sent if data.startswith(b"CANCEL")]

    def cancelled(self, world: World, user: User, status: int | None = 180) -> ClientInvite:
        client = world.invite(user)
        if status is not None:
            answer(world, status)
        client.cancel(world.now, 'Reason: SIP;cause=200;text="Call completed elsewhere"\r\n')
        return client

    @pytest.mark.rfc(3261, "9.1")
    @pytest.mark.rule("T-06")
    def test_it_waits_for_a_provisional(self, world: World, user: User) -> None:
        self.cancelled(world, user, None)
        world.pass_time(2)
        assert self.cancels(world) == []
        answer(world, 100)
        assert self.cancels(world) == at(2.0)

    @pytest.mark.rfc(3261, "9.1")
    @pytest.mark.rule("T-06")
    def test_after_a_provisional_it_goes_out_at_once_with_the_branch_of_its_invite(
        self, world: World, user: User
    ) -> None:
        self.cancelled(world, user)
        invite, cancel = world.udp.messages
        assert cancel.headers["Via"] == invite.headers["Via"]
        assert cancel.cseq == (7, "CANCEL")
        assert cancel.headers["Reason"] == 'SIP;cause=200;text="Call completed elsewhere"'

    @pytest.mark.rfc(3261, "9.1")
    def test_it_is_sent_once_however_often_it_is_asked_for(self, world: World, user: User) -> None:
        client = self.cancelled(world, user)
        client.cancel(world.now)
        answer(world, 180)
        answer(world, 183)
        assert len(self.cancels(world)) == 1

    @pytest.mark.rfc(3261, "9.1")
    def test_it_is_repeated_like_any_request_until_it_is_answered(self, world: World, user: User) -> None:
        self.cancelled(world, user)
        world.pass_time(2)
        assert self.cancels(world) == at(0, 0.5, 1.5)
        world.receive(answer_to(world.udp.messages[-1], 200))
        world.pass_time(2)
        assert len(self.cancels(world)) == 3
        assert user.statuses == [180], "the answer to the CANCEL is nobody's"

    @pytest.mark.rfc(3261, "9.1")
    def test_the_487_of_the_invite_is_acknowledged_and_passed_up(self, world: World, user: User) -> None:
        self.cancelled(world, user)
        answer(world, 487)
        assert world.udp.methods == ["INVITE", "CANCEL", "ACK"]
        assert user.statuses == [180, 487]

    @pytest.mark.rule("T-03")
    @pytest.mark.rule("T-06")
    def test_a_2xx_that_crossed_it_is_passed_up(self, world: World, user: User) -> None:
        self.cancelled(world, user)
        answer(world, 200)
        assert user.statuses == [180, 200]

    @pytest.mark.rfc(3261, "9.1")
    def test_an_invite_that_stays_unanswered_after_it_ends_after_64_t1(
        self, world: World, user: User
    ) -> None:
        self.cancelled(world, user)
        world.pass_time(20)
        answer(world, 180)
        world.pass_time(11.9)
        assert user.failures == []
        world.pass_time(0.2)
        assert user.failures == [Failure.TIMEOUT]
        world.pass_time(100)
        world.assert_nothing_left()

    @pytest.mark.rfc(3261, "9.1")
    @pytest.mark.parametrize("status", [200, 486])
    def test_after_the_final_response_nothing_is_cancelled(
        self, world: World, user: User, status: int
    ) -> None:
        self.cancelled(world, user, status)
        world.pass_time(1)
        assert self.cancels(world) == []

    def test_a_final_response_before_any_provisional_makes_it_needless(
        self, world: World, user: User
    ) -> None:
        self.cancelled(world, user, None)
        answer(world, 486)
        world.pass_time(100)
        assert self.cancels(world) == []
        world.assert_nothing_left()
