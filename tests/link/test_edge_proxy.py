"""A proxy in front: phones register and call through it, and everything to them goes back through it."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from tests.link.memory_network import MemoryFlow, MemoryNetwork
from tests.link.phones import Party
from tests.link.stage import DOMAIN, HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.pbx.directory import Entry
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.registrar.door import RegistrarDoor
from trunkline.registrar.location import Location
from trunkline.registrar.policy import RegistrarPolicy
from trunkline.registrar.targets import targets_of

EDGE = "10.0.0.50"
INSTANCE = '+sip.instance="<urn:uuid:1>";reg-id=1'
pytestmark = [pytest.mark.rule("T-26"), pytest.mark.rule("T-30")]


class Edge:
    """A stateless proxy that keeps flows: its Path and Record-Route name the phone's flow (RFC 5626 §5)."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.node = network.node(EDGE)
        self.node.receive = self.receive
        self.lost: set[str] = set()

    def receive(self, data: bytes, flow: Flow) -> None:
        text, source = data.decode(), flow.remote[0]
        if text.startswith("SIP/2.0"):
            rest = re.sub(r"Via: [^\r]*\r\n", "", text, count=1)
            found = re.search(r"Via: [^\r]*received=([0-9.]+)", rest) or re.search(
                r"Via: SIP/2.0/UDP ([0-9.]+)", rest
            )
            assert found is not None
            self._send(rest, found[1])
        elif source == HOST:
            self._to_phone(text)
        else:
            self._forward(text, source, HOST)

    def _to_phone(self, text: str) -> None:
        route = re.search(rf"Route: <sip:([0-9.]+)@{EDGE}", text)
        assert route is not None, text
        phone = route[1]
        if phone in self.lost:
            lines = re.findall(r"(?:Via|From|To|Call-ID|CSeq): [^\r]*\r\n", text)
            if not text.startswith("ACK"):
                self._send(f"SIP/2.0 430 Flow Failed\r\n{''.join(lines)}Content-Length: 0\r\n\r\n", HOST)
            return
        self._forward(text, phone, phone)

    def _forward(self, text: str, phone: str, target: str) -> None:
        branch = re.findall(r"branch=(\w+)", text)[0]
        text = re.sub(rf"\r\nRoute: <sip:[0-9.]+@{EDGE}[^\r]*", "", text, count=1)
        added = f"Via: SIP/2.0/UDP {EDGE}:5060;branch=z9hG4bK{sha256(branch.encode()).hexdigest()[:16]}\r\n"
        if text.startswith("REGISTER"):
            added += f"Path: <sip:{phone}@{EDGE};lr;ob>\r\n"
        elif text.startswith("INVITE"):
            added += f"Record-Route: <sip:{phone}@{EDGE};lr>\r\n"
        self._send(text.replace("Via: ", f"{added}Via: ", 1), target)

    def _send(self, text: str, host: str) -> None:
        MemoryFlow(self.node, (host, 5060)).send(text.encode())


class Journal:
    """Keeps everything at once."""

    async def new(self, _binding: Binding) -> None:
        """Kept."""

    async def gone(self, _binding: Binding) -> None:
        """Forgotten."""

    def refresh(self, _binding: Binding) -> None:
        """Nothing."""


class Behind(Stage):
    """1001 is reached directly; 1002 has one phone, on two hosts of the far side of the edge."""

    def __init__(self) -> None:
        super().__init__()
        self.edge = Edge(self.network)
        self.location = Location()
        self.registrar = RegistrarDoor(
            self.directory,
            self.location,
            Journal(),
            self.door.authenticator,
            RegistrarPolicy(),
            wall=self.wall,
            spawn=self.context.spawn,
        )
        self.endpoint.set_doors([self.registrar, self.door])
        self.alice, self.bob = self.party(), self.party()

    def _targets(self, tenant: str, entry: Entry) -> list[Target]:
        node = self.network.nodes[HOST, 5060]
        bound = targets_of(
            self.location.of(tenant, entry.number, self.wall()), node.flow_from_token, RegistrarPolicy()
        )
        return bound or self.contacts[entry.number]

    async def register(self, phone: Party, reg_id: int = 1) -> Response:
        me = f"<sip:1002@{DOMAIN}>"
        draft = Draft(
            "REGISTER",
            f"sip:{DOMAIN}",
            f"{me};tag=f{reg_id}",
            me,
            f"c{reg_id}@{phone.host}",
            1,
            contact=f"<sip:1002@192.168.0.9:5060;ob>;{INSTANCE[:-1]}{reg_id}",
            extra="Supported: path, outbound\r\nExpires: 600\r\n",
        )
        flow = phone.node.flow_to("UDP", EDGE, 5060)
        return await phone.endpoint.request(draft, flow, authorizer=phone.authorizer())

    def directly(self, phone: Party) -> list[bytes]:
        """What went past the edge."""
        ends = {HOST, phone.host}
        return [data for _, source, target, data in self.network.log if {source, target} == ends]


@pytest.mark.rfc("3327", "5.3")
@pytest.mark.rfc("5626", "6")
@virtual
async def test_a_phone_behind_it_is_called_and_hung_up_through_it() -> None:
    stage = Behind()
    response = await stage.register(stage.bob)
    assert (response.status, response.headers["Require"]) == (200, "outbound")
    assert response.headers["Path"] == f"<sip:{stage.bob.host}@{EDGE};lr;ob>"
    stage.dial(stage.alice, "1002")
    await stage.bob.until("acknowledged")
    invite = stage.bob.invites[0]
    assert invite.uri == "sip:1002@192.168.0.9:5060;ob"
    assert "Route" not in invite.headers
    await stage.alice.until("answered")
    stage.alice.dialogue.hang_up()
    await stage.bob.until("ended bye")
    assert f"Route: <sip:{stage.bob.host}@{EDGE};lr>\r\n".encode() in stage.sent(HOST, "BYE", EDGE)[0]
    assert stage.directly(stage.bob) == []
    await stage.settle()


@pytest.mark.rfc("3261", "12.2.1.1")
@virtual
async def test_a_phone_behind_it_calls_and_is_hung_up_through_it() -> None:
    stage = Behind()
    bob = stage.bob
    bob.session = bob.endpoint.invite(
        f"sip:1001@{DOMAIN}",
        bob.node.flow_to("UDP", EDGE, 5060),
        bob,
        from_=f"<sip:1002@{DOMAIN}>",
        to=f"<sip:1001@{DOMAIN}>",
        body=bob.body,
        authorizer=bob.authorizer(),
    )
    await stage.alice.until("acknowledged")
    stage.alice.dialogue.hang_up()
    await bob.until("ended bye")
    assert f"Route: <sip:{bob.host}@{EDGE};lr>\r\n".encode() in stage.sent(HOST, "BYE", EDGE)[0]
    assert stage.directly(bob) == []
    await stage.settle()


@pytest.mark.rfc("5626", "7")
@virtual
async def test_a_flow_that_it_has_lost_leaves_the_phones_other_flow() -> None:
    stage = Behind()
    other = Party(stage.network, "10.0.0.77", account=None)
    other.account = stage.bob.account
    stage.parties.append(other)
    await stage.register(stage.bob)
    assert (await stage.register(other, 2)).status == 200
    assert len(stage.location.all_of("t1", "1002")) == 2
    stage.edge.lost = {other.host}
    stage.dial(stage.alice, "1002")
    await stage.alice.until("answered")
    assert (len(stage.bob.invites), len(other.invites)) == (1, 0)
    stage.alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in")[0][0] == 200
