"""Where requests within a dialog go: route sets, targets, and what moves them (RFC 3261 §12)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import MemoryNetwork, Node
from tests.link.phones import Party, describe
from tests.link.reliable import BOB, pair, sent, settle
from tests.link.stage import HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.media.commands import SetRemote
from trunkline.proto.sip.message import Request
from trunkline.ua.sessions import ServerSession

# Two transports of one proxy, as it writes them: the last one added stands first (RFC 5658).
DOUBLED = (
    b"Record-Route: <sip:10.0.0.2;transport=udp;r2=on;lr>\r\n"
    b"Record-Route: <sip:192.0.2.7:5080;transport=tcp;r2=on;lr>\r\n"
)
REVERSED = "<sip:192.0.2.7:5080;transport=tcp;r2=on;lr>\n<sip:10.0.0.2;transport=udp;r2=on;lr>"


def recorded(network: MemoryNetwork, routes: bytes, contact: bytes = b"<sip:carol@192.0.2.9:5070>") -> None:
    """Let Bob's 2xx come through proxies that record themselves, from a phone behind them."""
    carry = network.carry

    def through(data: bytes, source: Node, target: tuple[str, int], transport: str = "UDP") -> None:
        if data.startswith(b"SIP/2.0 200") and b" INVITE\r\n" in data and target[0] == "10.0.0.1":
            head, _, tail = data.partition(b"Contact: ")
            data = head + routes + b"Contact: " + contact + b"\r\n" + tail.partition(b"\r\n")[2]
        carry(data, source, target, transport)

    network.carry = through  # type: ignore[method-assign]


@pytest.mark.rule("T-02")
@pytest.mark.rule("T-15")
@pytest.mark.rfc("3261", "12.1.2")
@pytest.mark.rfc("3261", "13.2.2.4")
@virtual
async def test_each_ack_follows_the_reversed_route_set_to_the_contact_of_the_callee() -> None:
    network, alice, bob = pair()
    recorded(network, DOUBLED)
    network.drop = lambda data, _src, _dst: data.startswith(b"ACK")
    bob.on_invite = lambda session: session.answer(bob.body)
    alice.call(BOB)
    await asyncio.sleep(4)
    acks = sent(network, alice.host, "ACK")
    assert len(acks) == 1 + 3, "each repeated 2xx gets its ACK"
    for ack in acks:
        assert isinstance(ack, Request)
        assert ack.uri == "sip:carol@192.0.2.9:5070"
        assert ack.headers["Route"] == REVERSED
    alice.dialogue.hang_up()
    await asyncio.sleep(1)
    (bye,) = sent(network, alice.host, "BYE")[:1]
    assert isinstance(bye, Request)
    assert (bye.uri, bye.headers["Route"]) == ("sip:carol@192.0.2.9:5070", REVERSED)
    await asyncio.sleep(200)


@pytest.mark.rule("T-15")
@pytest.mark.rfc("3261", "12.2.1.1")
@virtual
async def test_a_strict_router_gets_itself_as_request_uri() -> None:
    network, alice, bob = pair()
    recorded(network, b"Record-Route: <sip:10.0.0.2>\r\n")
    bob.on_invite = lambda session: session.answer(bob.body)
    alice.call(BOB)
    await alice.until("answered")
    (ack,) = sent(network, alice.host, "ACK")[:1]
    assert isinstance(ack, Request)
    assert ack.uri == "sip:10.0.0.2"
    assert ack.headers["Route"] == "<sip:carol@192.0.2.9:5070>"
    alice.dialogue.hang_up()
    await asyncio.sleep(200)


@pytest.mark.rule("T-15")
@pytest.mark.rfc("3261", "12.2.1.2")
@pytest.mark.rfc("6141", "3")
@pytest.mark.parametrize(
    ("method", "moves"), [("INVITE", True), ("UPDATE", True), ("INFO", False), ("OPTIONS", False)]
)
@virtual
async def test_only_some_methods_move_the_target(method: str, *, moves: bool) -> None:
    _network, alice, bob = pair()
    bob.on_invite = lambda session: session.answer(bob.body)
    alice.call(BOB)
    await bob.until("acknowledged")
    assert bob.dialogue.dialog is not None
    before = bob.dialogue.dialog.target
    if method == "INVITE":
        alice.dialogue.contact = "<sip:moved@10.0.0.1>"
        await alice.reoffer(describe(alice.host, version=2))
    else:
        await alice.dialogue.request(method, contact="<sip:moved@10.0.0.1>")
    assert bob.dialogue.dialog.target == ("sip:moved@10.0.0.1" if moves else before)
    alice.dialogue.hang_up()
    await settle(alice, bob)


