"""Calls that come back to us: they end by themselves, soon, and never multiply beyond a bound."""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256

import pytest

from tests.link.memory_network import MemoryFlow, MemoryNetwork
from tests.link.phones import Party
from tests.link.stage import HOST, Stage
from tests.link.virtual_time import virtual
from trunkline.base.story import Story
from trunkline.net.flow import Flow
from trunkline.pbx.door import ExchangeDoor
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri

RELAY = "10.0.0.50"


class TrustingDoor(ExchangeDoor):
    """Challenges nobody, as if the way back led over a peer that we trust."""

    def claim(self, incoming: Incoming, flow: Flow) -> bool:
        uri = parse_uri(incoming.request.uri)
        owner = self.directory.owner_of(uri.host)
        assert owner is not None
        self._start(incoming, flow, owner, "1001", uri, Story(incoming.now))
        return True


class Relay:
    """A stateless proxy (RFC 3261 §16.11) that sends each request to the exchange, and counts hops down."""

    def __init__(self, network: MemoryNetwork) -> None:
        self.node = network.node(RELAY)
        self.node.receive = self.receive

    def receive(self, data: bytes, _flow: Flow) -> None:
        text = data.decode()
        if text.startswith("SIP/2.0"):
            rest = re.sub(r"Via: [^\r]*\r\n", "", text, count=1)
            self._send(rest, re.findall(r"Via: SIP/2.0/UDP ([0-9.]+)", rest)[0])
            return
        branch = re.findall(r"branch=(\w+)", text)[0]
        own = f"Via: SIP/2.0/UDP {RELAY}:5060;branch=z9hG4bK{sha256(branch.encode()).hexdigest()[:16]}\r\n"
        text = text.replace(f"@{RELAY}", f"@{HOST}", 1).replace("Via: ", f"{own}Via: ", 1)
        hops = int(re.findall(r"Max-Forwards: (\d+)", text)[0])
        self._send(text.replace(f"Max-Forwards: {hops}", f"Max-Forwards: {hops - 1}", 1), HOST)

    def _send(self, text: str, host: str) -> None:
        MemoryFlow(self.node, (host, 5060)).send(text.encode())


def looping(contacts: int, max_forwards: int = 70) -> tuple[Stage, Party]:
    """A number whose contacts all lead back here, over a relay and past the challenge."""
    stage = Stage(ports=4096, ring_timeout_s=100)
    stage.context.max_forwards = max_forwards
    Relay(stage.network)
    stage.endpoint.set_doors([
        TrustingDoor(
            stage.directory, stage.door.snapshot, stage.door.authenticator, stage.context, stage.calls,
            stage._targets,
        )
    ])  # fmt: skip
    alice = stage.party()
    stage.extension("1500", *(f"sip:1500@{RELAY}" for _ in range(contacts)))
    return stage, alice


@pytest.mark.rfc("3261", "16.3")
@pytest.mark.parametrize("contacts", [1, 2, 10])
@virtual
@pytest.mark.rule("T-07")
async def test_a_contact_that_is_ourselves_ends_at_once(contacts: int) -> None:
    stage = Stage()
    alice = stage.party()
    stage.extension("1500", *(f"sip:1500@{HOST}" for _ in range(contacts)))
    stage.dial(alice, "1500")
    await alice.until("failed 500")
    assert len(stage.sent(HOST, "INVITE")) == contacts
    assert len(stage.sent(HOST, "SIP/2.0 482")) == contacts
    await stage.settle()
    assert len(stage.calls.all) == 1


@pytest.mark.rfc("7332", "4")
@virtual
async def test_a_loop_over_others_ends_by_its_hops() -> None:
    stage, alice = looping(contacts=1, max_forwards=21)
    stage.dial(alice, "1500")
    await alice.until("failed 480")
    assert len(stage.calls.all) == 11, "each way around costs two hops: ours and the relay's"
    assert len(stage.sent(HOST, "SIP/2.0 483")) == 1
    await stage.settle()


@pytest.mark.rfc("5393", "5.3.3")
@pytest.mark.parametrize(("contacts", "calls"), [(2, 63), (3, 40), (10, 11)])
@virtual
async def test_a_loop_that_forks_is_no_wider_than_its_breadth(contacts: int, calls: int) -> None:
    stage, alice = looping(contacts)
    stage.dial(alice, "1500")
    await alice.until("failed 440")
    assert len(stage.calls.all) == calls
    assert "call.too_broad" in {code for _, code, _ in stage.outcome("out")}
    await stage.settle()


@pytest.mark.rfc("7332", "4")
@virtual
@pytest.mark.rule("T-40")
async def test_a_call_takes_no_more_hops_than_the_settings_allow_nor_than_it_came_with() -> None:
    stage = Stage()
    stage.context.max_forwards = 20
    alice, bob = stage.party(), stage.party()
    for came, left in ((70, 20), (20, 19), (5, 4)):
        stage.dial(alice, "1002", max_forwards=came)
        await bob.until("invited")
        await asyncio.sleep(1)
        assert bob.invites[-1].max_forwards == left
        assert bob.invites[-1].headers["Max-Breadth"] == "60"
        alice.dialogue.hang_up()
        await asyncio.sleep(40)
        bob.said.clear()
    await stage.settle()
