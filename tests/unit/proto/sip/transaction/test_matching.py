"""Which transaction a request belongs to: RFC 3261 §8.2.2.2, §9.2, §17.2.3."""

from __future__ import annotations

import pytest

from tests.unit.proto.sip.samples import request_bytes
from tests.unit.proto.sip.transaction.kit import PEER, FakeWire, World
from trunkline.proto.sip.transaction.server_invite import COMPLETED, CONFIRMED, PROCEEDING

VIA = "SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK-1;rport"
OLD_VIA = "SIP/2.0/UDP 192.0.2.7"
TO = "<sip:200@example.com>;tag=t1"


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.rfc(3261, "17.2.3")
@pytest.mark.parametrize(
    "via",
    [
        VIA.replace("-1", "-2"),
        VIA.replace("5062", "5063"),
        VIA.replace("192.0.2.7", "192.0.2.8"),
        VIA.replace(":5062", ""),
    ],
)
def test_another_branch_or_sent_by_is_another_request(world: World, via: str) -> None:
    world.receive(request_bytes("OPTIONS"))
    world.receive(request_bytes("OPTIONS", Via=via))
    assert len({incoming.key for incoming in world.core.requests}) == 2


@pytest.mark.rfc(3261, "17.2.3")
def test_another_method_with_the_same_branch_is_another_request(world: World) -> None:
    world.begin(request_bytes("OPTIONS"))
    world.begin(request_bytes("MESSAGE"))
    assert len(world.core.requests) == 2


@pytest.mark.rfc(3261, "17.2.3")
def test_a_repetition_is_known_whatever_else_differs(world: World) -> None:
    world.begin(request_bytes("OPTIONS"))
    world.receive(
        request_bytes("OPTIONS", Subject="other", Via="sip/2.0/udp  192.0.2.7 : 5062 ; BRANCH=z9hG4bK-1")
    )
    assert len(world.core.requests) == 1


class TestRfc2543:
    """Peers whose branch, if any, has no cookie: the request as a whole identifies it."""

    def old(self, method: str = "INVITE", **changed: str | None) -> bytes:
        arguments = {"Via": OLD_VIA, "From": "<sip:100@example.com>", **changed}
        return request_bytes(method, **arguments)  # type: ignore[arg-type]  # header values

    @pytest.mark.rfc(3261, "17.2.3")
    @pytest.mark.parametrize("via", [OLD_VIA, f"{OLD_VIA};branch=390skdjuw", f"{OLD_VIA};branch=z9hG4bK"])
    def test_a_repetition_is_absorbed(self, world: World, via: str) -> None:
        for _ in range(2):
            world.receive(self.old(Via=via, From="<sip:100@example.com>;tag=f1"))
            if world.core.requests[0].transaction is None:
                world.core.requests[0].begin_invite()
        assert len(world.core.requests) == 1
        assert world.udp.statuses == [100, 100]

    @pytest.mark.rfc(3261, "17.2.3")
    @pytest.mark.parametrize(
        "changed",
        [
            {"Call_ID": "other"},
            {"CSeq": "2 INVITE"},
            {"From": "<sip:100@example.com>;tag=other"},
            {"uri": "sip:201@example.com"},
        ],
    )
    def test_what_differs_in_one_of_its_parts_is_another(self, world: World, changed: dict[str, str]) -> None:
        world.begin_invite(self.old())
        world.receive(self.old(**changed))
        assert len(world.core.requests) == 2

    @pytest.mark.rfc(4475, "3.2.1")
    def test_a_branch_that_is_the_cookie_alone_identifies_nothing(self, world: World) -> None:
        via = f"{VIA.replace('-1', '')}"
        world.begin_invite(request_bytes(Via=via))
        world.begin_invite(request_bytes(Via=via, Call_ID="another call"))
        assert len(world.core.requests) == 2

    @pytest.mark.rfc(3261, "17.2.3")
    def test_the_ack_of_a_failure_is_found_though_it_has_only_the_topmost_via(self, world: World) -> None:
        transaction, _ = world.begin_invite(self.old(Via=f"{OLD_VIA}\nSIP/2.0/UDP 192.0.2.99"))
        world.core.requests[-1].respond(404, to_tag="t1")
        world.receive(self.old("ACK", To=TO))
        assert transaction.state == CONFIRMED
        assert world.core.acks == []

    @pytest.mark.rfc(3261, "9.2")
    def test_a_cancel_is_found_though_it_has_only_the_topmost_via(self, world: World) -> None:
        _, user = world.begin_invite(self.old(Via=f"{OLD_VIA}\nSIP/2.0/UDP 192.0.2.99"))
        world.receive(self.old("CANCEL"))
        assert len(user.cancels) == 1

    def test_the_ack_of_one_call_is_never_taken_for_that_of_another(self, world: World) -> None:
        refused, _ = world.begin_invite(self.old(Call_ID="refused"))
        world.core.requests[-1].respond(404, to_tag="t1")
        world.receive(self.old("ACK", To=TO, Call_ID="answered", uri="sip:us@192.0.2.1"))
        assert refused.state == COMPLETED
        assert [ack.call_id for ack in world.core.acks] == ["answered"]

    def test_the_cancel_of_one_call_never_ends_another(self, world: World) -> None:
        _, user = world.begin_invite(self.old(Call_ID="one"))
        world.receive(self.old("CANCEL", Call_ID="two"))
        assert user.cancels == []
        assert world.udp.statuses == [100, 481]


