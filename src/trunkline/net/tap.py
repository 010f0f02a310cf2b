"""A tap shows the SIP messages as they come in and leave: for traces, never for decisions."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from trunkline.net.flow import Flow
from trunkline.net.listener import Listener
from trunkline.net.routes import remote_of

Tap: TypeAlias = Callable[[bytes, Listener, tuple[str, int], bool], None]
"""``tap(data, listener, remote, incoming)``: called before a message is handed up, and after it was sent."""
OnMessage: TypeAlias = Callable[[bytes, Flow], None]


def tapped(on_message: OnMessage, tap: Tap) -> OnMessage:
    """``on_message`` with a tap before it."""

    def show(data: bytes, flow: Flow) -> None:
        tap(data, flow.listener, flow.remote, True)
        on_message(data, flow)

    return show


def tapped_sendto(udp: socket.socket, listener: Listener, tap: Tap) -> Callable[[bytes, Any], int]:
    """``sendto`` of a UDP socket with a tap behind it: what the kernel did not take is not shown."""
    sendto = udp.sendto

    def send(data: bytes, remote: Any) -> int:
        taken = sendto(data, remote)
        tap(data, listener, remote_of(remote) if len(remote) == 4 else remote, False)
        return taken

    return send
