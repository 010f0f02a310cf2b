"""Calls through a trunk: credentials, routes, servers, tenants; and calls that come in by it."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from tests.link.carrier import Carrier, when
from tests.link.phones import Party
from tests.link.stage import HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.call.identity import IdentityPolicy
from trunkline.model.extension import Extension
from trunkline.net.flow import Flow
from trunkline.pbx.peer_door import Peer, PeerDoor
from trunkline.proto.sip.challenge import Challenge
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.uri import parse_uri
from trunkline.trunking.plan import TrunkPlan, best_of
from trunkline.trunking.trunks import Trunks
from trunkline.ua.registrations import Registrations
from trunkline.ua.sessions import ServerSession

CARRIER = "10.0.1.1"


class Exchange(Stage):
    """The stage with trunks of tenant t1."""

    def __init__(self) -> None:
        super().__init__()
        hops = self.context.next_hops
        self.registrations = Registrations(self.endpoint, hops, wall=self.wall, spawn=self.context.spawn)
        self.trunks = Trunks(
            self.endpoint, hops, self.registrations, wall=self.wall, spawn=self.context.spawn
        )
        object.__setattr__(self.door.snapshot, "trunk", self.trunks.route)
        nobody: Any = lambda _flow: None  # noqa: E731  (a door without peers)
        self.peer_door = PeerDoor(
            nobody, self.directory, self.door.snapshot, self.context, self.calls, self._targets
        )
        self.peer_door.trunk_of = self._peer_of
        self.endpoint.set_doors([self.peer_door, self.door])

    def _peer_of(self, request: Request, flow: Flow) -> Peer | None:
        trunk = self.trunks.caller(parse_uri(request.uri).user, flow.remote[0])
        if trunk is None:
            return None
        return Peer(trunk.plan.name, trunk.plan.tenant, IdentityPolicy(), number=trunk.plan.inbound)

    def trunk(self, *plans: TrunkPlan) -> None:
        self.trunks.start(plans)

    def carrier(self, host: str = CARRIER) -> Party:
        party = Party(self.network, host)
        self.parties.append(party)
        return party

    async def finish(self) -> None:
        """Hang up, and nothing is left anywhere."""
        self.trunks.close()
        await self.registrations.stop()
        await self.settle()


def plan(name: str = "carrier", **rest: Any) -> TrunkPlan:
    fields: dict[str, Any] = {"tenant": "t1", "host": CARRIER, "prefixes": ("0",), "ping_s": 0.0}
    return TrunkPlan(name, **(fields | rest))


def ask_for_password(party: Party, status: int = 407, times: int = 1) -> None:
    """The next INVITEs are challenged."""
    left = [times]

    def invited(session: ServerSession) -> None:
        if left[0]:
            left[0] -= 1
            name = "Proxy-Authenticate" if status == 407 else "WWW-Authenticate"
            session.refuse(status, extra=f"{name}: {Challenge('carrier.test', f'n{left[0]}').render()}\r\n")
        else:
            session.progress(180)
            session.answer(party.body)

    party.on_invite = invited


@pytest.mark.rule("T-32")
@pytest.mark.rule("T-33")
@pytest.mark.parametrize("status", [401, 407])
@virtual
async def test_a_call_goes_out_with_the_trunks_credentials_and_none_of_the_callers(status: int) -> None:
    stage = Exchange()
    alice, carrier = stage.party(), stage.carrier()
    ask_for_password(carrier, status)
    stage.trunk(plan(username="49301", password="secret", caller_id="+4930123", strip=1, prepend="+49"))
    stage.dial(alice, "030555")
    await alice.until("answered")
    first, second = carrier.invites
    assert "Authorization" not in first.headers
    assert "Proxy-Authorization" not in first.headers
    name = "Proxy-Authorization" if status == 407 else "Authorization"
    assert 'username="49301"' in second.headers[name]
    assert "1001" not in str(second.headers)
    assert second.uri == f"sip:+4930555@{CARRIER}"
    assert second.headers["From"].startswith(f"<sip:+4930123@{CARRIER}>;tag=")
    assert second.headers["To"] == f"<sip:+4930555@{CARRIER}>"
    assert second.call_id == first.call_id
    alice.dialogue.hang_up()
    await stage.finish()
    assert "route.trunk" in stage.story


@pytest.mark.rule("T-32")
@virtual
async def test_a_wrong_password_of_a_trunk_fails_the_call_at_once() -> None:
    stage = Exchange()
    alice, carrier = stage.party(), stage.carrier()
    ask_for_password(carrier, times=10)
    stage.trunk(plan(username="49301", password="wrong"))
    began = stage.loop.time()
    stage.dial(alice, "030555")
    await when(lambda: any(each.startswith("failed") for each in alice.said))
    assert stage.loop.time() - began < 1
    assert len(carrier.invites) == 3
    await stage.finish()


@pytest.mark.rule("T-32")
@pytest.mark.rfc("3261", "22.3")
@virtual
async def test_a_bye_and_a_re_invite_that_are_challenged_are_sent_again_with_credentials() -> None:
    stage = Exchange()
    alice, carrier = stage.party(), stage.carrier()
    stage.trunk(plan(username="49301", password="secret"))
    challenged: list[str] = []
    receive = carrier.node.receive
    assert receive is not None

    def guard(data: bytes, flow: Flow) -> None:
        method = data.split(b" ", 1)[0].decode()
        inside = method == "BYE" or (
            method == "INVITE" and b";tag=" in data.split(b"\r\nTo: ")[1].split(b"\r\n")[0]
        )
        if inside and b"Proxy-Authorization" not in data:
            challenged.append(method)
            kept = [
                line
                for line in data.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
                if line.split(b":")[0] in {b"Via", b"From", b"To", b"Call-ID", b"CSeq"}
            ]
            extra = f"Proxy-Authenticate: {Challenge('carrier.test', 'n1').render()}".encode()
            flow.send(b"\r\n".join([b"SIP/2.0 407 No", *kept, extra, b"Content-Length: 0", b"", b""]))
        else:
            receive(data, flow)

    carrier.node.receive = guard
    stage.dial(alice, "030555")
    await carrier.until("acknowledged")
    await alice.until("answered")
    assert (await alice.reoffer(alice.body))[0] == 200
    await carrier.until("offered")
    alice.dialogue.hang_up()
    await carrier.until("ended bye")
    assert challenged == ["INVITE", "BYE"]
    await stage.finish()


@pytest.mark.rule("T-30")
@pytest.mark.rfc("3608", "6.1")
@virtual
async def test_a_registered_trunk_sends_its_calls_by_the_service_route_to_the_server_that_knows_it() -> None:
    stage = Exchange()
    alice = stage.party()
    registrar = Carrier(stage.network, CARRIER)
    registrar.extra = (
        f"Service-Route: <sip:edge@{CARRIER};lr>\r\nP-Associated-URI: <sip:+4930999@carrier.test>\r\n"
    )
    callee = Party(stage.network, "10.0.1.2")
    stage.trunk(plan(username="49301", register=True))
    await when(lambda: stage.trunks.statuses()[0].state == "registered", within_s=10)
    stage.dial(alice, "030555")
    invite = await stage.until_sent(HOST, "INVITE")
    assert f"\r\nRoute: <sip:edge@{CARRIER};lr>\r\n".encode() in invite
    assert b"\r\nFrom: <sip:+4930999@carrier.test>;tag=" in invite
    assert stage.sent(HOST, "INVITE", CARRIER)
    assert callee.said == []
    await when(lambda: any(each.startswith("failed") for each in alice.said))
    await stage.finish()


@pytest.mark.rule("T-31")
@virtual
async def test_a_call_is_tried_at_the_next_server_of_the_trunk() -> None:
    stage = Exchange()
    stage.hosts["carrier.test"] = ["10.9.9.9", CARRIER]
    alice, carrier = stage.party(), stage.carrier()
    stage.trunk(plan(host="carrier.test"))
    stage.dial(alice, "030555")
    await carrier.until("invited", 20)
    await alice.until("answered")
    alice.dialogue.hang_up()
    await stage.finish()


@virtual
async def test_a_redirection_of_a_trunk_is_not_followed() -> None:
    stage = Exchange()
    alice, carrier = stage.party(), stage.carrier()
    carrier.refuse_with = 302
    stage.trunk(plan())
    stage.dial(alice, "030555")
    await when(lambda: any(each.startswith("failed") for each in alice.said))
    assert len(stage.sent(HOST, "INVITE")) == 1
    await stage.finish()


@pytest.mark.rule("T-33")
@virtual
async def test_no_tenant_calls_by_the_trunk_of_another() -> None:
    stage = Exchange()
    alice, carrier = stage.party(), stage.carrier()
    stage.trunk(plan(tenant="t2", username="49301", password="secret"))
    stage.dial(alice, "030555")
    await alice.until("failed 404")
    assert carrier.said == []
    await stage.finish()


@pytest.mark.parametrize("user", ["the contact", "another"])
@virtual
async def test_a_call_to_the_contact_that_we_registered_rings_the_extension_of_the_trunk(user: str) -> None:
    stage = Exchange()
    bob = stage.party()
    registrar = Carrier(stage.network, CARRIER)
    stage.trunk(plan(username="49301", register=True, inbound="1001"))
    await when(lambda: stage.trunks.statuses()[0].state == "registered", within_s=10)
    contact = parse_uri(next(iter(registrar.contacts))).user
    stranger = Party(stage.network, "10.0.8.8")
    caller = stranger if user == "another" else Party(stage.network, CARRIER)
    stage.parties.append(caller)
    caller.call(HOST, contact, from_="<sip:+49170@carrier.test>")
    if user == "another":
        await when(lambda: any(each.startswith("failed") for each in caller.said))
        assert bob.said == [], "who learned our Contact rings nobody by it"
    else:
        await bob.until("acknowledged")
        assert "+49170" in bob.invites[0].headers["From"]
        caller.dialogue.hang_up()
    stage.trunks.close()
    stage.registrations.close()
    await stage.settle()


@virtual
async def test_a_call_from_an_address_that_the_operator_named_comes_in_and_goes_nowhere_else() -> None:
    stage = Exchange()
    bob, carrier = stage.party(), stage.carrier()
    networks = (ipaddress.ip_network(f"{CARRIER}/32"),)
    stage.trunk(plan(accept_from=networks))
    carrier.call(HOST, "1001", from_="<sip:+49170@carrier.test>")
    await bob.until("acknowledged")
    carrier.dialogue.hang_up()
    carrier.said.clear()
    carrier.call(HOST, "0900555", from_="<sip:+49170@carrier.test>")
    await carrier.until("failed 404")
    await stage.finish()


@virtual
async def test_options_tell_whether_a_trunk_is_there() -> None:
    stage = Exchange()
    carrier = stage.carrier()
    stage.trunk(plan(ping_s=60.0))
    await when(lambda: stage.trunks.statuses()[0].state == "reachable", within_s=10)
    assert all(trunk.is_up for trunk in stage.trunks)
    assert stage.trunks.calls(CARRIER)
    assert not stage.trunks.calls("10.0.8.8")
    carrier.node.silent_since = 0.0
    await when(lambda: stage.trunks.statuses()[0].state == "unreachable", within_s=200)
    assert stage.trunks.statuses()[0].why == "408 Request Timeout"
    assert stage.trunks.states() == {"unreachable": 1}
    assert not any(trunk.is_up for trunk in stage.trunks)
    await stage.finish()


@pytest.mark.parametrize(
    ("number", "name"),
    [("0301", "long"), ("021", "short"), ("1001", None), ("+491", "plus"), ("anna", None), ("0", None)],
)
def test_the_longest_prefix_wins(number: str, name: str | None) -> None:
    plans = (
        plan("short", prefixes=("0",), strip=1),
        plan("long", prefixes=("0", "030"), strip=1),
        plan("plus", prefixes=("+",)),
        plan("foreign", tenant="t2", prefixes=("",)),
    )
    found = best_of(plans, "t1", number)
    assert (found.name if found is not None else None) == name


def test_no_password_is_shown() -> None:
    assert "secret" not in repr(plan(password="secret"))
    assert Extension("t1", "1", "1001", "", "secret").number == "1001"