class TestCancel:
    @pytest.mark.rfc(3261, "9.2")
    def test_it_is_answered_200_and_told_to_the_user(self, world: World) -> None:
        _, user = world.begin_invite(request_bytes())
        world.receive(request_bytes("CANCEL", Reason="SIP;cause=200"))
        assert world.udp.statuses == [100, 200]
        assert world.udp.last_response().cseq == (1, "CANCEL")
        assert [cancel.headers["Reason"] for cancel in user.cancels] == ["SIP;cause=200"]
        assert len(world.core.requests) == 1

    @pytest.mark.rfc(3261, "9.2")
    def test_a_repetition_gets_the_same_200_and_the_invite_its_487_once(self, world: World) -> None:
        _, user = world.begin_invite(request_bytes())
        world.receive(request_bytes("CANCEL"))
        world.core.requests[0].respond(487, to_tag="t1")
        world.receive(request_bytes("CANCEL"))
        assert world.udp.statuses == [100, 200, 487, 200]
        assert world.udp.sent[1][1] == world.udp.sent[3][1]
        assert len(user.cancels) == 1

    @pytest.mark.rfc(3261, "9.2")
    @pytest.mark.parametrize("status", [200, 486])
    def test_after_the_answer_it_is_answered_200_and_changes_nothing(self, world: World, status: int) -> None:
        _, user = world.begin_invite(request_bytes())
        world.core.requests[0].respond(status, to_tag="t1")
        world.receive(request_bytes("CANCEL"))
        assert world.udp.statuses == [100, status, 200]
        assert user.cancels == []

    @pytest.mark.rfc(3261, "9.2")
    def test_without_its_invite_it_is_answered_481(self, world: World) -> None:
        world.receive(request_bytes("CANCEL"))
        assert world.udp.statuses == [481]
        assert world.core.requests == []
        world.assert_nothing_left()

    @pytest.mark.rfc(3261, "9.2")
    def test_it_ends_no_other_request_than_an_invite(self, world: World) -> None:
        transaction, _ = world.begin(request_bytes("MESSAGE"))
        world.receive(request_bytes("CANCEL"))
        assert world.udp.statuses == [481]
        assert transaction.deadline

    @pytest.mark.rule("T-06")
    def test_it_may_come_with_another_sent_by_from_the_same_flow(self, world: World) -> None:
        _, user = world.begin_invite(request_bytes())
        world.receive(request_bytes("CANCEL", Via=VIA.replace("192.0.2.7:5062", "198.51.100.1:40000")))
        assert world.udp.statuses == [100, 200]
        assert len(user.cancels) == 1

    @pytest.mark.rule("T-06")
    def test_with_another_sent_by_from_another_flow_it_ends_nothing(self, world: World) -> None:
        _, user = world.begin_invite(request_bytes())
        stranger = FakeWire(world, remote=(PEER[0], PEER[1] + 1))
        world.receive(request_bytes("CANCEL", Via=VIA.replace("192.0.2.7", "198.51.100.1")), stranger)
        assert stranger.statuses == [481]
        assert user.cancels == []

    @pytest.mark.rule("T-06")
    def test_the_ack_of_its_487_may_come_with_the_other_sent_by_too(self, world: World) -> None:
        transaction, _ = world.begin_invite(request_bytes())
        world.core.requests[0].respond(487, to_tag="t1")
        world.receive(request_bytes("ACK", To=TO, Via=VIA.replace("192.0.2.7", "198.51.100.1")))
        assert transaction.state == CONFIRMED


class TestMerged:
    def again(self, **changed: str | None) -> bytes:
        return request_bytes(**{"Via": VIA.replace("-1", "-2"), **changed})  # type: ignore[arg-type]

    @pytest.mark.rfc(3261, "8.2.2.2")
    @pytest.mark.rule("T-07")
    @pytest.mark.parametrize("answered", [None, 180, 200])
    def test_the_same_invite_by_another_path_is_answered_482(
        self, world: World, answered: int | None
    ) -> None:
        first, _ = world.begin_invite(request_bytes())
        if answered is not None:
            world.core.requests[0].respond(answered, to_tag="t1")
        world.receive(self.again())
        assert world.udp.statuses[-1] == 482
        assert len(world.core.requests) == 1
        assert world.layer.counters.merged == 1
        assert first.state == (PROCEEDING if answered != 200 else first.state)

    @pytest.mark.rule("T-07")
    @pytest.mark.parametrize(
        "changed",
        [
            {"uri": "sip:201@example.com"},
            {"CSeq": "2 INVITE"},
            {"Call_ID": "other"},
            {"From": "<sip:100@example.com>;tag=f2"},
            {"To": TO},
        ],
        ids=["spiral", "next", "other call", "other caller", "in a dialog"],
    )
    def test_what_differs_is_another_request(self, world: World, changed: dict[str, str | None]) -> None:
        world.begin_invite(request_bytes())
        world.receive(self.again(**changed))
        assert len(world.core.requests) == 2
        assert world.layer.counters.merged == 0

    @pytest.mark.rule("T-07")
    def test_two_branches_of_a_spiral_are_ended_on_their_own(self, world: World) -> None:
        world.begin_invite(request_bytes())
        world.begin_invite(self.again(uri="sip:201@example.com"))
        for incoming in world.core.requests:
            incoming.respond(486, to_tag="t1")
        world.pass_time(40)
        world.assert_nothing_left()

    def test_after_the_first_is_over_the_same_invite_is_a_new_one(self, world: World) -> None:
        world.begin_invite(request_bytes())
        world.core.requests[0].respond(486, to_tag="t1")
        world.pass_time(40)
        world.receive(self.again())
        assert len(world.core.requests) == 2
