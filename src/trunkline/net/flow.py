"""A flow: one UDP 5-tuple or one connection; what goes back to a peer goes down the flow it came up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from trunkline.base.errors import TransportError
from trunkline.net.listener import Listener

Failure: TypeAlias = Callable[[TransportError], None]


class Flow(Protocol):
    """Where messages come from and go to. Flows compare equal when they are the same way to the same peer."""

    @property
    def transport(self) -> str:
        """ "UDP", "TCP", "TLS", "WS" or "WSS", as it stands in a Via."""

    @property
    def reliable(self) -> bool:
        """True when the transport repeats and orders by itself, so that transactions need not."""

    @property
    def listener(self) -> Listener:
        """Whose address stands in Via and Contact of what we send here."""

    @property
    def remote(self) -> tuple[str, int]:
        """The peer's IP address as text without brackets, and its port.

        A link-local IPv6 address carries its scope, ``fe80::1%2``, which must stay out of SIP headers.
        """

    @property
    def closed(self) -> bool:
        """True once nothing can be sent any more; a UDP flow closes only with its socket."""

    @property
    def token(self) -> str:
        """Plain text from which ``Net.flow_from_token`` finds this flow again."""

    def send(self, data: bytes, on_failure: Failure | None = None) -> None:
        """Send one message; never blocks and never raises on network errors.

        ``on_failure`` is called once, later and from the loop, when the message is known not to have
        arrived: refused by the kernel, port unreachable, connection lost or too slow. It is not called when
        a message is lost silently.
        """

    def on_close(self, callback: Callable[[Flow], None]) -> None:
        """Call ``callback(flow)`` once, when the connection is gone; for UDP, never.

        The same callback twice counts once.
        """

    def off_close(self, callback: Callable[[Flow], None]) -> None:
        """Take a callback off again; harmless when it is not there."""


@runtime_checkable
class Connection(Flow, Protocol):
    """A flow whose peer can be asked whether it is still there."""

    unheard: bool
    """Whoever sets it to True finds it False once any bytes have come from the peer."""

    def abort(self, reason: str) -> None:
        """Close at once; what has not left yet is reported as failed."""
