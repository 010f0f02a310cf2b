"""Two parties, one of which dies and is carried on by another process at the same address."""

from __future__ import annotations

import asyncio
import json

from tests.link.memory_network import MemoryNetwork
from tests.link.phones import Party, is_silent
from trunkline.ua.sessions import restore, snapshot

ALICE, BOB = "10.0.0.1", "10.0.0.2"


def pair(**bobs: float) -> tuple[MemoryNetwork, Party, Party]:
    network = MemoryNetwork(asyncio.get_running_loop())
    return network, Party(network, ALICE), Party(network, BOB, **bobs)  # type: ignore[arg-type]


def carry_on(old: Party) -> Party:
    """The process of a party dies; another, on the same address, takes up its session from JSON."""
    kept = json.dumps(snapshot(old.dialogue))
    old.endpoint.close()
    new = Party(old.network, old.host, answers=False, node_id=7)
    new.session = restore(json.loads(kept), new.endpoint, new)
    return new


async def settle(*parties: Party) -> None:
    await asyncio.sleep(200)
    for party in parties:
        layer, sessions = party.endpoint.layer, party.endpoint.sessions
        assert is_silent(party.endpoint), (party.said, layer.clients, layer.servers, sessions)
        assert party.dialogue.ended
