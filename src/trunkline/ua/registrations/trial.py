"""One round of asking a registrar: its servers in turn, each REGISTER with its credentials."""

from __future__ import annotations

from typing import Any

from trunkline.net.dns import Hop
from trunkline.net.flow import Flow
from trunkline.net.listener import host_port, split_host_port
from trunkline.proto.sip.draft import Draft
from trunkline.ua.challenges import Authorizer
from trunkline.ua.next_hops import Ways


class Trial:
    """``asked_s`` is the Expires of the REGISTER that is out; ``briefs`` counts the 423s of this round.

    ``moved`` says that the address of our Contact was changed in this round already.
    """

    __slots__ = ("asked_s", "authorizer", "briefs", "draft", "flow", "moved", "transaction", "ways")

    def __init__(self) -> None:
        self.ways: Ways | None = None
        self.flow: Flow | None = None
        self.draft: Draft | None = None
        self.authorizer: Authorizer | None = None
        self.transaction: Any = None
        self.asked_s = 0
        self.briefs = 0
        self.moved = False

    @property
    def hop(self) -> Hop | None:
        """The server that is being asked, None when the registrar is an address that needs no looking up."""
        return self.ways.current if self.ways is not None else None


def hop_text(hop: Hop | None) -> str:
    """A server as it is written down; "" for None."""
    return "" if hop is None else f"{hop.transport} {host_port(hop.address, hop.port)} {hop.server_name}"


def hop_of(text: str) -> Hop | None:
    """What ``hop_text`` wrote; None for anything else."""
    parts = text.split(" ")
    if len(parts) != 3:
        return None
    try:
        host, port = split_host_port(parts[1])
    except ValueError:
        return None
    return Hop(parts[0], host, port, parts[2]) if port else None
