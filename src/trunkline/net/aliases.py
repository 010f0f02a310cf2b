"""Connections that a peer offers for our requests to it (RFC 5923).

A peer that connects to us sends from any port, so its connection is not found by the address that it listens on. With
``alias`` in its Via it says that requests to that address may come back down the same connection. It is believed only
within TLS, and only as far as its certificate goes: else anybody could have another's calls sent to himself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.net.listener import DEFAULT_PORTS, Listener
from trunkline.net.tls.peer_identity import proves
from trunkline.proto.sip.via import parse_top_via

if TYPE_CHECKING:
    from trunkline.net.tcp import TcpFlow

Place: TypeAlias = tuple[Listener, str, int]

_via: Final = re.compile(rb"(?im)^(?:Via|v)[ \t]*:[ \t]*([^\r\n]*)").search
_MAX_HEAD: Final = 2048


def offers(message: bytes) -> bool:
    """Whether it may be a request whose Via offers its connection; ``place_of`` looks closer."""
    return message.find(b";alias", 0, _MAX_HEAD) >= 0 and not message.startswith(b"SIP/")


class Aliases:
    """Accepted TLS connections by the address that their peers listen on; one for each connection at most."""

    __slots__ = ("_by_flow", "_flows")

    def __init__(self) -> None:
        self._flows: dict[Place, TcpFlow] = {}
        self._by_flow: dict[TcpFlow, Place] = {}

    def __len__(self) -> int:
        return len(self._flows)

    def take(self, flow: TcpFlow, message: bytes) -> None:
        """Note what a request's topmost Via offers; a newer connection takes an older one's place (§9.1)."""
        match = _via(message)
        if match is None:
            return
        try:
            via = parse_top_via(match[1].decode("utf-8", "surrogateescape"))
        except RemoteProtocolError:
            return  # whoever reads the message says so
        if "alias" not in via.params:
            return
        place = flow.listener, flow.remote[0], via.port or DEFAULT_PORTS[flow.transport]
        if self._flows.get(place) is not flow:
            self.forget(flow)
            replaced = self._flows.get(place)
            if replaced is not None:
                self.forget(replaced)
            self._flows[place] = flow
            self._by_flow[flow] = place

    def find(self, listener: Listener, host: str, port: int, name: str) -> TcpFlow | None:
        """The connection to an address whose peer has proved ``name``, or the address itself without a name."""
        flow = self._flows.get((listener, host, port))
        return flow if flow is not None and proves(flow.certificate, name or host) else None

    def forget(self, flow: TcpFlow) -> None:
        """The connection is gone."""
        place = self._by_flow.pop(flow, None)
        if place is not None and self._flows.get(place) is flow:
            del self._flows[place]
