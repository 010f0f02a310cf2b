"""What tests of reliable provisionals share: two endpoints, and what they sent each other."""

from __future__ import annotations

import asyncio

from tests.link.memory_network import MemoryNetwork
from tests.link.phones import Party, describe, is_silent
from trunkline.proto.sip.message import Request, Response, parse_message

SUPPORTED = "Supported: 100rel\r\n"
REQUIRED = "Require: 100rel\r\n"
BOB = "10.0.0.2"


def pair(policy: str = "supported") -> tuple[MemoryNetwork, Party, Party]:
    """Alice, and Bob who sends provisionals as ``policy`` says and does nothing by himself."""
    network = MemoryNetwork(asyncio.get_running_loop())
    alice, bob = Party(network, "10.0.0.1"), Party(network, BOB)
    alice.body, bob.body = describe(alice.host), describe(bob.host)
    bob.offer_answer = describe(bob.host, version=2)
    alice.offer_answer = describe(alice.host, version=2)
    bob.endpoint.reliable_provisionals = policy  # type: ignore[assignment]
    bob.on_invite = lambda _session: None
    return network, alice, bob


def sent(network: MemoryNetwork, host: str, start: str) -> list[Request | Response]:
    """What a host sent that begins so."""
    return [
        parse_message(data)
        for _, source, _, data in network.log
        if source == host and data.startswith(start.encode())
    ]


async def settle(*parties: Party, seconds: float = 200.0) -> None:
    """Longer than any timer; then nothing may be left."""
    await asyncio.sleep(seconds)
    for party in parties:
        assert is_silent(party.endpoint), (party.said, party.endpoint.layer.clients, party.endpoint.sessions)
