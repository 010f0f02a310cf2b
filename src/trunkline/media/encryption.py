"""Whom we offer encrypted media to, where its target does not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.media.leg_security import Encryption

if TYPE_CHECKING:
    from trunkline.net.flow import Flow

_SECRET = frozenset({"TLS", "WSS"})
_BROWSERS = frozenset({"WS", "WSS"})


class MediaEncryption:
    """``phones``: towards SIP over UDP, TCP, TLS; ``browsers``: over WebSocket.

    ``preferred`` offers keys only where they travel encrypted (RFC 4568 §7.1.2); ``required`` offers them everywhere.
    """

    __slots__ = ("browsers", "phones")

    def __init__(self, phones: Encryption = "off", browsers: Encryption = "off") -> None:
        self.phones: Encryption = phones
        self.browsers: Encryption = browsers

    def towards(self, flow: Flow | None) -> Encryption:
        """What a party is offered that is reached over ``flow``."""
        if flow is None:
            return "off"
        transport = flow.transport.upper()
        if transport in _BROWSERS:
            return self.browsers
        if self.phones == "preferred" and transport not in _SECRET:
            return "off"
        return self.phones
