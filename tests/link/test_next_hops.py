"""RFC 3263 §4.3 in virtual time: calls to a domain with several servers, and requests other than INVITE."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.link.memory_network import MemoryNetwork
from tests.link.phones import Party, is_silent
from tests.link.stage import HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.base.errors import TransportError
from trunkline.call.target import Target, static_targets
from trunkline.net.dns import Hop
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response, parse_message
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import SipUri
from trunkline.ua.next_hops import NextHops, Reached, request_by

pytestmark = [pytest.mark.rule("T-31"), pytest.mark.rfc("3263", "4.3")]
DEAD = "10.0.9.9"


def carrier(stage: Stage, *servers: Party | str, number: str = "1500") -> None:
    """An extension whose fixed contact is a domain with these servers."""
    stage.extension(number, "sip:desk@carrier.test")
    stage.hosts["carrier.test"] = [each if isinstance(each, str) else each.host for each in servers]


def invites(stage: Stage, host: str) -> list[bytes]:
    return stage.sent(HOST, "INVITE", host)


def field(data: bytes, name: str) -> str:
    found = re.search(rf"\r\n{name}: ([^\r]*)".encode(), data)
    assert found is not None
    return found[1].decode()


# Calls


@virtual
async def test_a_server_that_is_silent_is_left_for_the_next_one() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    carrier(stage, DEAD, bob)
    began = stage.loop.time()
    await stage.connect(alice, bob, "1500")
    assert 8 <= stage.loop.time() - began < 9
    alice.dialogue.hang_up()
    await stage.settle()
    assert [code for code in stage.story if code.startswith(("route.", "leg."))][-8:] == [
        "route.contacts",
        "route.located",
        "leg.invited",
        "leg.failed",
        "route.hop_failed",
        "route.next_hop",
        "leg.invited",
        "leg.ringing",
    ]
    assert stage.outcome("out") == [(408, "call.unreachable", "exchange"), (200, "call.hangup", "caller")]
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]


@virtual
async def test_the_next_server_gets_the_same_request_with_another_branch() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    carrier(stage, DEAD, bob)
    await stage.connect(alice, bob, "1500")
    first, second = invites(stage, DEAD)[0], invites(stage, bob.host)[0]
    for name in ("Call-ID", "From", "To", "CSeq", "Max-Forwards"):
        assert field(first, name) == field(second, name)
    assert field(first, "Via") != field(second, "Via")
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_503_leads_on_at_once_even_after_a_100() -> None:
    stage = Stage()
    alice, busy, bob = stage.party(), stage.party(), stage.party()
    busy.refuse_with = 503
    carrier(stage, busy, bob)
    began = stage.loop.time()
    await stage.connect(alice, bob, "1500")
    assert stage.loop.time() - began < 1
    assert "invited" in busy.said
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("out")[0][:2] == (503, "call.refused")


@virtual
async def test_when_all_branches_are_used_up_the_last_refusal_is_the_answer() -> None:
    stage = Stage()
    alice, busy = stage.party(), stage.party()
    busy.refuse_with = 503
    carrier(stage, *[busy] * 40)
    stage.dial(alice, "1500")
    await alice.until("failed 480")
    await stage.settle()
    assert len(stage.outcome("out")) == 32
    assert stage.outcome("in") == [(480, "call.refused", "exchange")]


@pytest.mark.parametrize("status", [486, 404, 500, 408, 603])
@virtual
async def test_any_other_answer_is_the_answer(status: int) -> None:
    stage = Stage()
    alice, first, bob = stage.party(), stage.party(), stage.party()
    first.refuse_with = status
    carrier(stage, first, bob)
    stage.dial(alice, "1500")
    await first.until("invited")
    await stage.settle()
    assert bob.said == []
    assert any(each.startswith("failed") for each in alice.said)
    assert "route.hop_failed" not in stage.story


@virtual
async def test_a_503_after_it_rang_is_the_answer() -> None:
    stage = Stage()
    alice, first, bob = stage.party(), stage.party(), stage.party()

    def ring_then_refuse(session: object) -> None:
        first.incoming.progress(180)
        stage.loop.call_later(2, first.incoming.refuse, 503)

    first.on_invite = ring_then_refuse
    carrier(stage, first, bob)
    stage.dial(alice, "1500")
    await alice.until("failed 480")
    assert bob.said == []
    await stage.settle()


@virtual
async def test_a_server_that_says_it_tries_has_all_the_time_in_the_world() -> None:
    stage = Stage(ring_timeout_s=30)
    alice, slow, bob = stage.party(), stage.party(), stage.party()
    slow.on_invite = lambda _session: None  # its transaction has sent 100
    carrier(stage, slow, bob)
    stage.dial(alice, "1500")
    await alice.until("failed 480")
    assert bob.said == []
    await stage.settle()
    assert stage.outcome("out") == [(480, "call.no_answer", "exchange")]


@virtual
async def test_the_last_server_has_the_whole_time_of_the_rfc() -> None:
    stage = Stage(ring_timeout_s=100)
    alice = stage.party()
    carrier(stage, DEAD, "10.0.9.8")
    began = stage.loop.time()
    stage.dial(alice, "1500")
    await alice.until("failed 480")
    assert 8 + 32 <= stage.loop.time() - began < 8 + 33
    await stage.settle()
    assert stage.outcome("out") == [(408, "call.unreachable", "exchange")] * 2


@virtual
async def test_all_servers_together_ring_no_longer_than_one() -> None:
    stage = Stage(ring_timeout_s=20)
    alice, bob = stage.party(), stage.party(answers=False)
    carrier(stage, DEAD, bob)
    began = stage.loop.time()
    stage.dial(alice, "1500")
    await alice.until("failed 480")
    assert 20 <= stage.loop.time() - began < 21
    await stage.settle()


@pytest.mark.rfc("3261", "9.1")
@virtual
async def test_a_cancel_stops_it_at_once() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    carrier(stage, DEAD, bob)
    stage.dial(alice, "1500")
    await stage.until_sent(HOST, "INVITE")
    await asyncio.sleep(3)
    alice.dialogue.hang_up()
    await alice.until("failed 487")
    await stage.settle()
    assert bob.said == []
    assert stage.outcome("in") == [(487, "call.cancelled", "caller")]


@virtual
async def test_a_cancel_stops_the_lookup_too() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    carrier(stage, bob)
    stage.lookup_s = 4
    stage.dial(alice, "1500")
    await stage.until_sent(HOST, "SIP/2.0 100")
    await asyncio.sleep(1)
    alice.dialogue.hang_up()
    await alice.until("failed 487")
    await stage.settle()
    assert bob.said == []


@virtual
async def test_a_slow_name_server_does_not_keep_other_phones_from_ringing() -> None:
    stage = Stage()
    alice, bob, carol = stage.party(), stage.party(), stage.party()
    stage.extension("1500")
    stage.contacts["1500"] = [Target("sip:desk@carrier.test"), Target(f"sip:carol@{carol.host}")]
    stage.hosts["carrier.test"] = [bob.host]
    stage.lookup_s = 4
    began = stage.loop.time()
    await stage.connect(alice, carol, "1500")
    assert stage.loop.time() - began < 1
    alice.dialogue.hang_up()
    await stage.settle()
    assert bob.said == []


@virtual
async def test_a_domain_that_is_not_found_fails_the_call_with_its_reason() -> None:
    stage = Stage()
    alice = stage.party()
    stage.extension("1500", "sip:desk@nowhere.test")
    stage.dial(alice, "1500")
    await alice.until("failed 480")
    await stage.settle()
    texts = [step["text"] for step in stage.over[-1].story]
    assert "sip:desk@nowhere.test: nowhere.test has no address" in texts


@virtual
async def test_a_target_may_name_another_next_hop() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.hosts["proxy.test"] = [bob.host]
    stage.ring("1500", static_targets([Target("sip:100@elsewhere.test", next_hop="sip:proxy.test")]))
    stage.dial(alice, "1500")
    await alice.until("answered")
    assert invites(stage, bob.host)[0].startswith(b"INVITE sip:100@elsewhere.test SIP/2.0")
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3327", "5.3")
@virtual
async def test_a_target_with_a_route_goes_to_its_first_hop() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.hosts["edge.test"] = [bob.host]
    target = Target("sip:100@10.255.0.1", route="Route: <sip:edge.test;lr>\r\nRoute: <sip:b.test;lr>\r\n")
    stage.ring("1500", static_targets([target]))
    stage.dial(alice, "1500")
    await alice.until("answered")
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "21.5.4")
@virtual
async def test_a_server_that_failed_is_asked_last_for_as_long_as_it_asks_for() -> None:
    stage = Stage()
    alice, bad, bob = stage.party(), stage.party(), stage.party()

    def refuse(_session: object) -> None:
        bad.incoming.refuse(503, extra="Retry-After: 120 (in a while);duration=60\r\n")

    bad.on_invite = refuse
    carrier(stage, bad, bob)
    for asked, wait_s in ((1, 100), (1, 20), (2, 0)):
        await stage.connect(alice, bob, "1500")
        alice.dialogue.hang_up()
        await alice.until("ended hangup")
        assert len(bad.invites) == asked
        alice.said.clear()
        bob.said.clear()
        await asyncio.sleep(wait_s)
    await stage.settle()


@virtual
async def test_a_server_that_was_given_up_and_answers_late_is_hung_up() -> None:
    stage = Stage()
    alice, late, bob = stage.party(), stage.party(), stage.party()
    carrier(stage, late, bob)
    stage.network.drop = lambda data, src, _dst: src[0] == late.host and not data.startswith(b"ACK")
    stage.dial(alice, "1500")
    await bob.until("acknowledged")
    stage.network.drop = lambda _data, _src, _dst: False
    await late.until("ended bye")
    assert bob.dialogue.dialog is not None
    assert "ended bye" not in bob.said
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()


@virtual
async def test_over_connections_a_refused_one_leads_on_at_once() -> None:
    stage = Stage(transport="tcp")
    alice, bob = stage.party(), stage.party()
    carrier(stage, DEAD, bob)
    began = stage.loop.time()
    await stage.connect(alice, bob, "1500")
    assert stage.loop.time() - began < 1
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("out")[0] == (503, "call.not_sent", "exchange")


# Other requests


class Office:
    """A client and servers that answer OPTIONS with ``status`` by host."""

    def __init__(self, *hops: str, patience_s: float = 8.0) -> None:
        self.network = MemoryNetwork(asyncio.get_running_loop())
        self.client = Party(self.network, "10.0.0.1")
        self.hops = [Hop("UDP", host, 5060, "a.test") for host in hops]
        self.now = self.network.loop.time
        self.told: list[str] = []
        self.next_hops = NextHops(self, self.client.node.flow_to, self.now, patience_s)

    def server(self, host: str, status: int = 200, extra: str = "") -> Party:
        party = Party(self.network, host)

        class Door:
            methods = frozenset({"MESSAGE"})

            def claim(self, incoming: Incoming, flow: Flow) -> bool:
                party.requests.append(incoming.request)
                incoming.respond(status, extra=extra)
                return True

        party.endpoint.set_doors([Door()])
        return party

    async def locate(self, uri: SipUri) -> list[Hop]:
        return list(self.hops)

    async def ask(self, sticky: Hop | None = None) -> Reached:
        ways = await self.next_hops.ways("sip:a.test", lambda code, _text: self.told.append(code), sticky)
        return await request_by(self.client.endpoint, ways, self.draft)

    def draft(self, flow: Flow) -> Draft:
        contact = self.client.endpoint.contact(flow)
        return Draft(
            "MESSAGE", "sip:a.test", "<sip:me@a.test>;tag=1", "<sip:a.test>", "id", 1, contact=contact
        )

    async def settle(self) -> None:
        await asyncio.sleep(200)
        assert is_silent(self.client.endpoint)


@virtual
async def test_a_request_goes_to_the_next_server_when_the_first_is_silent() -> None:
    office = Office(DEAD, "10.0.0.2")
    server = office.server("10.0.0.2")
    began = office.now()
    reached = await office.ask()
    assert (reached.response.status, reached.hop) == (200, office.hops[1])
    assert 8 <= office.now() - began < 8.2
    assert office.told == ["route.located", "route.hop_failed", "route.next_hop"]
    began = office.now()
    assert (await office.ask()).response.status == 200
    assert office.now() - began < 0.1, "the silent one is asked last now"
    assert len(server.requests) == 2
    await office.settle()


@virtual
async def test_a_request_that_nobody_answers_is_told_as_a_timeout() -> None:
    office = Office(DEAD, "10.0.9.8")
    began = office.now()
    reached = await office.ask()
    assert (reached.response.status, reached.flow, reached.hop) == (408, None, None)
    assert 40 <= office.now() - began < 41
    await office.settle()


@pytest.mark.rfc("3261", "21.5.4")
@virtual
async def test_503_leads_on_and_any_other_status_does_not() -> None:
    office = Office("10.0.0.2", "10.0.0.3", "10.0.0.4")
    office.server("10.0.0.2", 503, "Retry-After: 300\r\n")
    office.server("10.0.0.3", 404)
    last = office.server("10.0.0.4")
    reached = await office.ask()
    assert (reached.response.status, reached.hop) == (404, office.hops[1])
    assert last.requests == []
    assert office.next_hops.failed.failed(office.hops[0])
    await asyncio.sleep(301)
    assert not office.next_hops.failed.failed(office.hops[0])


@virtual
async def test_when_all_say_503_that_is_the_answer() -> None:
    office = Office("10.0.0.2", "10.0.0.3")
    office.server("10.0.0.2", 503)
    office.server("10.0.0.3", 503, "Retry-After: 7\r\n")
    assert (await office.ask()).response.headers["Retry-After"] == "7"
    await office.settle()


@virtual
async def test_a_server_without_a_listener_of_ours_is_passed_over() -> None:
    office = Office("10.0.0.2", "10.0.0.3")
    office.server("10.0.0.3")
    first = office.client.node.flow_to

    def flow_to(
        transport: str, host: str, port: int, prefer: Listener | None = None, server_name: str = ""
    ) -> Flow:
        if host == "10.0.0.2":
            raise TransportError("no UDP listener for it")
        return first(transport, host, port, prefer, server_name)

    office.next_hops._open_flow = flow_to
    assert (await office.ask()).hop == office.hops[1]


@virtual
async def test_a_server_that_served_before_is_asked_first_while_it_works() -> None:
    office = Office("10.0.0.2", "10.0.0.3")
    office.server("10.0.0.2")
    office.server("10.0.0.3")
    assert (await office.ask(sticky=office.hops[1])).hop == office.hops[1]
    assert (await office.ask(sticky=Hop("UDP", "10.0.0.9", 5060, "a.test"))).hop == office.hops[0]
    office.next_hops.failed.add(office.hops[1])
    assert (await office.ask(sticky=office.hops[1])).hop == office.hops[0]


@virtual
async def test_giving_up_the_task_ends_it_at_once() -> None:
    office = Office(DEAD, "10.0.0.2")
    server = office.server("10.0.0.2")
    asking = asyncio.ensure_future(office.ask())
    await asyncio.sleep(1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await office.settle()
    assert server.requests == []


@virtual
async def test_a_provisional_answer_gives_a_server_its_time() -> None:
    office = Office("10.0.0.2", "10.0.0.3", patience_s=2)
    first, second = office.server("10.0.0.2"), office.server("10.0.0.3")
    held: list[Incoming] = []

    class Slow:
        methods = frozenset({"MESSAGE"})

        def claim(self, incoming: Incoming, flow: Flow) -> bool:
            via = incoming.request.headers["Via"]
            trying = f"SIP/2.0 100 Trying\r\nVia: {via}\r\n" + "".join(
                f"{name}: {incoming.request.headers[name]}\r\n" for name in ("From", "To", "Call-ID", "CSeq")
            )
            assert isinstance(parse_message(trying.encode() + b"\r\n"), Response)
            flow.send(trying.encode() + b"\r\n")
            if not held:
                office.network.loop.call_later(5, lambda: held[0].respond(200))
            held.append(incoming)
            return True

    first.endpoint.set_doors([Slow()])
    assert (await office.ask()).hop == office.hops[0]
    assert second.requests == []
    await office.settle()
