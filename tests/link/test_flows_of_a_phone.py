"""A phone with several flows rings once, by the first that works (RFC 5626 §7)."""

from __future__ import annotations

import pytest

from tests.link.phones import Party
from tests.link.stage import HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
from trunkline.proto.sip.uri import SipUri

pytestmark = pytest.mark.rule("T-30")


class TwoFlows(Stage):
    """1001 calls 1002, whose one phone is reached by two edge proxies; each is played by a party."""

    def __init__(self) -> None:
        super().__init__()
        self.caller = self.party()
        self.extension("1002")
        self.first, self.second = (self.edge(host) for host in ("10.0.1.1", "10.0.1.2"))
        targets = [self.way(edge) for edge in (self.first, self.second)]
        targets[0].others = (targets[1],)
        self.contacts["1002"] = targets[:1]

    def edge(self, host: str) -> Party:
        made = Party(self.network, host)
        self.parties.append(made)
        return made

    def way(self, edge: Party) -> Target:
        host = edge.node.listener.host
        flow = self.network.nodes[HOST, 5060].flow_to("UDP", host, 5060)
        route = f"Route: <sip:{host};lr;ob>\r\n"
        return Target("sip:1002@10.9.9.9;ob", flow, label=f"1002 at {host}", route=route)

    def invited(self) -> tuple[int, int]:
        return len(self.first.invites), len(self.second.invites)


@pytest.mark.rfc("5626", "7")
@virtual
async def test_the_phone_rings_by_one_flow_alone() -> None:
    stage = TwoFlows()
    stage.dial(stage.caller, "1002")
    await stage.caller.until("answered")
    assert stage.invited() == (1, 0)
    assert stage.first.invites[0].headers["Route"] == "<sip:10.0.1.1;lr;ob>"
    stage.caller.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("5626", "7")
@pytest.mark.parametrize("status", [430, 408])
@virtual
async def test_a_flow_that_failed_leaves_the_next(status: int) -> None:
    stage = TwoFlows()
    stage.first.refuse_with = status
    stage.dial(stage.caller, "1002")
    await stage.caller.until("answered")
    assert stage.invited() == (1, 1)
    first, second = stage.first.invites[0], stage.second.invites[0]
    assert second.headers["Route"] == "<sip:10.0.1.2;lr;ob>"
    assert first.call_id == second.call_id
    stage.caller.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("5626", "7")
@virtual
async def test_a_silent_flow_leaves_the_next_before_the_caller_gives_up() -> None:
    stage = TwoFlows()
    stage.first.node.silent_since = -1.0
    began = stage.loop.time()
    stage.dial(stage.caller, "1002")
    await stage.second.until("invited")
    assert stage.loop.time() - began < 10
    await stage.caller.until("answered")
    stage.caller.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("5626", "7")
@pytest.mark.parametrize("status", [486, 503, 480])
@virtual
async def test_what_the_phone_has_refused_is_not_asked_again(status: int) -> None:
    stage = TwoFlows()
    stage.first.refuse_with = status
    stage.dial(stage.caller, "1002")
    await stage.settle()
    assert stage.invited() == (1, 0)


@pytest.mark.rfc("5626", "7")
@virtual
async def test_a_phone_without_a_flow_that_works_is_unreachable() -> None:
    stage = TwoFlows()
    stage.first.refuse_with = stage.second.refuse_with = 430
    stage.dial(stage.caller, "1002")
    await stage.settle()
    assert stage.invited() == (1, 1)
    assert stage.outcome()[0][0] == 480


@pytest.mark.rfc("5627", "6.1")
@pytest.mark.parametrize(
    ("meant", "status", "code"),
    [("phone", 0, "route.gruu"), ("gone", 480, "route.gruu_gone"), ("unknown", 404, "route.gruu_unknown")],
)
@virtual
async def test_a_gruu_rings_one_phone_or_none(meant: str, status: int, code: str) -> None:
    stage = Stage()
    caller, phone, other = stage.party(), stage.party(), stage.party("1002")

    def find(_tenant: str, uri: SipUri) -> tuple[str, list[Target]] | None:
        assert uri.user == "tgruu.xyz"
        return (
            None
            if meant == "unknown"
            else ("1002", [Target("sip:1002@10.0.0.2")] if meant == "phone" else [])
        )

    stage.door.find_phone = find
    caller.session = caller.endpoint.invite(
        "sip:tgruu.xyz@pbx.test;gr",
        caller.node.flow_to("UDP", HOST, 5060),
        caller,
        from_="<sip:1001@pbx.test>",
        to="<sip:tgruu.xyz@pbx.test;gr>",
        body=caller.body,
        authorizer=caller.authorizer(),
    )
    if status:
        await stage.settle()
        assert stage.outcome()[0][0] == status
    else:
        await caller.until("answered")
        caller.dialogue.hang_up()
        await stage.settle()
        assert len(phone.invites) == 1
    assert not other.invites
    assert code in stage.story
