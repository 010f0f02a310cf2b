"""What an endpoint does with requests and responses that belong to no session."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import MemoryFlow, MemoryNetwork
from tests.link.phones import SDP, Party, is_silent, make_endpoint
from tests.link.virtual_time import virtual
from trunkline.net.listener import Listener
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Response
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.overload import BEGIN_AFTER, OverloadPolicy

ALICE, BOB = "10.0.0.1", "10.0.0.2"


def pair() -> tuple[MemoryNetwork, Party, Party]:
    network = MemoryNetwork(asyncio.get_running_loop())
    return network, Party(network, ALICE), Party(network, BOB)


async def ask(party: Party, method: str, extra: str = "", to_tag: str = "") -> Response:
    to = f"<sip:bob@{BOB}>" + (f";tag={to_tag}" if to_tag else "")
    draft = Draft(method, f"sip:bob@{BOB}", "<sip:alice@a.test>;tag=a", to, f"id-{method}", 1, extra=extra)
    return await party.endpoint.request(draft, party.node.flow_to("UDP", BOB, 5060))


async def settle(*parties: Party) -> None:
    await asyncio.sleep(200)
    for party in parties:
        assert is_silent(party.endpoint), party.endpoint.layer.clients


@pytest.mark.rfc("3261", "11.2")
@pytest.mark.rule("T-40")
@pytest.mark.parametrize("to_tag", ["", "unknown"])
@virtual
async def test_options_tells_what_is_served(to_tag: str) -> None:
    _network, alice, bob = pair()
    response = await ask(alice, "OPTIONS", to_tag=to_tag)
    assert response.status == 200
    assert response.headers["Allow"] == "ACK, BYE, CANCEL, INFO, INVITE, OPTIONS, PRACK, UPDATE"
    assert response.headers["Accept"] == "application/sdp"
    await settle(alice, bob)


@pytest.mark.rule("T-11")
@virtual
async def test_options_tells_that_the_exchange_drains() -> None:
    _network, alice, bob = pair()
    bob.endpoint.draining = True
    response = await ask(alice, "OPTIONS")
    assert (response.status, response.headers["Retry-After"]) == (503, "60")
    await settle(alice, bob)


@pytest.mark.rule("T-11")
@pytest.mark.rfc("3261", "21.5.4")
@virtual
async def test_under_load_new_calls_are_refused_and_those_that_are_up_are_served() -> None:
    network, alice, bob = pair()
    alice.call(BOB)
    await bob.until("acknowledged")
    bob.endpoint.overload.policy = OverloadPolicy(enabled=True)
    for _ in range(BEGIN_AFTER):
        bob.endpoint.overload.measured(0.6)
    carol = Party(network, "10.0.0.3")
    transactions = len(bob.endpoint.layer.servers)
    carol.call(BOB)
    await carol.until("failed 503")
    refusal = next(data for _, _, to, data in network.log if to == carol.host)
    assert 5 <= int(refusal.split(b"Retry-After: ")[1].split(b"\r\n")[0]) <= 10
    assert len(bob.endpoint.layer.servers) == transactions, "nothing is kept of what is refused"
    assert bob.said.count("invited") == 1
    assert (await ask(carol, "OPTIONS")).status == 200
    assert (await alice.reoffer(SDP))[0] == 200
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await settle(alice, bob, carol)


@pytest.mark.rule("T-40")
@pytest.mark.parametrize(
    ("method", "status"),
    [("BYE", 481), ("INFO", 481), ("REGISTER", 501), ("NOSUCH", 501), ("MESSAGE", 405)],
)
@virtual
async def test_what_nobody_claims_is_refused_with_what_is_allowed(method: str, status: int) -> None:
    _network, alice, bob = pair()
    bob.endpoint.methods |= {"MESSAGE"}  # a door has it in its list, and did not want this one
    response = await ask(alice, method)
    assert response.status == status
    assert "INVITE" in response.headers["Allow"]
    await settle(alice, bob)


@pytest.mark.rfc("3261", "13.2.2.4")
@pytest.mark.rule("T-04")
@virtual
async def test_a_second_fork_that_answers_is_acknowledged_and_hung_up() -> None:
    network, alice, bob = pair()
    alice.call(BOB)
    await bob.until("acknowledged")
    answer = next(data for _, _, _, data in network.log if data.startswith(b"SIP/2.0 200"))
    other = answer.replace(bob.incoming.local_tag.encode(), b"other")
    for after_s in (1.0, 40.0):  # while timer M runs, and when nobody remembers the INVITE
        await asyncio.sleep(after_s)
        sent = len(network.log)
        alice.endpoint.receive(other, alice.node.flow_to("UDP", BOB, 5060))
        own = [data for _, source, _, data in network.log[sent:] if source == ALICE]
        assert [data.split(b" ")[0] for data in own] == [b"ACK", b"BYE"]
        assert all(b";tag=other\r\n" in data for data in own)
    assert alice.said == ["180", "answered"]
    alice.dialogue.hang_up()
    await settle(alice, bob)


@virtual
async def test_answers_to_nothing_of_ours_are_left_alone() -> None:
    network, alice, bob = pair()
    alice.call(BOB)
    await bob.until("acknowledged")
    answer = next(data for _, _, _, data in network.log if data.startswith(b"SIP/2.0 200"))
    branch = answer.split(b"branch=")[1].split(b";")[0]
    sent = len(network.log)
    flow = alice.node.flow_to("UDP", BOB, 5060)
    foreign = answer.replace(branch, b"z9hG4bKsomebodyelse").replace(bob.incoming.local_tag.encode(), b"x")
    alice.endpoint.receive(foreign, flow)
    alice.endpoint.receive(
        answer.replace(b"SIP/2.0 200 OK", b"SIP/2.0 486 No").replace(branch, b"z9hG4bKx"), flow
    )
    assert len(network.log) == sent
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rule("T-26")
@pytest.mark.rfc("3261", "18.2.2")
@pytest.mark.rfc("3581", "4")
@pytest.mark.parametrize(("role", "target"), [("phones", 40000), ("trunk", 5070)])
@virtual
async def test_a_request_without_rport_is_answered_at_its_source_or_its_via_by_policy(
    role: str, target: int
) -> None:
    network = MemoryNetwork(asyncio.get_running_loop())
    endpoint: Endpoint = make_endpoint(network, BOB)
    node = network.nodes[BOB, 5060]
    node.listener = Listener(f"udp:{BOB}:5060", role=role)
    asked = (
        f"OPTIONS sip:{BOB} SIP/2.0\r\nVia: SIP/2.0/UDP {ALICE}:5070;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n"
        f"From: <sip:a@a.test>;tag=1\r\nTo: <sip:{BOB}>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
    )
    answered: list[int] = []

    def note(_data: bytes, _source: tuple[str, int], place: tuple[str, int]) -> bool:
        answered.append(place[1])
        return True

    network.drop = note
    endpoint.receive(asked.encode(), MemoryFlow(node, (ALICE, 40000)))
    assert answered == [target]


@pytest.mark.rule("T-27")
@virtual
async def test_a_request_whose_connection_is_gone_takes_a_new_one_to_the_first_hop() -> None:
    _network, alice, bob = pair()
    alice.call(BOB)
    await bob.until("acknowledged")
    old = alice.dialogue.flow
    old.closed = True  # type: ignore[misc]
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    assert alice.dialogue.flow is not old
    await settle(alice, bob)


@virtual
async def test_an_alarm_that_fails_does_not_stop_the_others() -> None:
    network, alice, bob = pair()
    faults: list[object] = []
    network.loop.set_exception_handler(lambda _loop, context: faults.append(context["exception"]))

    def fail(_now: float) -> None:
        raise ZeroDivisionError

    alice.endpoint.wheel.call_at(network.loop.time() + 0.2, fail)
    network.drop = lambda data, _src, _dst: data.startswith(b"INVITE") and network.sent("INVITE") < 4
    alice.call(BOB, body=SDP)
    await bob.until("acknowledged")
    assert [type(fault) for fault in faults] == [ZeroDivisionError]
    alice.dialogue.hang_up()
    await settle(alice, bob)