@pytest.mark.rule("T-02")
@pytest.mark.rfc("3261", "13.2.2.4")
@virtual
async def test_the_callee_has_its_ack_before_the_caller_has_its_answer() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.network.drop = lambda data, _src, dst: data.startswith(b"SIP/2.0 200") and dst[0] == alice.host
    stage.dial(alice, "1002")
    await bob.until("acknowledged")
    assert "answered" not in alice.said
    stage.network.drop = lambda _data, _src, _dst: False
    await alice.until("answered")
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-02")
@pytest.mark.rule("T-15")
@pytest.mark.rfc("3261", "12.2.1.1")
@virtual
async def test_a_server_that_handed_the_call_to_another_is_left_out_of_the_dialog() -> None:
    stage = Stage()
    alice, bob, carol = stage.party(), stage.party(), stage.party()
    stage.extension("1500", f"sip:1002@{bob.host}")
    # Bob only answers for Carol, who is not at his address: she gets ACK and BYE herself.
    bob.on_invite = lambda session: answer_for(session, f"<sip:1003@{carol.host}>", bob.body)
    stage.dial(alice, "1500")
    await alice.until("answered")
    await asyncio.sleep(1)
    assert stage.sent(HOST, "ACK", carol.host)
    assert not stage.sent(HOST, "ACK", bob.host)
    alice.dialogue.hang_up()
    await asyncio.sleep(1)
    assert stage.sent(HOST, "BYE", carol.host)
    bob.dialogue.hang_up()
    await asyncio.sleep(200)


def answer_for(session: ServerSession, contact: str, body: bytes) -> None:
    """A 2xx with somebody else's Contact."""
    session.contact = contact
    session.answer(body)


# Before anything is sent that brings a BYE


@pytest.mark.rule("T-09")
@pytest.mark.rfc("5407", "3.1.4")
@virtual
async def test_a_bye_that_comes_back_while_the_2xx_is_being_sent_ends_the_call_at_once() -> None:
    network, alice, bob = pair()
    alice.call(BOB)
    await bob.until("invited")
    carry, told = network.carry, list[bytes]()

    def hang_up_at_once(data: bytes, source: Node, target: tuple[str, int], transport: str = "UDP") -> None:
        carry(data, source, target, transport)
        if data.startswith(b"SIP/2.0 200") and b" INVITE\r\n" in data and not told:
            told.append(data)
            bob.endpoint.receive(bye_of(bob), bob.dialogue.flow)

    network.carry = hang_up_at_once  # type: ignore[method-assign]
    bob.incoming.answer(bob.body)
    assert bob.said[-1] == "ended bye"
    await asyncio.sleep(40)
    assert network.sent("SIP/2.0 200 OK") == 2, "the 2xx once, and that to the BYE"
    alice.dialogue.hang_up()
    await settle(alice, bob)


def bye_of(party: Party) -> bytes:
    """A BYE of the caller, as its callee would see it."""
    dialog = party.dialogue.dialog
    assert dialog is not None
    return (
        f"BYE sip:x@{party.host} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKearly\r\n"
        f"Max-Forwards: 70\r\nFrom: {dialog.remote}\r\nTo: {dialog.local}\r\nCall-ID: {dialog.call_id}\r\n"
        f"CSeq: 7 BYE\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@pytest.mark.rule("T-09")
@virtual
async def test_a_caller_that_leaves_while_its_answer_is_prepared_ends_the_callee_too() -> None:
    stage = Stage(media_delay_s=0.5)
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002")
    await bob.until("acknowledged")
    assert not any(isinstance(command, SetRemote) for command in stage.engine.commands)
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(487, "call.cancelled", "caller")]


# 2xx that come too late


@pytest.mark.rule("T-03")
@pytest.mark.rfc("3261", "9.1")
@virtual
async def test_a_2xx_after_the_cancel_is_acknowledged_along_its_route_and_ended() -> None:
    network, alice, bob = pair()
    recorded(network, DOUBLED)
    session = alice.call(BOB)
    await bob.until("invited")
    bob.incoming.progress(180)
    await alice.until("180")
    network.drop = lambda data, _src, _dst: data.startswith(b"CANCEL")
    session.hang_up()
    bob.incoming.answer(bob.body)
    await alice.until("failed 487")
    (ack,), (bye,) = sent(network, alice.host, "ACK")[:1], sent(network, alice.host, "BYE")[:1]
    assert ack.headers["Route"] == bye.headers["Route"] == REVERSED
    await asyncio.sleep(200)


@pytest.mark.rule("T-04")
@pytest.mark.rfc("3261", "13.2.2.4")
@virtual
async def test_a_second_2xx_is_acknowledged_and_ended_each_time_it_comes() -> None:
    network, alice, bob = pair()
    bob.on_invite = lambda session: session.answer(bob.body)
    alice.call(BOB)
    await bob.until("acknowledged")
    raw = next(
        data for _, _, _, data in network.log if data.startswith(b"SIP/2.0 200") and b" INVITE\r\n" in data
    )
    late = raw.replace(f";tag={bob.incoming.local_tag}".encode(), b";tag=late")
    flow = alice.node.flow_to("UDP", BOB, 5060)
    for count in (1, 2):
        alice.endpoint.receive(late, flow)
        await asyncio.sleep(0.5)
        losers = [ack for ack in sent(network, alice.host, "ACK") if ack.headers["To"].endswith("=late")]
        assert len(losers) == count
    assert "ended bye" not in bob.said
    assert {bye.headers["To"].rpartition("=")[2] for bye in sent(network, alice.host, "BYE")} == {"late"}
    alice.dialogue.hang_up()
    await settle(alice, bob)
