"""A peer in front of the stage's exchange: another exchange or a carrier, known by its address."""

from __future__ import annotations

from tests.link.phones import Party
from tests.link.stage import Stage
from trunkline.pbx.peer_door import Peer, PeerDoor
from trunkline.ua.stir import StirVerifier


def open_to_peer(stage: Stage, party: Party, peer: Peer, verifier: StirVerifier | None = None) -> None:
    """Take calls of ``party`` as those of ``peer``."""
    party.account = None
    door = PeerDoor(
        lambda flow: peer if flow.remote[0] == party.host else None,
        stage.directory,
        stage.door.snapshot,
        stage.context,
        stage.calls,
        stage.door.targets,
        verifier,
    )
    door.has_apps = stage.door.has_apps
    stage.endpoint.set_doors([door, stage.door])
